import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.paths import a_path

from scenecode.slam.records.ground import ground_axes

#: The way a camera is held that looks along the world's x, whose z points up.
UPRIGHT = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def poses(rotations):
    T = np.tile(np.eye(4), (len(rotations), 1, 1))
    T[:, :3, :3] = rotations
    return T


def test_a_camera_that_is_held_upright_knows_right_down_and_ahead():
    nods = Rotation.from_rotvec([[angle, 0, 0] for angle in (0.0, 0.3, -0.3)]).as_matrix()
    right, down, ahead = ground_axes(poses(UPRIGHT @ nods))
    assert right == pytest.approx([0, -1, 0], abs=1e-9)
    assert down == pytest.approx([0, 0, -1], abs=1e-9)
    assert ahead == pytest.approx([1, 0, 0], abs=1e-9)


def test_the_axes_are_orthonormal():
    axes = np.stack(ground_axes(a_path().T_world_cam))
    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1)


def test_a_first_camera_that_looks_straight_down_leaves_axes_too():
    # the y axes of these three average to the first one's viewing direction
    turns = Rotation.from_euler("zx", [[0, 0], [180, 0], [0, 90]], degrees=True).as_matrix()
    right, down, ahead = ground_axes(poses(turns))
    assert down == pytest.approx([0, 0, 1], abs=1e-9)
    assert np.stack([right, ahead]) @ down == pytest.approx([0, 0], abs=1e-9)
    assert np.linalg.norm([right, ahead], axis=1) == pytest.approx([1, 1])
