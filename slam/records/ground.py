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

    The floor is the plane that most of its points are near to (RANSAC, then Cauchy weights) among
    those within ``MAX_TILT_DEG`` of how the cameras are held.  With fewer than
    ``MIN_FLOOR_POINTS`` it is level at the lowest points; with no points at all it is at the
    height of the lowest camera.  With no poses the world's y points down, as in the frame of a
    first camera that is held level.
    """
    if not len(T_world_cam):
        T_world_cam = np.eye(4)[None]
    _, down, ahead = ground_axes(np.asarray(T_world_cam, np.float64))
    cameras = T_world_cam[:, :3, 3]
    up = -down
    if len(floor_points) >= MIN_FLOOR_POINTS:
        up, height = _fitted_plane(np.asarray(floor_points, np.float64), -down, cameras)
    elif len(points):
        height = np.percentile(points @ up, _LOWEST)
    else:
        height = (cameras @ up).min()
    ahead = _along_ground(ahead, up)
    ahead /= np.linalg.norm(ahead)
    T = np.eye(4)
    T[:3, :3] = np.stack([np.cross(ahead, up), ahead, up])
    T[:3, 3] = -T[:3, :3] @ (cameras[0] + (height - cameras[0] @ up) * up)
    return T


def _along_ground(direction: np.ndarray, down: np.ndarray) -> np.ndarray:
    return direction - down * (direction @ down)


def _fitted_plane(points: np.ndarray, up: np.ndarray,
                  cameras: np.ndarray) -> tuple[np.ndarray, float]:
    """Normal (3,) and height along it of a plane among points (K, 3), near to level for ``up``;
    level at their median height where no such plane passes through three of them."""
    rng = np.random.default_rng(0)
    if len(points) > _COMPARED:
        points = points[rng.choice(len(points), _COMPARED, replace=False)]
    scale = _NOISE * float(np.median(np.linalg.norm(points - np.median(cameras, axis=0), axis=1)))
    scale = max(scale, 1e-6)
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
    for _ in range(_ROUNDS):
        weight = 1 / (1 + ((points @ normal - height) / scale) ** 2)
        centre = weight @ points / weight.sum()
        offsets = points - centre
        _, vectors = np.linalg.eigh((offsets * weight[:, None]).T @ offsets)
        fitted = vectors[:, 0] * np.sign(vectors[:, 0] @ up)
        if fitted @ up <= np.cos(np.radians(MAX_TILT_DEG)):
            break
        normal, height = fitted, float(centre @ fitted)
    return normal, height
