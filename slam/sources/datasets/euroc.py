"""EuRoC MAV folders (Burri et al. 2016), which TUM VI and others use too.

``mav0/cam0/data.csv`` lists ``data/NANOSECONDS.png``, ``sensor.yaml`` is the camera, and the
ground truth is of the body.
"""

import logging
from pathlib import Path

import numpy as np
import yaml

from scenecode.core.errors import SourceError
from scenecode.core.text_file import read_text
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.sources.base.image_files import image_files
from scenecode.slam.sources.base.image_sequence import (
    ImageItem,
    ImageSequence,
    KnownCamera,
    true_trajectory,
)
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.timestamps import NANOSECONDS, parse_stamp
from scenecode.slam.sources.calibration.reader import read_calibration
from scenecode.slam.sources.datasets.stamped_lists import (
    StampedFiles,
    at_stamps,
    rate_of,
    read_stamped_files,
    read_stamped_poses,
    stamped_files,
)

_LIST, _IMAGES, _SENSOR = "data.csv", "data", "sensor.yaml"
#: Folders of ground truth next to the cameras: EuRoC's, and TUM VI's.
_TRUTHS = ("state_groundtruth_estimate0", "mocap0")

_log = logging.getLogger(__name__)


def is_euroc(folder: Path) -> bool:
    """True for a sequence, its ``mav0``, or one of the camera folders in there."""
    return _camera_folder(folder) is not None


def open_euroc(folder: Path, options: SourceOptions) -> ImageSequence:
    """One camera (``cam0`` unless its folder is given) in seconds, with the camera of its
    ``sensor.yaml``; truth is the pose of the camera nearest within 0.02 s."""
    camera = _camera_folder(folder)
    if camera is None:
        raise SourceError(f"{folder}: no mav0/cam0/data; give the folder that holds mav0")
    images = _images(camera)
    return ImageSequence(str(folder), _items(camera, images), rate_of(images.stamps), options,
                         known=_known_camera(camera / _SENSOR))


def read_body_truth(folder: Path) -> Trajectory:
    """The true poses of the camera at the moments of its images."""
    camera = _camera_folder(folder)
    return Trajectory() if camera is None else true_trajectory(_items(camera, _images(camera)))


def _camera_folder(folder: Path) -> Path | None:
    candidates = (folder / "mav0" / "cam0", folder / "cam0", folder)
    return next((c for c in candidates
                 if (c / _IMAGES).is_dir() and ((c / _LIST).is_file() or (c / _SENSOR).is_file())),
                None)


def _images(camera: Path) -> StampedFiles:
    if (camera / _LIST).is_file():
        return read_stamped_files(camera / _LIST, camera / _IMAGES, suffix=".png",
                                  unit=NANOSECONDS)
    named = [(p.stem, p) for p in image_files(camera / _IMAGES) if p.stem.isdecimal()]
    return stamped_files(str(camera / _IMAGES), [parse_stamp(s) for s, _ in named],
                         [p for _, p in named], unit=NANOSECONDS)


def _items(camera: Path, images: StampedFiles) -> list[ImageItem]:
    poses = _camera_poses(camera, images)
    return [ImageItem(index=i, timestamp=float(stamp), image=image, T_world_cam=poses[i])
            for i, (stamp, image) in enumerate(zip(images.stamps, images.files))]


def _camera_poses(camera: Path, images: StampedFiles) -> list[np.ndarray | None]:
    """Poses of the camera: those of the body, and where the camera is on it."""
    path = next((p for name in _TRUTHS if (p := camera.parent / name / _LIST).is_file()), None)
    if path is None:
        return [None] * len(images.files)
    try:
        T_body_cam = _on_body(camera / _SENSOR)
        truth = read_stamped_poses(path, images, scalar_first=True)
    except SourceError as error:
        _log.warning("%s; going without true poses", error)
        return [None] * len(images.files)
    return [None if T is None else T @ T_body_cam for T in at_stamps(truth, images.stamps)]


def _on_body(path: Path) -> np.ndarray:
    """(4, 4) ``T_BS`` of a ``sensor.yaml``: sensor to body."""
    try:
        T = np.array(_sensor(path)["T_BS"]["data"], np.float64).reshape(4, 4)
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path}: has no T_BS with 16 numbers, so where the camera is on the "
                          "body is unknown") from error
    if not np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-3):
        raise SourceError(f"{path}: T_BS is not a rigid transform")
    return T


def _known_camera(path: Path) -> KnownCamera | None:
    """The camera of a ``sensor.yaml``, None with a warning where it has none."""
    if not path.is_file():
        return None
    return lambda width, height: read_calibration(path, width, height)


def _sensor(path: Path) -> dict:
    try:
        # OpenCV's header is no YAML
        text = read_text(path).removeprefix("%YAML:1.0")
        sensor = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SourceError(f"cannot read {path}: {error}") from error
    return sensor if isinstance(sensor, dict) else {}
