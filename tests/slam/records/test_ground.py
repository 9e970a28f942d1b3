import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.paths import a_path

from scenecode.slam.records.ground import ground_axes, ground_frame

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


def tilted_room(rng, tilt_deg):
    """Poses of level cameras 1.5 m over a floor that is tilted in the world, and its points."""
    R = Rotation.from_euler("x", tilt_deg, degrees=True).as_matrix()
    T = poses(np.tile(np.eye(3), (5, 1, 1)))
    T[:, :3, 3] = [[0, 0.1 * n, 0.3 * n] for n in range(5)]
    plane = np.column_stack([rng.uniform(-2, 2, 400), np.full(400, 1.5), rng.uniform(0, 4, 400)])
    return T, plane @ R.T


@pytest.mark.parametrize("tilt_deg", [0, 8, 30])
def test_the_floor_is_fitted_among_wrong_labels(tilt_deg):
    rng = np.random.default_rng(0)
    T, floor = tilted_room(rng, tilt_deg)
    floor[::5, 1] -= rng.uniform(0.4, 1.0, 80)      # tables that are called floor
    found = ground_frame(T, floor, floor + rng.normal(0, 0.01, floor.shape))
    normal = Rotation.from_euler("x", tilt_deg, degrees=True).apply([0, -1, 0])
    assert found[2, :3] @ normal > np.cos(np.radians(1.5))
    heights = floor @ found[2, :3] + found[2, 3]
    assert np.median(np.abs(heights)) < 0.03
    under = found @ T[0, :, 3]
    assert under[:2] == pytest.approx([0, 0], abs=1e-9)
    assert under[2] == pytest.approx(1.5, abs=0.05)


def test_without_a_floor_it_is_level_at_the_lowest_points_or_the_lowest_camera():
    T, floor = tilted_room(np.random.default_rng(0), 0)
    few = ground_frame(T, floor, floor[:3])
    assert few[2] == pytest.approx([0, -1, 0, 1.5], abs=1e-6)
    none = ground_frame(T, floor[:0], floor[:0])
    assert none[2] == pytest.approx([0, -1, 0, 0.4], abs=1e-6)
    assert ground_frame(T[:0], floor[:0], floor[:0])[2] == pytest.approx([0, -1, 0, 0])


def test_a_narrow_strip_of_a_floor_does_not_tilt_it_much():
    T, floor = tilted_room(np.random.default_rng(0), 0)
    strip = floor[np.abs(floor[:, 2] - 2) < 0.3]
    bent = strip - np.array([0, 1, 0]) * (strip[:, 2:] - 2) * np.tan(np.radians(30))
    found = ground_frame(T, bent, bent)
    assert found[2, :3] @ [0, -1, 0] > np.cos(np.radians(20))


def test_scattered_labels_and_planes_above_other_points_are_no_floor():
    T, floor = tilted_room(np.random.default_rng(0), 0)
    rng = np.random.default_rng(1)
    scattered = floor + rng.normal(0, 1, floor.shape)
    assert ground_frame(T, floor, scattered)[2, :3] == pytest.approx([0, -1, 0])
    table = floor - [0, 0.8, 0]
    found = ground_frame(T, np.concatenate([floor, table]), table)
    assert found[2] == pytest.approx([0, -1, 0, 1.5], abs=1e-6)


def test_a_steep_plane_is_no_floor():
    T, floor = tilted_room(np.random.default_rng(0), 60)
    assert ground_frame(T, floor, floor)[2, 1] < -np.cos(np.radians(45))
