"""The ground: from the poses of a camera that was carried over it, and points of the floor."""

import numpy as np

#: Length below which a direction has no part along the ground.
_LEAST_LENGTH = 1e-3
#: Points that a floor is fitted to at least, and the percentile of all heights that stands for the
#: floor's where there are fewer.
MIN_FLOOR_POINTS, _LOWEST = 50, 2.0
#: Largest angle between the floor's normal and the mean direction that the cameras are held in,
#: which looking down tilts.
MAX_TILT_DEG = 45.0
#: Noise of the floor as a share of the cameras' distance from its points.
_NOISE = 0.03
#: A plane is the floor when so many of its points are near to it, at least, and so many of all
#: points are under it, at most: few or scattered labels are mistakes.
_SUPPORT, _UNDER = 0.5, 0.1
#: Standard deviation of the mean direction that cameras are held in, and how many independent
#: measurements the points of a floor count as: errors of depth are alike in a whole image.
_TILT_STD_DEG, _INDEPENDENT = 10.0, 5
#: Planes through three points that are tried, points that they are compared at, and rounds of
#: reweighting of the best one.
_TRIALS, _COMPARED, _ROUNDS = 300, 4000, 10


def ground_axes(T_world_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors (3,) to the right, down and ahead in the world, given poses (N, 4, 4), N >= 1.

    Down is how the cameras are held on average, since hands and robots hold them upright; ahead
    is where the first one looks along the ground.
    """
    down = T_world_cam[:, :3, 1].mean(0)
    down /= max(np.linalg.norm(down), 1e-9)
    ahead = _along_ground(T_world_cam[0, :3, 2], down)
    if np.linalg.norm(ahead) < _LEAST_LENGTH:
        # looking straight down: any direction will do
        ahead = _along_ground(T_world_cam[0, :3, 0], down)
    ahead /= np.linalg.norm(ahead)
    return np.cross(down, ahead), down, ahead


def ground_frame(T_world_cam: np.ndarray, points: np.ndarray,
                 floor_points: np.ndarray) -> np.ndarray:
    """(4, 4) float64 T_ground_world: x to the right, y ahead and z up, the origin on the floor
    under the first camera; given poses (N, 4, 4), points of the map (M, 3) and those of them that
    are labelled as floor (K, 3), metres.

    The floor is the plane that most of its points are near to (RANSAC, then Cauchy weights and a
    prior that how the cameras are held is upright), within ``MAX_TILT_DEG`` of that.  Where fewer
    than ``MIN_FLOOR_POINTS``, or not half of them, show one, or many points are under it, the
    floor is level at the lowest points; with no points at all it is at the height of the lowest
    camera.  With no poses the world's y points down, as in the frame of a first camera that is
    held level.
    """
    if not len(T_world_cam):
        T_world_cam = np.eye(4)[None]
    _, down, ahead = ground_axes(np.asarray(T_world_cam, np.float64))
    cameras = T_world_cam[:, :3, 3]
    points, floor_points = (np.asarray(x, np.float64) for x in (points, floor_points))
    plane = _floor_plane(points, floor_points, -down, cameras)
    if plane is not None:
        up, height = plane
    else:
        up = -down
        height = np.percentile(points @ up, _LOWEST) if len(points) else (cameras @ up).min()
    ahead = _along_ground(ahead, up)
    ahead /= np.linalg.norm(ahead)
    T = np.eye(4)
    T[:3, :3] = np.stack([np.cross(ahead, up), ahead, up])
    T[:3, 3] = -T[:3, :3] @ (cameras[0] + (height - cameras[0] @ up) * up)
    return T


def _along_ground(direction: np.ndarray, down: np.ndarray) -> np.ndarray:
    return direction - down * (direction @ down)


def _floor_plane(points: np.ndarray, floor_points: np.ndarray, up: np.ndarray,
                 cameras: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Normal (3,) and height of the floor, if the points (M, 3) and those labelled as floor
    (K, 3) show one."""
    if len(floor_points) < MIN_FLOOR_POINTS:
        return None
    distance = np.linalg.norm(floor_points - np.median(cameras, axis=0), axis=1)
    noise = max(_NOISE * float(np.median(distance)), 1e-6)
    normal, height = _fitted_plane(floor_points, up, noise)
    support = np.mean(np.abs(floor_points @ normal - height) < 2 * noise)
    under = np.mean(points @ normal < height - 2 * noise) if len(points) else 0.0
    return (normal, height) if support >= _SUPPORT and under <= _UNDER else None


def _fitted_plane(points: np.ndarray, up: np.ndarray,
                  scale: float) -> tuple[np.ndarray, float]:
    """Normal (3,) and height along it of the plane that most of the points (K, 3), of noise
    ``scale``, are near to, among those near to level for ``up``; level at their median height
    where no such plane passes through three of them."""
    rng = np.random.default_rng(0)
    if len(points) > _COMPARED:
        points = points[rng.choice(len(points), _COMPARED, replace=False)]
    a, b, c = points[rng.integers(0, len(points), (3, _TRIALS))]
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    normals *= np.where(normals @ up < 0, -1, 1)[:, None]
    level = normals @ up > np.cos(np.radians(MAX_TILT_DEG))
    # a level plane at the median height is tried, too
    normals = np.concatenate([up[None], normals[level]])
    heights = np.concatenate([[np.median(points @ up)], (normals[1:] * a[level]).sum(1)])
    near = np.abs(points @ normals.T - heights) < scale
    best = int(near.sum(0).argmax())
    normal, height = normals[best], float(heights[best])
    # coordinates along and over level ground
    east = np.linalg.svd(up[None])[2][1]
    axes = np.stack([east, np.cross(up, east), up])
    x = points @ axes.T
    centre = x[:, :2].mean(0)
    A = np.column_stack([np.ones(len(x)), x[:, :2] - centre])
    prior = np.diag([0, 1, 1]) / np.tan(np.radians(_TILT_STD_DEG)) ** 2
    for _ in range(_ROUNDS):
        weight = 1 / (1 + ((points @ normal - height) / scale) ** 2)
        weight *= _INDEPENDENT / (len(points) * scale ** 2)
        weighted = A * weight[:, None]
        middle, *slope = np.linalg.solve(A.T @ weighted + prior, weighted.T @ x[:, 2])
        normal = np.array([-slope[0], -slope[1], 1]) @ axes
        normal /= np.linalg.norm(normal)
        height = float(np.array([*centre, middle]) @ axes @ normal)
    return normal, height
