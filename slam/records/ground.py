"""The ground that a camera was carried over, from its poses alone."""

import numpy as np

#: Length below which a direction has no part along the ground.
_LEAST_LENGTH = 1e-3


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


def _along_ground(direction: np.ndarray, down: np.ndarray) -> np.ndarray:
    return direction - down * (direction @ down)
