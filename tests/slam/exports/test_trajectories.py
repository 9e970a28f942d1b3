"""Paths are read back by evo, with the poses of the map."""

import csv

import numpy as np
import pytest
from support.saved_maps import room_map

from scenecode.slam.exports.export import export

file_interface = pytest.importorskip("evo.tools.file_interface",
                                     reason="needs evo: pip install -e '.[test]'")


def test_evo_reads_a_tum_path(tmp_path):
    saved = room_map()
    export(saved, "tum", tmp_path / "path.txt")
    found = file_interface.read_tum_trajectory_file(tmp_path / "path.txt")
    assert found.timestamps == pytest.approx(saved.trajectory.timestamps, abs=1e-6)
    assert np.array(found.poses_se3) == pytest.approx(saved.trajectory.T_world_cam, abs=1e-8)


def test_evo_reads_a_kitti_path_and_times_lie_beside_it(tmp_path):
    saved = room_map()
    export(saved, "kitti", tmp_path / "path.txt")
    found = file_interface.read_kitti_poses_file(tmp_path / "path.txt")
    assert np.array(found.poses_se3) == pytest.approx(saved.trajectory.T_world_cam, abs=1e-8)
    times = np.loadtxt(tmp_path / "path_times.txt")
    assert times == pytest.approx(saved.trajectory.timestamps, abs=1e-6)


def test_evo_reads_a_euroc_path(tmp_path):
    saved = room_map()
    export(saved, "euroc", tmp_path / "data.csv")
    found = file_interface.read_euroc_csv_trajectory(tmp_path / "data.csv")
    assert found.timestamps == pytest.approx(saved.trajectory.timestamps, abs=1e-8)
    assert np.array(found.poses_se3) == pytest.approx(saved.trajectory.T_world_cam, abs=1e-8)


def test_a_table_marks_the_keyframes(tmp_path):
    saved = room_map()
    export(saved, "csv", tmp_path / "path.csv")
    rows = [*csv.DictReader(open(tmp_path / "path.csv"))]
    assert len(rows) == len(saved.trajectory)
    marked = [float(row["timestamp"]) for row in rows if row["keyframe"] == "1"]
    stamps = [view.timestamp for view in saved.keyframes]
    assert marked == pytest.approx([t for t in stamps if t <= saved.trajectory.timestamps[-1]],
                                   abs=1e-6)
    at = np.array([[float(row[axis]) for axis in "xyz"] for row in rows])
    assert at == pytest.approx(saved.trajectory.positions, abs=1e-8)
