"""The forms of input: how each is recognised, opened, and where its truth is.

``FORMATS`` is the only list of them: ``open_source`` and ``true_trajectory`` go through it, and
docs/inputs.md prints it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from scenecode.core.errors import ResultError, SourceError
from scenecode.slam.records.trajectory import Trajectory, read_tum
from scenecode.slam.sources.base.image_files import IMAGE_SUFFIXES, image_files
from scenecode.slam.sources.base.image_sequence import open_folder
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions
from scenecode.slam.sources.base.source import Source
from scenecode.slam.sources.base.timestamps import is_dated, recognised_unit, seconds_from
from scenecode.slam.sources.cameras.network import is_url, open_network_camera
from scenecode.slam.sources.cameras.video import VideoFile
from scenecode.slam.sources.cameras.webcam import open_webcam
from scenecode.slam.sources.datasets.euroc import is_euroc, open_euroc, read_body_truth
from scenecode.slam.sources.datasets.kitti import is_kitti, open_kitti, read_camera_poses
from scenecode.slam.sources.datasets.kitti_raw import (
    is_kitti_raw,
    open_kitti_raw,
    read_unit_poses,
)
from scenecode.slam.sources.datasets.nyu_raw import is_nyu_raw, open_nyu_raw
from scenecode.slam.sources.datasets.posed import is_posed, open_posed, read_line_poses
from scenecode.slam.sources.datasets.seven_scenes import (
    is_seven_scenes,
    open_seven_scenes,
    read_poses,
)
from scenecode.slam.sources.datasets.stanford import (
    is_stanford_area,
    open_stanford,
    read_still_poses,
)
from scenecode.slam.sources.datasets.tum import has_truth, is_tum, open_tum, read_image_poses
from scenecode.slam.sources.datasets.virtual_kitti import (
    is_virtual_drive,
    open_virtual_kitti,
    read_drive_poses,
)
from scenecode.slam.sources.pingpong import play_to_and_fro

#: Frames of ``rooms:SEED`` and ``streets:SEED`` when they do not say how many.
DEFAULT_RENDERED_FRAMES = 300
#: Frames per second of ``streets:SEED``, as of most recordings from cars.
DEFAULT_STREETS_FPS = 10.0

_ROOMS, _STREETS = "rooms:", "streets:"
_PINGPONG = "pingpong:"


#: Where images were taken.
Surroundings = Literal["indoors", "outdoors"]


@dataclass(frozen=True)
class Format:
    """One form of input, of what the user wrote: a path, a URL, ``rooms:...`` or a number."""

    name: str
    #: what tells it apart, for people
    layout: str
    #: where its camera is known from, for people; empty: from the user, else measured or guessed
    camera: str
    #: its time stamps, for people
    stamps: str
    #: its truth, for people; empty for none
    truth: str
    recognises: Callable[[str], bool]
    open: Callable[[str, SourceOptions], Source]
    #: the true poses of a folder, stamped by the rate (frames per second) where it has no stamps
    true_poses: Callable[[Path, float], Trajectory] | None = None
    #: whether it is a camera, whose images come once
    is_live: bool = False
    #: where its images were taken; ``None``: anywhere
    surroundings: Surroundings | None = None


def open_source(spec: str, options: SourceOptions = SourceOptions()) -> Source:
    """Open ``spec``: a path, a URL, ``rooms:SEED[:FRAMES]``, ``streets:SEED[:FRAMES]``,
    ``pingpong:SOURCE:N`` or a webcam's index.

    The first of ``FORMATS`` that recognises it opens it.  Raises ``SourceError`` when there is
    nothing there, nothing readable, or when the options do not fit.
    """
    try:
        form = _form_of(spec)
        if form is not None:
            return form.open(spec, options)
    except OSError as error:
        raise SourceError(f"cannot read {spec}: {error.strerror or error}; check the path and its "
                          "permissions") from error
    path = _path(spec)
    if path.is_dir():
        raise SourceError(f"{path}: no images in this folder{_hint(path)}; give {FORMS}")
    raise SourceError(f"{spec}: no such file or folder; give {FORMS}")


def surroundings_of(spec: str) -> Surroundings | None:
    """Where the images of ``spec`` were taken, as far as its form tells."""
    if spec.startswith(_PINGPONG):
        return surroundings_of(spec[len(_PINGPONG):].rpartition(":")[0])
    form = _form_of(spec)
    return None if form is None else form.surroundings


def true_trajectory(path: Path, fps: float = DEFAULT_FPS) -> Trajectory:
    """The true camera path in a TUM file, or in a folder of a form that has one; ``fps`` stamps
    the images of forms without stamps.  Raises ``ResultError`` where there is none."""
    if not path.is_dir():
        return _in_seconds(read_tum(path), path)
    for form in FORMATS:
        if form.true_poses is not None and form.recognises(str(path)):
            trajectory = form.true_poses(path, fps)
            if len(trajectory):
                return trajectory
    forms = ", ".join(form.name for form in FORMATS if form.true_poses is not None)
    raise ResultError(f"{path}: no ground truth in this folder; give a TUM trajectory file or a "
                      f"folder with true poses ({forms})")


def _in_seconds(trajectory: Trajectory, path: Path) -> Trajectory:
    """Stamps that are dates in another unit tell it; samples of other clocks are too dense to."""
    stamps = trajectory.timestamps.tolist()
    if not is_dated(stamps, recognised_unit(stamps)):
        return trajectory
    return Trajectory(seconds_from(stamps, str(path)), trajectory.T_world_cam)


def markdown_table() -> str:
    """``FORMATS`` as the table of docs/inputs.md."""
    rows = [("input", "recognised by", "camera", "time stamps", "truth")]
    unknown = "`--intrinsics`, `--calib`, else measured or guessed"
    rows += [(form.name, form.layout, form.camera or unknown,
              form.stamps, form.truth or "none") for form in FORMATS]
    rows.insert(1, ("---",) * 5)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _form_of(spec: str) -> Format | None:
    return next((form for form in FORMATS if form.recognises(spec)), None)


def _path(spec: str) -> Path:
    """What the user wrote as a path, ``~`` expanded where there is such a user."""
    try:
        return Path(spec).expanduser()
    except RuntimeError:
        return Path(spec)


def _folder(recognises: Callable[[Path], bool]) -> Callable[[str], bool]:
    """A test of folders as one of what the user wrote."""
    def test(spec: str) -> bool:
        path = _path(spec)
        return path.is_dir() and recognises(path)
    return test


def _at_path(opens: Callable[[Path, SourceOptions], Source]
             ) -> Callable[[str, SourceOptions], Source]:
    """An opener of paths as one of what the user wrote."""
    return lambda spec, options: opens(_path(spec), options)


def _is_scenenet(folder: Path) -> bool:
    return (folder / "photo").is_dir()


def _open_scenenet(folder: Path, options: SourceOptions) -> Source:
    # protobuf is needed for this data set only
    from scenecode.slam.sources.datasets.scenenet import open_scenenet
    return open_scenenet(folder, options)


def _scenenet_poses(folder: Path, fps: float) -> Trajectory:
    from scenecode.slam.sources.datasets.scenenet import read_rendered_poses
    return read_rendered_poses(folder)


def _open_file(path: Path, options: SourceOptions) -> Source:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise SourceError(f"{path} is a single image; give the folder that it is in")
    return VideoFile(path, options)


def _hint(folder: Path) -> str:
    """Names a folder inside that can be opened, where there is one."""
    inside = sorted(p for p in folder.iterdir() if p.is_dir())
    fitting = next((p for p in inside if any(f.recognises(str(p)) for f in FORMATS)), None)
    return f" (did you mean {fitting}?)" if fitting else ""


def _rendered(spec: str, word: str, options: SourceOptions) -> tuple[int, int]:
    """Seed and number of frames of ``rooms:SEED[:FRAMES]`` and ``streets:SEED[:FRAMES]``."""
    numbers = spec[len(word):].split(":")
    if len(numbers) > 2 or not all(n.isdecimal() for n in numbers):
        raise SourceError(f"'{spec}': must be {word}SEED or {word}SEED:FRAMES, whole numbers")
    if options.intrinsics is not None or options.calib is not None or options.stride != 1:
        raise SourceError(f"'{spec}': {word[:-1]} know their camera and are made frame by frame; "
                          "leave out intrinsics, calibration and stride")
    frames = int(numbers[1]) if len(numbers) == 2 else DEFAULT_RENDERED_FRAMES
    if frames < 1:
        raise SourceError(f"'{spec}': must have at least one frame")
    return int(numbers[0]), frames


def _open_rooms(spec: str, options: SourceOptions) -> Source:
    seed, frames = _rendered(spec, _ROOMS, options)
    # the renderer is needed for this source only
    from scenecode.slam.sources.rooms import RoomsSource
    room = RoomsSource(seed, frames, options.width, options.height, options.fps or DEFAULT_FPS)
    room.camera_height = options.camera_height
    room.stop_after(options.max_frames)
    return room


def _open_streets(spec: str, options: SourceOptions) -> Source:
    seed, frames = _rendered(spec, _STREETS, options)
    from scenecode.slam.sources.streets import StreetsSource
    street = StreetsSource(seed, frames, options.width, options.height,
                           options.fps or DEFAULT_STREETS_FPS)
    street.camera_height = options.camera_height
    street.stop_after(options.max_frames)
    return street


def _open_pingpong(spec: str, options: SourceOptions) -> Source:
    inner, _, number = spec[len(_PINGPONG):].rpartition(":")
    if not inner or not number.isdecimal() or int(number) < 1:
        raise SourceError(f"'{spec}': must be pingpong:SOURCE:N with N passes, at least 1")
    form = _form_of(inner)
    if form is not None and form.is_live:
        raise SourceError(f"'{spec}': a camera cannot be played to and fro; record it first, and "
                          "give the video")
    source = open_source(inner, replace(options, max_frames=None))
    return play_to_and_fro(source, int(number), options.max_frames)


_BY_RATE = "frame number / `--fps` (30)"
_TUM_STAMPS = "the list's, in s, ms, us or ns"

#: In the order in which they are tried.
FORMATS: tuple[Format, ...] = (
    Format(
        name="rooms:SEED[:FRAMES]", layout="the word `rooms:`", camera="its own",
        stamps="frame number / `--fps` (30)", truth="poses, depth and labels, exact",
        recognises=lambda spec: spec.startswith(_ROOMS), open=_open_rooms,
        surroundings="indoors"),
    Format(
        name="streets:SEED[:FRAMES]", layout="the word `streets:`", camera="its own",
        stamps="frame number / `--fps` (10)",
        truth="poses, depth and labels, exact; what moves",
        recognises=lambda spec: spec.startswith(_STREETS), open=_open_streets,
        surroundings="outdoors"),
    Format(
        name="pingpong:SOURCE:N",
        layout="the word `pingpong:`; N passes over a recording, to and fro",
        camera="the source's", stamps="the source's, going on at the same distances",
        truth="the source's",
        recognises=lambda spec: spec.startswith(_PINGPONG), open=_open_pingpong),
    Format(
        name="KITTI odometry sequence",
        layout="`calib.txt` next to `image_2` (or 3, 0, 1); also given one of these",
        camera="`calib.txt`", stamps="`times.txt`, or frame number / `--fps` (10)",
        truth="`poses.txt` or `poses/NN.txt` of camera 0, moved to the chosen camera; "
              "`velodyne/`",
        recognises=_folder(is_kitti), open=_at_path(open_kitti),
        true_poses=lambda path, fps: read_camera_poses(path), surroundings="outdoors"),
    Format(
        name="KITTI raw drive",
        layout="`image_02/data` (or 03, 00, 01); also given one of these; or `image_02/` and "
               "`depth/`",
        camera="`calib_cam_to_cam.txt` of its day, else the data set's",
        stamps="`timestamps.txt`, or frame number / `--fps` (10)",
        truth="`oxts/`, moved to the camera; `proj_depth/` or `velodyne_points/`",
        recognises=_folder(is_kitti_raw), open=_at_path(open_kitti_raw),
        true_poses=lambda path, fps: read_unit_poses(path), surroundings="outdoors"),
    Format(
        name="Virtual KITTI 2 drive", layout="`SceneNN/VARIATION` with `frames/rgb/Camera_0`",
        camera="`intrinsic.txt`", stamps="frame number / `--fps` (10)",
        truth="`extrinsic.txt`, `frames/depth/` and `frames/classSegmentation/`",
        recognises=_folder(is_virtual_drive), open=_at_path(open_virtual_kitti),
        true_poses=lambda path, fps: read_drive_poses(path), surroundings="outdoors"),
    Format(
        name="Stanford 2D-3D-S area or room",
        layout="`area_N` with `data/rgb`; `area_N/office_3` is one of its rooms",
        camera="`data/pose/`", stamps="frame number / `--fps` (1)",
        truth="`data/pose/`, `data/depth/` and `data/semantic/`",
        recognises=lambda spec: is_stanford_area(_path(spec)), open=_at_path(open_stanford),
        true_poses=lambda path, fps: read_still_poses(path), surroundings="indoors"),
    Format(
        name="TUM RGB-D folder",
        layout="`rgb.txt`: lines `STAMP FILE` (commas too)",
        camera="`freiburg1` .. `3` in the folder's name", stamps=_TUM_STAMPS,
        truth="`groundtruth.txt` or `truth_cam_poses.txt`; `depth.txt` (5000 = 1 m); "
              "`labels.txt` or `labels13/`",
        recognises=_folder(is_tum), open=_at_path(open_tum),
        true_poses=lambda path, fps: read_image_poses(path) if has_truth(path)
        else Trajectory()),
    Format(
        name="7-Scenes sequence", layout="`frame-NNNNNN.color.png` or `.jpg`",
        camera="", stamps=_BY_RATE,
        truth="`.pose.txt`; `.depth.png` (mm); `labels13/`",
        recognises=_folder(is_seven_scenes), open=_at_path(open_seven_scenes),
        true_poses=read_poses, surroundings="indoors"),
    Format(
        name="NYUv2 raw scene", layout="`r-STAMP-N.ppm`",
        camera="the data set's", stamps="in the names",
        truth="`d-STAMP-N.pgm` (Kinect disparity), registered to colour; no poses",
        recognises=_folder(is_nyu_raw), open=_at_path(open_nyu_raw), surroundings="indoors"),
    Format(
        name="EuRoC folder",
        layout="`mav0/cam0/data.csv` and `data/`; also given `mav0`, `cam0` or `cam1`",
        camera="`sensor.yaml`", stamps="`data.csv`, in ns",
        truth="`state_groundtruth_estimate0/data.csv` (or `mocap0`), moved to the camera",
        recognises=_folder(is_euroc), open=_at_path(open_euroc),
        true_poses=lambda path, fps: read_body_truth(path)),
    Format(
        name="posed folder", layout="`color/` and `pose.txt`", camera="",
        stamps=_BY_RATE, truth="`pose.txt`, one line for each image; `depth/` (mm); `labels13/`",
        recognises=_folder(is_posed), open=_at_path(open_posed), true_poses=read_line_poses),
    Format(
        name="SceneNet RGB-D trajectory", layout="`photo/`", camera="the data set's",
        stamps="the data set's (1 s apart), or frame number / `--fps`",
        truth="poses, `depth/` and `instance/`",
        recognises=_folder(_is_scenenet), open=_at_path(_open_scenenet),
        true_poses=_scenenet_poses, surroundings="indoors"),
    Format(
        name="folder of images", layout="any of " + ", ".join(sorted(IMAGE_SUFFIXES)),
        camera="", stamps=_BY_RATE, truth="",
        recognises=_folder(lambda path: bool(image_files(path))), open=_at_path(open_folder)),
    Format(
        name="video file", layout="any other file; what OpenCV decodes", camera="",
        stamps="the container's, or frame number / `--fps` if given", truth="",
        recognises=lambda spec: _path(spec).is_file(),
        open=_at_path(_open_file)),
    Format(
        name="network camera", layout="a URL that OpenCV opens (`rtsp://`, `http://` MJPEG)",
        camera="", stamps="seconds since opening", truth="", is_live=True,
        recognises=is_url, open=open_network_camera),
    Format(
        name="webcam", layout="a number", camera="", stamps="seconds since opening", is_live=True,
        truth="", recognises=str.isdecimal,
        open=lambda spec, options: open_webcam(int(spec), options)),
)

#: What a source may be, for messages and help.
FORMS = ("a folder of images, the folder of a data set (TUM RGB-D, 7-Scenes, NYUv2 raw, "
         "EuRoC, KITTI, Virtual KITTI 2, Stanford 2D-3D-S, SceneNet), a video file, the URL of a "
         "network camera, the index of a webcam, rooms:SEED[:FRAMES], streets:SEED[:FRAMES], or "
         "pingpong:SOURCE:N")
