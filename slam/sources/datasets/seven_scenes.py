"""7-Scenes sequences: ``frame-NNNNNN.color.png`` (or jpg), ``.pose.txt``, ``.depth.png``.

The depth images are seen by the depth camera, a few centimetres beside the colour camera
and with another focal length: they are *not registered* to the colour images.  The focal
lengths are allowed for here; the distance is not published and is not, which leaves a few
pixels of 640, most of them nearby.
"""

import re
from pathlib import Path

import numpy as np
import torch

from scenecode.core.errors import SourceError
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.sources.base.image_sequence import ImageItem, ImageSequence, pose_and_depth
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions

_COLOUR = re.compile(r"frame-(\d+)\.color\.(png|jpg|jpeg)$")
_POSE = re.compile(r"frame-(\d+)\.pose\.txt$")
_DEPTH_UNITS_PER_METRE = 1000.0
_NO_DEPTH = (0, 65535)
#: As the data set states it.
_DEPTH_CAMERA = PinholeCamera(585.0, 585.0, 320.0, 240.0, 640, 480)


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
    poses = _pose_files(folder)
    items = []
    for index, (number, image) in enumerate(numbered):
        depth = folder / f"{image.name.split('.')[0]}.depth.png"
        items.append(ImageItem(
            index, number / fps, image, depth if depth.is_file() else None,
            read_pose(poses[number]) if number in poses else None))
    return ImageSequence(str(folder), items, fps, options,
                         read_truth=pose_and_depth(_DEPTH_UNITS_PER_METRE, _NO_DEPTH, _DEPTH_CAMERA))


def read_poses(folder: Path, fps: float = DEFAULT_FPS) -> Trajectory:
    """All poses of a folder, stamped frame number / fps."""
    files = sorted(_pose_files(folder).items())
    found = [(n / fps, T) for n, path in files if (T := read_pose(path)) is not None]
    return Trajectory(np.array([t for t, _ in found]),
                      np.array([T for _, T in found]).reshape(-1, 4, 4))


def read_pose(path: Path) -> np.ndarray | None:
    """(4, 4) ``T_world_cam``; None for a pose marked as lost by numbers that are not finite.

    Raises ``SourceError`` unless the file holds a rigid 4x4 matrix.
    """
    try:
        T = np.array([float(v) for v in path.read_text(encoding="utf-8").split()])
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


def _pose_files(folder: Path) -> dict[int, Path]:
    return {int(m[1]): p for p in folder.iterdir() if (m := _POSE.match(p.name))}
