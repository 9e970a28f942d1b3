"""TUM RGB-D folders: ``rgb.txt``, and ``depth.txt``, ``groundtruth.txt`` and ``labels.txt`` (of
images in ``labels13``) where present.

Sets of selected key frames have ``truth_cam_poses.txt`` instead, with one line for each image,
in the order of ``rgb.txt`` whatever its stamps say.
"""

import logging
import re
from pathlib import Path

import numpy as np

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.records.trajectory import MAX_DIFFERENCE, Trajectory
from scenecode.slam.sources.base.depth_images import depth_scale, metric_depth, pose_and_depth
from scenecode.slam.sources.base.image_sequence import (
    ImageItem,
    ImageSequence,
    true_trajectory,
)
from scenecode.slam.sources.base.label_images import labels13_by_name
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.datasets.posed import read_pose_lines, require_one_each
from scenecode.slam.sources.datasets.stamped_lists import (
    StampedFiles,
    at_stamps,
    existing,
    nearest_within,
    rate_of,
    read_stamped_files,
    read_stamped_poses,
)

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

_log = logging.getLogger(__name__)


def is_tum(folder: Path) -> bool:
    """True when the folder lists its images in ``rgb.txt``."""
    return (folder / "rgb.txt").is_file()


def has_truth(folder: Path) -> bool:
    """True when such a folder comes with true poses."""
    return any((folder / name).is_file() for name in (_TRUTH, _LISTED_TRUTH))


def open_tum(folder: Path, options: SourceOptions) -> ImageSequence:
    """A sequence with its own stamps (``options.fps`` does not touch them); depth and pose
    are the nearest within 0.02 s.

    The camera follows from ``freiburg1``, ``2`` or ``3`` in the folder's name.  Truth that is
    flawed is left out with a warning.  Raises ``SourceError`` for an ``rgb.txt`` that cannot be
    parsed.
    """
    images = read_stamped_files(folder / "rgb.txt")
    match = _NAME.search(folder.resolve().name)
    known = None if match is None else _CAMERAS[match[1]]
    return ImageSequence(str(folder), _items(folder, images), rate_of(images.stamps), options,
                         None if known is None else lambda width, height: known,
                         pose_and_depth(metric_depth(
                             depth_scale(folder, options, _DEPTH_UNITS_PER_METRE))))


def read_image_poses(folder: Path) -> Trajectory:
    """The ground truth at the moments of the images."""
    return true_trajectory(_items(folder, read_stamped_files(folder / "rgb.txt")))


def _items(folder: Path, images: StampedFiles) -> list[ImageItem]:
    depths = _listed_files(folder / "depth.txt", images, "depth")
    labels, poses = _labels(folder, images), _poses(folder, images)
    return [ImageItem(index=i, timestamp=float(stamp), image=image, depth=depths[i],
                      labels=labels[i], T_world_cam=poses[i])
            for i, (stamp, image) in enumerate(zip(images.stamps, images.files))]


def _labels(folder: Path, images: StampedFiles) -> list[Path | None]:
    """Those that ``labels.txt`` lists, or of the same names."""
    if (folder / "labels.txt").is_file():
        return _listed_files(folder / "labels.txt", images, "label")
    by_name = labels13_by_name(folder)
    return [by_name.get(image.stem) for image in images.files]


def _listed_files(path: Path, images: StampedFiles, kind: str) -> list[Path | None]:
    """The nearest entry of a stamped list for each image."""
    if not path.is_file():
        return [None] * len(images.files)
    try:
        listed = read_stamped_files(path)
    except SourceError as error:
        _log.warning("%s; going without true %s", error, kind)
        return [None] * len(images.files)
    matched = nearest_within(listed.stamps, images.stamps, MAX_DIFFERENCE)
    return existing([None if i is None else listed.files[i] for i in matched], str(path), kind)


def _poses(folder: Path, images: StampedFiles) -> list[np.ndarray | None]:
    try:
        if (folder / _TRUTH).is_file():
            return at_stamps(read_stamped_poses(folder / _TRUTH, images), images.stamps)
        if (folder / _LISTED_TRUTH).is_file():
            poses = read_pose_lines(folder / _LISTED_TRUTH)
            require_one_each(poses, images.listed, folder / _LISTED_TRUTH)
            return [poses[i] for i in images.entries]
    except SourceError as error:
        _log.warning("%s; going without true poses", error)
    return [None] * len(images.files)
