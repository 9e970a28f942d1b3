"""Folders with ``color/``, ``depth/`` and ``pose.txt``: small RGB-D sets as tutorials give them.

The k-th line of ``pose.txt``, ``tx ty tz qx qy qz qw`` (camera to world), belongs to the k-th
image in natural order; ``depth/`` holds an image of the same name, 16-bit millimetres.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scenecode.core.errors import SourceError
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.sources.base.depth_images import depth_scale, metric_depth, pose_and_depth
from scenecode.slam.sources.base.image_files import image_files
from scenecode.slam.sources.base.image_sequence import ImageItem, ImageSequence
from scenecode.slam.sources.base.label_images import labels13_by_name
from scenecode.slam.sources.base.limited_warnings import LimitedWarnings
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions
from scenecode.slam.sources.datasets.stamped_lists import (
    content_lines,
    pose_row,
    poses_from_rows,
    words,
)

_IMAGES, _DEPTHS, _POSES = "color", "depth", "pose.txt"
_DEPTH_UNITS_PER_METRE = 1000.0

_log = logging.getLogger(__name__)


def is_posed(folder: Path) -> bool:
    """True when the folder has this layout."""
    return (folder / _IMAGES).is_dir() and (folder / _POSES).is_file()


def open_posed(folder: Path, options: SourceOptions) -> ImageSequence:
    """A sequence with poses and depths as truth, stamped frame number / fps.

    Without the user's intrinsics a guess is announced.  Poses that are flawed, or of which there
    is not one for each image, are left out with a warning.
    """
    fps = options.fps or DEFAULT_FPS
    images = image_files(folder / _IMAGES)
    poses: Sequence[np.ndarray | None] = [None] * len(images)
    try:
        read = read_pose_lines(folder / _POSES)
        require_one_each(read, len(images), folder / _POSES)
        poses = read
    except SourceError as error:
        _log.warning("%s; going without true poses", error)
    depths = {p.stem: p for p in (folder / _DEPTHS).glob("*")}
    labels = labels13_by_name(folder)
    items = [ImageItem(index=i, timestamp=i / fps, image=image, depth=depths.get(image.stem),
                       labels=labels.get(image.stem), T_world_cam=pose)
             for i, (image, pose) in enumerate(zip(images, poses))]
    return ImageSequence(str(folder), items, fps, options,
                         read_truth=pose_and_depth(metric_depth(
                             depth_scale(folder, options, _DEPTH_UNITS_PER_METRE))))


def read_line_poses(folder: Path, fps: float = DEFAULT_FPS) -> Trajectory:
    """All poses of such a folder, stamped line number / fps; flawed ones are left out."""
    found = [(i / fps, T) for i, T in enumerate(read_pose_lines(folder / _POSES))
             if T is not None]
    return Trajectory(np.array([t for t, _ in found]),
                      np.array([T for _, T in found]).reshape(-1, 4, 4))


def read_pose_lines(path: Path) -> list[np.ndarray | None]:
    """(4, 4) ``T_world_cam`` of each line ``[timestamp] tx ty tz qx qy qz qw``, None for a flawed
    one, which a warning names; stamps are left out."""
    flaws = LimitedWarnings(_log, 1, f"{path}: %d lines are flawed; going without these poses")
    poses: list[np.ndarray | None] = []
    for number, line in content_lines(path):
        parts = words(line)
        try:
            if len(parts) not in (7, 8):
                raise ValueError(f"must be '[timestamp] tx ty tz qx qy qz qw', got '{line}'")
            poses.append(poses_from_rows([pose_row(parts[-7:])])[0])
        except ValueError as error:
            flaws.warn("%s, line %d: %s; going without this pose", path, number, error)
            poses.append(None)
    flaws.finish()
    return poses


def require_one_each(poses: Sequence[np.ndarray | None], images: int, path: Path) -> None:
    """Raise ``SourceError`` unless there is one pose for each of the images."""
    if len(poses) != images:
        raise SourceError(f"{path}: {len(poses)} poses for {images} images; it must be one for "
                          "each, in the same order")
