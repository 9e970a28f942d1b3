"""Association, alignment and errors of trajectories, against paths made by hand."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.paths import a_path

from scenecode.core.errors import ResultError
from scenecode.slam.evaluation.alignment import align, associate
from scenecode.slam.evaluation.scores import trajectory_errors
from scenecode.slam.records.trajectory import Trajectory

R = Rotation.from_rotvec([0.4, -1.1, 0.8]).as_matrix()


def moved(trajectory, scale, rotation, translation):
    """The same path in another world frame and another unit."""
    T = trajectory.T_world_cam.copy()
    T[:, :3, 3] = scale * T[:, :3, 3] @ rotation.T + translation
    T[:, :3, :3] = rotation @ T[:, :3, :3]
    return Trajectory(trajectory.timestamps, T)


def test_association_is_one_to_one_and_takes_the_nearest():
    path = a_path(4)
    gt = Trajectory(np.array([0.0, 1.0, 2.0, 3.0]), path.T_world_cam)
    est = Trajectory(np.array([0.015, 0.985, 1.01, 2.5]), path.T_world_cam)
    i, j = associate(gt, est, 0.02)
    assert i.tolist() == [0, 1] and j.tolist() == [0, 2]


def test_a_single_true_pose_can_be_matched():
    path = a_path(2)
    i, j = associate(path.at(np.array([1])), path, 0.001)
    assert i.tolist() == [0] and j.tolist() == [1]


def test_alignment_recovers_a_known_similarity():
    points = a_path().positions
    found = align(2.5 * points @ R.T + [1, 2, 3], points)
    assert found.scale == pytest.approx(2.5, rel=1e-9)
    assert np.abs(found.rotation - R).max() < 1e-9
    assert np.abs(found.translation - [1, 2, 3]).max() < 1e-9
    assert align(2.5 * points @ R.T, points, with_scale=False).scale == 1


def test_alignment_never_mirrors():
    points = a_path().positions
    found = align(points * [1, 1, -1], points)
    assert np.linalg.det(found.rotation) == pytest.approx(1)


def test_errors_vanish_for_the_same_path_in_another_frame_and_unit():
    gt = a_path()
    errors = trajectory_errors(gt, moved(gt, 0.2, R, [5, -3, 1]))
    assert errors["ate_m"] < 1e-9 and errors["rpe_m"] < 1e-9 and errors["rotation_deg"] < 1e-5
    assert errors["scale"] == pytest.approx(5)
    assert errors["coverage"] == 1


def test_ate_and_zero_motion_on_hand_values():
    """Four poses on the corners of a unit square; the estimate is off by 0.1 up and down,
    in a pattern that no similarity can undo."""
    T = np.tile(np.eye(4), (4, 1, 1))
    T[:, :3, 3] = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    gt = Trajectory(np.arange(4.0), T)
    T = T.copy()
    T[:, 2, 3] = [0.1, -0.1, 0.1, -0.1]
    errors = trajectory_errors(gt, Trajectory(np.arange(4.0), T))
    # positions: the square shrinks a little to make up for the extra length, variance
    # 0.5 + 0.01 against 0.5, so s = 0.5 / 0.51 and the error is 0.5 - 0.5^2 / 0.51
    assert errors["ate_m"] == pytest.approx(np.sqrt(0.5 - 0.5 ** 2 / 0.51), rel=1e-9)
    assert errors["zero_motion_ate_m"] == pytest.approx(np.sqrt(0.5))
    assert errors["path_length_m"] == pytest.approx(3)
    step = np.hypot(1 - 0.5 / 0.51, 0.2 * 0.5 / 0.51)
    assert errors["rpe_m"] == pytest.approx(step, rel=1e-9)


def test_a_camera_that_never_moves_scores_the_zero_motion_figure():
    gt = a_path()
    still = Trajectory(gt.timestamps, np.tile(np.eye(4), (len(gt), 1, 1)))
    errors = trajectory_errors(gt, still)
    assert errors["ate_m"] == pytest.approx(errors["zero_motion_ate_m"])
    assert errors["scale"] == 1


def test_rotation_error_is_the_known_one():
    gt = a_path(200)
    tilt = Rotation.from_rotvec(np.where(np.arange(200)[:, None] % 2, 1, -1)
                                * np.radians([0, 0, 3.0])).as_matrix()
    T = gt.T_world_cam.copy()
    T[:, :3, :3] = tilt @ T[:, :3, :3]
    errors = trajectory_errors(gt, Trajectory(gt.timestamps, T))
    assert errors["rotation_deg"] == pytest.approx(3, abs=1e-6)
    assert errors["ate_m"] < 1e-9


def test_rotation_error_of_a_straight_path_is_not_spoilt_by_its_free_roll():
    T = np.tile(np.eye(4), (20, 1, 1))
    T[:, 2, 3] = np.arange(20) * 0.1
    gt = Trajectory(np.arange(20) / 30, T)
    assert trajectory_errors(gt, moved(gt, 1, R, [0, 0, 0]))["rotation_deg"] < 1e-5


def test_coverage_counts_true_poses():
    gt = a_path(40)
    errors = trajectory_errors(gt, gt.at(np.arange(10, 40)))
    assert errors["coverage"] == 0.75


def test_different_clocks_are_explained():
    gt = a_path()
    late = Trajectory(gt.timestamps + 1000, gt.T_world_cam)
    with pytest.raises(ResultError, match="same clock"):
        trajectory_errors(gt, late)
    with pytest.raises(ResultError, match="0 poses"):
        trajectory_errors(gt, Trajectory())
