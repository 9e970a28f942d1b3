"""Camera paths made by hand."""

import numpy as np
from scipy.spatial.transform import Rotation

from scenecode.slam.records.trajectory import Trajectory


def a_path(n=50, seed=0):
    """A smooth path with rotation, 30 poses a second."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 2, n)
    T = np.tile(np.eye(4), (n, 1, 1))
    phase = rng.uniform(0, 2 * np.pi, (2, 3))
    T[:, :3, 3] = np.sin(t[:, None] * [1.0, 1.3, 0.7] + phase[0])
    turn = np.sin(t[:, None] * [0.5, 0.9, 0.4] + phase[1])
    T[:, :3, :3] = Rotation.from_rotvec(turn).as_matrix()
    return Trajectory(np.arange(n) / 30, T)
