"""Scale of a map from the known height of its camera over the ground.

One image does not tell how high its camera is, and neither do many: whoever built the rig does.
The ground is the plane below the camera, seen by landmarks; only those count whose place follows
from observations, since the depth that a network gives them has the scale that is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, log, radians

import numpy as np

#: Largest standard deviation of a landmark's ln depth.
_MAX_LOG_STD = 0.04
#: Tangent of the angle below the camera's axis from which on landmarks are taken: whatever the
#: scale, these are of the ground nearby and of what stands on it.
_LEAST_SLOPE = 0.1
#: Largest angle between the ground's normal and the camera's vertical axis.
_MAX_TILT = radians(12)
#: Distance of a landmark from the plane, over the height, up to which it lies on it.
_TOLERANCE = 0.04
#: Landmarks on the plane of a keyframe, their share of those below it, and keyframes with such a
#: plane, at least.
_MIN_LANDMARKS, _MIN_SHARE, _MIN_KEYFRAMES = 12, 0.3, 3
#: Largest standard error of the scale, in ln.
_MAX_SCALE_STD = 0.05
#: Planes through three landmarks that are tried in a keyframe.
_TRIALS = 400
#: Standard deviation of normal values over their median deviation, and of their median over that
#: of their mean.
_STD_OF_MEDIAN_DEVIATION, _STD_OF_MEDIAN = 1.4826, 1.2533


@dataclass(frozen=True)
class HeightScale:
    """Scale of a map by the height of its cameras."""

    #: ln of the factor by which the map has to be multiplied, and its standard error
    log_scale: float
    log_std: float
    #: keyframes that see the ground
    keyframes: int


def scale_by_height(points: np.ndarray, log_std: np.ndarray, T_world_cam: np.ndarray,
                    known: Sequence[float]) -> HeightScale | None:
    """The scale at which level cameras at poses (K, 4, 4) are at their ``known`` heights (K,) in
    metres over the plane of the landmarks ``points`` (N, 3) in the world, whose ln depths have the
    standard deviations ``log_std`` (N,).  None where too few of the cameras see the ground,
    or they disagree."""
    points = points[log_std <= _MAX_LOG_STD]
    heights = [_height_of(points, T) for T in T_world_cam]
    logs = np.array([log(metres / height) for metres, height in zip(known, heights, strict=True)
                     if height is not None])
    if len(logs) < _MIN_KEYFRAMES:
        return None
    middle = float(np.median(logs))
    spread = _STD_OF_MEDIAN_DEVIATION * float(np.median(np.abs(logs - middle)))
    error = _STD_OF_MEDIAN * spread / len(logs) ** 0.5
    if error > _MAX_SCALE_STD:
        return None
    return HeightScale(log_scale=middle, log_std=error, keyframes=len(logs))


def _height_of(points: np.ndarray, T_world_cam: np.ndarray) -> float | None:
    """Of one camera (4, 4): the plane with most landmarks below it."""
    x = (points - T_world_cam[:3, 3]) @ T_world_cam[:3, :3]
    x = x[(x[:, 2] > 0) & (x[:, 1] > _LEAST_SLOPE * x[:, 2])]
    if len(x) < _MIN_LANDMARKS:
        return None
    rng = np.random.default_rng(0)
    a, b, c = x[rng.integers(len(x), size=(3, _TRIALS))]
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1)
    is_plane = length > 0
    normals = normals[is_plane] / length[is_plane, None]
    normals *= np.sign(normals[:, 1:2])
    heights = (normals * a[is_plane]).sum(1)
    level = (normals[:, 1] > cos(_MAX_TILT)) & (heights > 0)
    if not level.any():
        return None
    normals, heights = normals[level], heights[level]
    distance = np.abs(normals @ x.T - heights[:, None])
    lies_on = distance < _TOLERANCE * heights[:, None]
    inliers = lies_on[int(lies_on.sum(1).argmax())]
    if inliers.sum() < max(_MIN_LANDMARKS, _MIN_SHARE * len(x)):
        return None
    # n x = h, so that (n / h) x = 1
    by_height = np.linalg.lstsq(x[inliers], np.ones(int(inliers.sum())), rcond=None)[0]
    height = 1 / float(np.linalg.norm(by_height))
    return height if by_height[1] * height > cos(_MAX_TILT) else None
