"""Trajectories: files, association, alignment and errors, against paths made by hand."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from scenecode.core.errors import ResultError
from scenecode.slam.records.trajectory import (
    Trajectory,
    align,
    associate,
    read_tum,
    trajectory_errors,
    write_tum,
)


def a_path(n=50, seed=0):
    """A smooth path with rotation, 30 poses a second."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 2, n)
    T = np.tile(np.eye(4), (n, 1, 1))
    phase = rng.uniform(0, 2 * np.pi, (2, 3))
    T[:, :3, 3] = np.sin(t[:, None] * [1.0, 1.3, 0.7] + phase[0])
    T[:, :3, :3] = Rotation.from_rotvec(np.sin(t[:, None] * [0.5, 0.9, 0.4] + phase[1])).as_matrix()
    return Trajectory(np.arange(n) / 30, T)


def moved(trajectory, scale, rotation, translation):
    """The same path told in another world frame and another unit."""
    T = trajectory.T_world_cam.copy()
    T[:, :3, 3] = scale * T[:, :3, 3] @ rotation.T + translation
    T[:, :3, :3] = rotation @ T[:, :3, :3]
    return Trajectory(trajectory.timestamps, T)


R = Rotation.from_rotvec([0.4, -1.1, 0.8]).as_matrix()


def test_what_is_written_is_read_back(tmp_path):
    path = a_path()
    write_tum(tmp_path / "t.txt", path)
    back = read_tum(tmp_path / "t.txt")
    assert np.abs(back.T_world_cam - path.T_world_cam).max() < 1e-8
    assert np.abs(back.timestamps - path.timestamps).max() <= 5e-7
    assert not [p for p in tmp_path.iterdir() if p.name != "t.txt"]


def test_the_file_has_6_and_9_decimals_and_scipys_quaternion_order(tmp_path):
    T = np.eye(4)
    T[:3, :3] = Rotation.from_quat([0.1, 0.2, 0.3, 0.9]).as_matrix()
    T[:3, 3] = 1, 2, 3
    write_tum(tmp_path / "t.txt", Trajectory(np.array([1305031102.1753041]), T[None]))
    words = (tmp_path / "t.txt").read_text().splitlines()[-1].split()
    assert words[:4] == ["1305031102.175304", "1.000000000", "2.000000000", "3.000000000"]
    expected = Rotation.from_matrix(T[:3, :3]).as_quat()
    assert np.allclose([float(w) for w in words[4:]], expected, atol=1e-9)


def test_an_empty_trajectory_is_a_file_too(tmp_path):
    write_tum(tmp_path / "t.txt", Trajectory())
    assert len(read_tum(tmp_path / "t.txt")) == 0


@pytest.mark.parametrize("line, rule", [
    ("1 0 0 0 0 0 nan 1", "not finite"),
    ("1 0 0 0 0 0 1", "7 numbers"),
    ("1 0 0 0 0 0 zero 1", "zero"),
    ("1 0 0 0 0 0 0 0.5", "length 0.5"),
    ("0 0 0 0 0 0 0 1", "not after"),
])
def test_a_bad_line_is_named_with_file_line_and_rule(tmp_path, line, rule):
    file = tmp_path / "bad.txt"
    file.write_text(f"# comment\n0.5 0 0 0 0 0 0 1\n{line}\n")
    with pytest.raises(ResultError, match=rule) as error:
        read_tum(file)
    assert "bad.txt, line 3" in str(error.value)


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(ResultError, match="none.txt"):
        read_tum(tmp_path / "none.txt")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ResultError, match="image.png"):
        read_tum(tmp_path / "image.png")


def test_a_trajectory_refuses_nan_disorder_and_wrong_shapes():
    poses = np.tile(np.eye(4), (2, 1, 1))
    with pytest.raises(ResultError, match="finite"):
        Trajectory(np.array([0, 1]), poses * np.nan)
    with pytest.raises(ResultError, match="increase"):
        Trajectory(np.array([1, 1]), poses)
    with pytest.raises(ResultError, match="shape|needs"):
        Trajectory(np.array([0, 1, 2]), poses)


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
