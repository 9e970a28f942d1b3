"""Areas and rooms of Stanford 2D-3D-S (Armeni et al. 2017), with poses, depth and labels.

``area_N`` with ``data/rgb``; ``area_N/ROOM`` names the images of one room, of which there is no
folder.  The images are stills, in the order of their rooms, places and frame numbers.
"""

from pathlib import Path

from scenecode.core.errors import SourceError
from scenecode.networks.classes import STANFORD_13
from scenecode.networks.data.base.stored_images import ImageFile, scaled_to
from scenecode.networks.data.indoor.stanford import (
    find_instances,
    ids_of_instances,
    read_stanford_depth,
    read_stanford_labels,
    read_stanford_pose,
    room_of,
    stanford_files,
)
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.sources.base.image_files import natural_key
from scenecode.slam.sources.base.image_sequence import (
    ImageItem,
    ImageSequence,
    true_trajectory,
)
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.rectifier import RawTruth

#: Images per second: they have no time.
_RATE = 1.0


def is_stanford_area(path: Path) -> bool:
    """True for an area, one of its folders, a room of it, and the folder of the areas."""
    return _area_and_room(path) is not None or bool(_areas(path))


def open_stanford(path: Path, options: SourceOptions) -> ImageSequence:
    """The images of an area or of one of its rooms, one a second.

    Raises ``SourceError`` for a room that the area lacks and for a folder of several areas, and
    ``DataError`` for a pose file that is missing or flawed.
    """
    area, files = _files(path)
    ids = ids_of_instances(find_instances(area)) if files[0].labels is not None else None

    def read_truth(item: ImageItem, camera: PinholeCamera) -> RawTruth:
        file = files[item.index]
        labels = None if file.labels is None or ids is None else \
            read_stanford_labels(file.labels, ids)
        return RawTruth(
            T_world_cam=item.T_world_cam,
            depth=None if file.depth is None else read_stanford_depth(file.depth),
            labels=labels, classes=None if labels is None else STANFORD_13)

    def known(width: int, height: int) -> PinholeCamera:
        return scaled_to(read_stanford_pose(files[0].image)[0], width, height, files[0].image)

    return ImageSequence(str(path), _items(files, options.fps), options.fps or _RATE, options,
                         known=known, read_truth=read_truth)


def read_still_poses(path: Path, fps: float | None = None) -> Trajectory:
    """The poses of the images that ``open_stanford`` gives."""
    return true_trajectory(_items(_files(path)[1], fps))


def _items(files: list[ImageFile], fps: float | None) -> list[ImageItem]:
    return [ImageItem(index=i, timestamp=i / (fps or _RATE), image=file.image,
                      T_world_cam=read_stanford_pose(file.image)[1])
            for i, file in enumerate(files)]


def _area_and_room(path: Path) -> tuple[Path, str] | None:
    """An area and the name of a room of it, empty for all."""
    for area in (path, path.parent, path.parent.parent):
        if area.name.startswith("area_") and (area / "data" / "rgb").is_dir():
            inside = path.relative_to(area)
            if inside.parts in ((), ("data",), ("data", "rgb")):
                return area, ""
            if len(inside.parts) == 1 and not path.exists():
                return area, inside.name
    return None


def _areas(folder: Path) -> list[Path]:
    return sorted(path.parents[1] for path in folder.glob("area_*/data/rgb"))


def _files(path: Path) -> tuple[Path, list[ImageFile]]:
    found = _area_and_room(path)
    if found is None:
        areas = _areas(path)
        raise SourceError(f"{path}: holds {len(areas)} areas; give one of them, or a room of one, "
                          f"such as {areas[0]} or {areas[0] / 'office_1'}")
    area, room = found
    files = stanford_files(area.parent, area.name)
    if not files:
        raise SourceError(f"{area}: no images in data/rgb; expected names such as "
                          "camera_UUID_office_1_frame_0_domain_rgb.png")
    wanted = [file for file in files if room in ("", room_of(file.image))]
    if not wanted:
        rooms = ", ".join(sorted({room_of(file.image) for file in files}))
        raise SourceError(f"{path}: the area has no room of this name; it has {rooms}")
    return area, sorted(wanted, key=lambda file: (room_of(file.image), natural_key(file.image)))
