"""Where frames come from: folders, videos, data sets, rooms, cameras.

``open_source`` looks at what it is given and opens it.
"""

from pathlib import Path

from scenecode.core.errors import SourceError
from scenecode.slam.sources.base.image_sequence import IMAGE_SUFFIXES, image_files, open_folder
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions
from scenecode.slam.sources.base.source import Source
from scenecode.slam.sources.cameras.video import VideoFile
from scenecode.slam.sources.cameras.webcam import Webcam
from scenecode.slam.sources.datasets.posed import is_posed, open_posed
from scenecode.slam.sources.datasets.seven_scenes import is_seven_scenes, open_seven_scenes
from scenecode.slam.sources.datasets.tum import is_tum, open_tum

__all__ = ["Source", "SourceOptions", "open_source"]

#: Frames of ``rooms:SEED`` when it does not say how many.
DEFAULT_ROOMS_FRAMES = 300

_ROOMS = "rooms:"
_FORMS = ("give a folder of images, a 7-Scenes, TUM RGB-D or SceneNet folder, a video file, "
          "rooms:SEED[:FRAMES], or the index of a webcam")


def open_source(spec: str, options: SourceOptions = SourceOptions()) -> Source:
    """Open ``spec``: a path, ``rooms:SEED[:FRAMES]`` or a webcam's index.

    Raises ``SourceError`` when there is nothing there, nothing readable, or when the
    options do not fit.
    """
    if spec.startswith(_ROOMS):
        return _open_rooms(spec, options)
    path = Path(spec).expanduser()
    if path.is_dir():
        return _open_directory(path, options)
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            raise SourceError(f"{path} is a single image; give the folder that it is in")
        return VideoFile(path, options)
    if spec.isdecimal():
        return Webcam(int(spec), options)
    raise SourceError(f"{spec}: no such file or folder; {_FORMS}")


def _open_directory(folder: Path, options: SourceOptions) -> Source:
    if is_tum(folder):
        return open_tum(folder, options)
    if is_seven_scenes(folder):
        return open_seven_scenes(folder, options)
    if is_posed(folder):
        return open_posed(folder, options)
    if (folder / "photo").is_dir():
        # protobuf is needed for this data set only
        from scenecode.slam.sources.datasets.scenenet import open_scenenet
        return open_scenenet(folder, options)
    if not image_files(folder):
        raise SourceError(f"{folder}: no images in this folder{_hint(folder)}; {_FORMS}")
    return open_folder(folder, options)


def _hint(folder: Path) -> str:
    """Names a folder inside that has images, where there is one."""
    inside = sorted(p for p in folder.iterdir() if p.is_dir())
    fitting = next((p for p in inside if is_tum(p) or image_files(p)), None)
    return f" (did you mean {fitting}?)" if fitting else ""


def _open_rooms(spec: str, options: SourceOptions) -> Source:
    numbers = spec[len(_ROOMS):].split(":")
    if len(numbers) > 2 or not all(n.isdecimal() for n in numbers):
        raise SourceError(f"'{spec}': must be rooms:SEED or rooms:SEED:FRAMES, whole numbers")
    if options.intrinsics is not None or options.calib is not None or options.stride != 1:
        raise SourceError(f"'{spec}': rooms know their camera and are made frame by frame; leave "
                          "out intrinsics, calibration and stride")
    frames = int(numbers[1]) if len(numbers) == 2 else DEFAULT_ROOMS_FRAMES
    if frames < 1:
        raise SourceError(f"'{spec}': must have at least one frame")
    # the renderer is needed for this source only
    from scenecode.slam.sources.rooms import RoomsSource
    return RoomsSource(int(numbers[0]), min(frames, options.max_frames or frames),
                       options.width, options.height, options.fps or DEFAULT_FPS)
