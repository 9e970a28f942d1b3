"""7-Scenes sequences: ``frame-NNNNNN.color.png`` (or jpg), ``.pose.txt``, ``.depth.png``.

The depth images are seen by the depth camera, a few centimetres from the colour camera
and with another focal length: they are *not registered* to the colour images.  The focal
lengths are allowed for here; the distance is not published and is not, which leaves a few
pixels of 640, most of them nearby.
"""

import logging
import re
from pathlib import Path

import numpy as np
import torch

from scenecode.core.errors import SourceError
from scenecode.core.text_file import read_text
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.sources.base.depth_images import depth_scale, metric_depth, pose_and_depth
from scenecode.slam.sources.base.image_sequence import ImageItem, ImageSequence
from scenecode.slam.sources.base.label_images import labels13_by_name
from scenecode.slam.sources.base.limited_warnings import LimitedWarnings
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions

_COLOUR = re.compile(r"frame-(\d+)\.color\.(png|jpg|jpeg)$")
_POSE = re.compile(r"frame-(\d+)\.pose\.txt$")
_DEPTH_UNITS_PER_METRE = 1000.0
_NO_DEPTH = (0, 65535)
#: As the data set states it.
_DEPTH_CAMERA = PinholeCamera(fx=585.0, fy=585.0, cx=320.0, cy=240.0, width=640, height=480)

_log = logging.getLogger(__name__)


def is_seven_scenes(folder: Path) -> bool:
    """True when the folder holds colour images or poses of this layout."""
    return any(_COLOUR.match(p.name) or _POSE.match(p.name) for p in folder.iterdir())


def open_seven_scenes(folder: Path, options: SourceOptions) -> ImageSequence:
    """A sequence with its poses and depths as truth, stamped frame number / fps.

    The data set states no calibration of the colour camera: without the user's intrinsics
    a guess is announced.
    """
    fps = options.fps or DEFAULT_FPS
    numbered = sorted((int(m[1]), p) for p in folder.iterdir() if (m := _COLOUR.match(p.name)))
    poses = _read_poses(folder)
    items, labels = [], labels13_by_name(folder)
    for index, (number, image) in enumerate(numbered):
        depth = folder / f"{image.name.split('.')[0]}.depth.png"
        items.append(ImageItem(index=index, timestamp=number / fps, image=image,
                               depth=depth if depth.is_file() else None,
                               labels=labels.get(image.stem),
                               T_world_cam=poses.get(number)))
    metres = metric_depth(depth_scale(folder, options, _DEPTH_UNITS_PER_METRE), _NO_DEPTH)
    return ImageSequence(str(folder), items, fps, options,
                         read_truth=pose_and_depth(metres, _DEPTH_CAMERA))


def read_poses(folder: Path, fps: float = DEFAULT_FPS) -> Trajectory:
    """All poses of a folder, stamped frame number / fps."""
    poses = _read_poses(folder)
    return Trajectory(np.array([n / fps for n in poses]),
                      np.array(list(poses.values())).reshape(-1, 4, 4))


def read_pose(path: Path) -> np.ndarray | None:
    """(4, 4) ``T_world_cam``; None for a pose marked as lost by numbers that are not finite.

    Raises ``SourceError`` unless the file holds a rigid 4x4 matrix.
    """
    try:
        T = np.array([float(v) for v in read_text(path).split()])
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read the pose {path}: {error}; fetch it again") from error
    if T.size != 16:
        raise SourceError(f"{path}: {T.size} numbers, a pose is a 4x4 matrix; fetch it again")
    T = T.reshape(4, 4)
    if not np.isfinite(T).all():
        return None
    R = T[:3, :3]
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0:
        raise SourceError(f"{path}: the upper left 3x3 is not a rotation; a pose is a rigid "
                          "camera-to-world matrix")
    T[:3, :3] = se3.normalise_rotation(torch.from_numpy(R)).numpy()
    return T


def _read_poses(folder: Path) -> dict[int, np.ndarray]:
    """Poses by frame number, in order; those that are lost or flawed are left out, the latter
    with a warning."""
    flaws = LimitedWarnings(_log, 1, f"{folder}: %d of its poses are flawed and left out")
    numbered = sorted((int(m[1]), p) for p in folder.iterdir() if (m := _POSE.match(p.name)))
    poses = {}
    for number, path in numbered:
        try:
            T = read_pose(path)
        except SourceError as error:
            flaws.warn("%s; going without this pose", error)
            continue
        if T is not None:
            poses[number] = T
    flaws.finish()
    return poses
