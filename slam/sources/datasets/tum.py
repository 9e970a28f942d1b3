"""TUM RGB-D folders: ``rgb.txt``, and ``depth.txt`` and ``groundtruth.txt`` where present.

Sets of selected key frames have ``truth_cam_poses.txt`` instead, with one line for each image,
in the order of ``rgb.txt`` whatever its stamps say.
"""

import re
from pathlib import Path

import numpy as np

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.records.trajectory import MAX_DIFFERENCE, Trajectory, nearest_stamps, read_tum
from scenecode.slam.sources.base.image_sequence import ImageItem, ImageSequence, pose_and_depth
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions
from scenecode.slam.sources.datasets.posed import read_pose_lines

_DEPTH_UNITS_PER_METRE = 5000.0
_TRUTH, _LISTED_TRUTH = "groundtruth.txt", "truth_cam_poses.txt"
_NAME = re.compile(r"(?:freiburg|fr)([123])")

#: The published calibrations of the three colour cameras, 640x480.
_CAMERAS = {
    "1": PinholeCamera(fx=517.306408, fy=516.469215, cx=318.643040, cy=255.313989,
                       width=640, height=480, distortion=BrownConrady(
                           k1=0.262383, k2=-0.953104, p1=-0.005358, p2=0.002628, k3=1.163314)),
    "2": PinholeCamera(fx=520.908620, fy=521.007327, cx=325.141442, cy=249.701764,
                       width=640, height=480, distortion=BrownConrady(
                           k1=0.231222, k2=-0.784899, p1=-0.003257, p2=-0.000105, k3=0.917205)),
    "3": PinholeCamera(fx=535.4, fy=539.2, cx=320.1, cy=247.6, width=640, height=480),
}


def is_tum(folder: Path) -> bool:
    """True when the folder lists its images in ``rgb.txt``."""
    return (folder / "rgb.txt").is_file()


def has_truth(folder: Path) -> bool:
    """True when such a folder comes with true poses."""
    return any((folder / name).is_file() for name in (_TRUTH, _LISTED_TRUTH))


def open_tum(folder: Path, options: SourceOptions) -> ImageSequence:
    """A sequence with its own stamps (``options.fps`` does not touch them); depth and pose
    are the nearest within 0.02 s.

    The camera follows from ``freiburg1``, ``2`` or ``3`` in the folder's name.  Raises
    ``SourceError`` for lists that cannot be parsed, ``ResultError`` for such a ground truth.
    """
    stamps, images = _read_list(folder / "rgb.txt")
    depths = _depths(folder, stamps)
    poses = _poses(folder, stamps)
    items = [ImageItem(i, float(stamps[i]), images[i], depths[i], poses[i])
             for i in range(len(images))]
    match = _NAME.search(folder.resolve().name)
    return ImageSequence(str(folder), items, _rate(stamps), options,
                         _CAMERAS[match[1]] if match else None,
                         pose_and_depth(_DEPTH_UNITS_PER_METRE))


def read_image_poses(folder: Path) -> Trajectory:
    """The ground truth at the images' moments, so that coverage counts images, not the
    motion capture's much denser samples."""
    stamps, _ = _read_list(folder / "rgb.txt")
    poses = _poses(folder, stamps)
    known = [i for i, T in enumerate(poses) if T is not None]
    return Trajectory(stamps[known], np.array([poses[i] for i in known]).reshape(-1, 4, 4))


def _read_list(path: Path) -> tuple[np.ndarray, list[Path]]:
    """Stamps (N,) and files of lines ``timestamp filename``."""
    stamps, files = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split("#")[0].split(maxsplit=1)
        if not words:
            continue
        try:
            stamp, file = float(words[0]), path.parent / words[1].strip()
        except (ValueError, IndexError) as error:
            raise SourceError(f"{path}, line {number}: must be 'timestamp filename', got "
                              f"'{line}'") from error
        if not np.isfinite(stamp) or (stamps and stamp <= stamps[-1]):
            raise SourceError(f"{path}, line {number}: time must increase; sort the list")
        stamps.append(stamp)
        files.append(file)
    return np.array(stamps), files


def _depths(folder: Path, stamps: np.ndarray) -> list[Path | None]:
    if not (folder / "depth.txt").is_file():
        return [None] * len(stamps)
    times, files = _read_list(folder / "depth.txt")
    return [None if i is None else files[i] for i in _matches(times, stamps)]


def _poses(folder: Path, stamps: np.ndarray) -> list[np.ndarray | None]:
    if not has_truth(folder):
        return [None] * len(stamps)
    if not (folder / _TRUTH).is_file():
        return _listed_poses(folder / _LISTED_TRUTH, len(stamps))
    truth = read_tum(folder / _TRUTH)
    return [None if i is None else truth.T_world_cam[i]
            for i in _matches(truth.timestamps, stamps)]


def _listed_poses(path: Path, images: int) -> list[np.ndarray]:
    poses = read_pose_lines(path)
    if len(poses) != images:
        raise SourceError(f"{path}: {len(poses)} poses for {images} images in rgb.txt; it must be "
                          "one for each, in the same order")
    return list(poses)


def _matches(times: np.ndarray, stamps: np.ndarray) -> list[int | None]:
    """For each stamp the index of the nearest time, None when none is near enough."""
    if not len(times):
        return [None] * len(stamps)
    nearest = nearest_stamps(times, stamps)
    near = np.abs(times[nearest] - stamps) <= MAX_DIFFERENCE
    return [int(i) if ok else None for i, ok in zip(nearest, near)]


def _rate(stamps: np.ndarray) -> float:
    """Frames per second, from the median distance of the stamps."""
    return float(1 / np.median(np.diff(stamps))) if len(stamps) > 1 else DEFAULT_FPS
