"""Trajectories and their files."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.paths import a_path

from scenecode.core.errors import ResultError
from scenecode.slam.records.trajectory import Trajectory, read_tum, write_tum


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
