"""KITTI odometry sequences (Geiger et al. 2012).

``image_0`` .. ``image_3`` (rectified), ``calib.txt``, ``times.txt``, and poses of camera 0 in
``poses/NN.txt`` next to the sequences, or in ``poses.txt``; ``velodyne`` where it is there.
"""

import logging
import re
from pathlib import Path

import numpy as np
import torch

from scenecode.core.errors import SourceError
from scenecode.networks.data.base.stored_images import if_there
from scenecode.networks.data.driving.kitti_odometry import read_odometry_depth
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.sources.base.image_files import image_files
from scenecode.slam.sources.base.image_sequence import (
    ImageItem,
    ImageSequence,
    true_trajectory,
)
from scenecode.slam.sources.base.limited_warnings import LimitedWarnings
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.rectifier import RawTruth
from scenecode.slam.sources.datasets.stamped_lists import content_lines, rate_of, words

#: The colour cameras first.
_CAMERAS = ("image_2", "image_3", "image_0", "image_1")
_LABEL = re.compile(r"P(\d):$")
#: Metres of the cameras over the road (Geiger et al. 2013, figure 3).
CAMERA_HEIGHT = 1.65
#: Frames per second where there is no ``times.txt``.
_RATE = 10.0

_log = logging.getLogger(__name__)


def is_kitti(folder: Path) -> bool:
    """True for a sequence whose ``calib.txt`` has projections, or one of its image folders."""
    images = _image_folder(folder)
    if images is None:
        return False
    path = images.parent / "calib.txt"
    return path.is_file() and bool(_projections(path))


def open_kitti(folder: Path, options: SourceOptions) -> ImageSequence:
    """One camera (the left colour one where present, unless its folder is given) with its
    calibration, stamped by ``times.txt`` or frame number / 10; truth is the pose of that camera
    and the depth of its laser scans.

    Raises ``SourceError`` for a calibration that cannot be parsed.
    """
    images = _require_image_folder(folder)
    projection = _projection(images)
    items = _items(images, options.fps)
    rate = rate_of(np.array([item.timestamp for item in items]))
    return ImageSequence(
        str(folder), items, rate, options,
        known=lambda width, height: PinholeCamera(
            fx=float(projection[0, 0]), fy=float(projection[1, 1]), cx=float(projection[0, 2]),
            cy=float(projection[1, 2]), width=width, height=height), read_truth=_read_truth,
        known_height=CAMERA_HEIGHT)


def _read_truth(item: ImageItem, camera: PinholeCamera) -> RawTruth:
    depth = None if item.depth is None else \
        read_odometry_depth(item.image, item.depth, camera.width, camera.height)
    return RawTruth(T_world_cam=item.T_world_cam, depth=depth)


def read_camera_poses(folder: Path, fps: float | None = None) -> Trajectory:
    """The true poses of the camera that ``open_kitti`` gives, at its images' times."""
    return true_trajectory(_items(_require_image_folder(folder), fps))


def _image_folder(folder: Path) -> Path | None:
    if folder.name in _CAMERAS:
        return folder
    return next((folder / name for name in _CAMERAS if (folder / name).is_dir()), None)


def _require_image_folder(folder: Path) -> Path:
    images = _image_folder(folder)
    if images is None:
        raise SourceError(f"{folder}: no image_0 .. image_3; give the folder of a sequence")
    return images


def _items(images: Path, fps: float | None) -> list[ImageItem]:
    files = image_files(images)
    times = _times(images.parent / "times.txt", len(files), fps)
    poses = _poses(images, len(files))
    scans = images.parent / "velodyne"
    return [ImageItem(index=i, timestamp=times[i], image=file, T_world_cam=poses[i],
                      depth=if_there(scans / f"{file.stem}.bin"))
            for i, file in enumerate(files)]


def _times(path: Path, images: int, fps: float | None) -> list[float]:
    """Seconds of each image."""
    by_number = [i / (fps or _RATE) for i in range(images)]
    if not path.is_file():
        return by_number
    try:
        times = [float(line) for _, line in content_lines(path)]
    except ValueError as error:
        raise SourceError(f"{path}: {error}; must be one time in seconds a line") from error
    if len(times) < images or not np.isfinite(times).all() \
            or (np.diff(times[:images]) <= 0).any():
        _log.warning("%s: must hold a rising time for each of the %d images; taking frame number "
                     "/ %g", path, images, fps or _RATE)
        return by_number
    return times


def _projections(path: Path) -> dict[int, np.ndarray]:
    """(3, 4) projections of a ``calib.txt`` by camera: lines ``P0: ...``, or lines of 12 numbers
    in this order.  Lines about other sensors are left out."""
    found: dict[int, np.ndarray] = {}
    for _, line in content_lines(path):
        parts = words(line)
        label = _LABEL.match(parts[0])
        if label is not None:
            parts = parts[1:]
        try:
            values = np.array(parts, np.float64)
        except ValueError:
            continue
        if values.size == 12:
            found[int(label[1]) if label else len(found)] = values.reshape(3, 4)
    return found


def _projection(images: Path) -> np.ndarray:
    """(3, 4) projection of the rectified camera of an image folder, from camera 0."""
    path = images.parent / "calib.txt"
    camera = int(images.name[-1])
    found = _projections(path).get(camera)
    if found is None or not (found[0, 0] > 0 and found[1, 1] > 0):
        raise SourceError(f"{path}: has no projection P{camera} of 12 numbers for {images.name}; "
                          "fetch the data set's calibration, or give another image folder")
    return found


def _poses(images: Path, count: int) -> list[np.ndarray | None]:
    """``T_world_cam`` of each image, None where unknown; the world is camera 0 at the start."""
    sequence = images.parent.resolve()
    candidates = (sequence / "poses.txt", sequence / f"{sequence.name}.txt",
                  sequence.parent / "poses" / f"{sequence.name}.txt",
                  sequence.parent.parent / "poses" / f"{sequence.name}.txt")
    path = next((p for p in candidates if p.is_file()), None)
    poses: list[np.ndarray | None] = [None] * count
    if path is None:
        return poses
    projection = _projection(images)
    # x_cam = x_cam0 + K^-1 p4
    T_cam0_cam = np.eye(4)
    T_cam0_cam[:3, 3] = -np.linalg.solve(projection[:, :3], projection[:, 3])
    flaws = LimitedWarnings(_log, 1, f"{path}: %d lines are flawed; going without these poses")
    lines = list(content_lines(path))
    if len(lines) != count:
        _log.warning("%s: %d poses for %d images; taking them in order", path, len(lines), count)
    for i, (number, line) in enumerate(lines[:count]):
        try:
            poses[i] = _pose(words(line)) @ T_cam0_cam
        except ValueError as error:
            flaws.warn("%s, line %d: %s; going without this pose", path, number, error)
    flaws.finish()
    return poses


def _pose(parts: list[str]) -> np.ndarray:
    """(4, 4) of the 12 numbers of a 3x4 matrix; ``ValueError`` unless it is rigid."""
    values = np.array(parts, np.float64)
    if values.size != 12 or not np.isfinite(values).all():
        raise ValueError(f"must be the 12 numbers of a 3x4 matrix, got {len(parts)}")
    T = np.eye(4)
    T[:3] = values.reshape(3, 4)
    R = T[:3, :3]
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0:
        raise ValueError("its left 3x3 is not a rotation")
    T[:3, :3] = se3.normalise_rotation(torch.from_numpy(R.copy())).numpy()
    return T
