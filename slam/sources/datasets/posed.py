"""Folders with ``color/``, ``depth/`` and ``pose.txt``: small RGB-D sets as tutorials give them.

The k-th line of ``pose.txt``, ``tx ty tz qx qy qz qw`` (camera to world), belongs to the k-th
image in natural order; ``depth/`` holds an image of the same name, 16-bit millimetres.
"""

from pathlib import Path

import numpy as np
import torch

from scenecode.core.errors import SourceError
from scenecode.optim.geometry import se3
from scenecode.slam.records.trajectory import QUATERNION_TOLERANCE, Trajectory
from scenecode.slam.sources.base.image_sequence import (
    ImageItem,
    ImageSequence,
    image_files,
    pose_and_depth,
)
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions

_IMAGES, _DEPTHS, _POSES = "color", "depth", "pose.txt"
_DEPTH_UNITS_PER_METRE = 1000.0


def is_posed(folder: Path) -> bool:
    """True when the folder has this layout."""
    return (folder / _IMAGES).is_dir() and (folder / _POSES).is_file()


def open_posed(folder: Path, options: SourceOptions) -> ImageSequence:
    """A sequence with poses and depths as truth, stamped frame number / fps.

    Without the user's intrinsics a guess is announced.  Raises ``SourceError`` when there is
    not one pose for each image.
    """
    fps = options.fps or DEFAULT_FPS
    images = image_files(folder / _IMAGES)
    poses = read_pose_lines(folder / _POSES)
    if len(poses) != len(images):
        raise SourceError(f"{folder}: {len(poses)} lines in {_POSES} for {len(images)} images in "
                          f"{_IMAGES}; it must be one for each, in the same order")
    depths = {p.stem: p for p in (folder / _DEPTHS).glob("*")}
    items = [ImageItem(i, i / fps, image, depths.get(image.stem), pose)
             for i, (image, pose) in enumerate(zip(images, poses))]
    return ImageSequence(str(folder), items, fps, options,
                         read_truth=pose_and_depth(_DEPTH_UNITS_PER_METRE))


def read_line_poses(folder: Path, fps: float = DEFAULT_FPS) -> Trajectory:
    """All poses of such a folder, stamped line number / fps."""
    poses = read_pose_lines(folder / _POSES)
    return Trajectory(np.arange(len(poses)) / fps, poses)


def read_pose_lines(path: Path) -> np.ndarray:
    """(N, 4, 4) ``T_world_cam`` of lines ``[timestamp] tx ty tz qx qy qz qw``; stamps are left
    out.  Raises ``SourceError`` naming file, line and rule."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            row = [float(word) for word in words[-7:]]
        except ValueError as error:
            raise SourceError(f"{path}, line {number}: {error}") from error
        if len(words) not in (7, 8) or not np.isfinite(row).all() \
                or abs(np.linalg.norm(row[3:]) - 1) > QUATERNION_TOLERANCE:
            raise SourceError(f"{path}, line {number}: must be '[timestamp] tx ty tz qx qy qz qw' "
                              f"with a unit quaternion, got '{line.strip()}'")
        rows.append(row)
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 7)
    rotation = se3.rotation_from_quaternion(table[:, 3:])
    return se3.from_rotation_translation(rotation, table[:, :3]).numpy()
