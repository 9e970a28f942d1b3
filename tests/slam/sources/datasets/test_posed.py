"""Small RGB-D sets with listed poses: one line for each image, whatever the stamps."""

import cv2
import numpy as np
import pytest

from scenecode.slam.evaluation.evaluate import evaluate_trajectory
from scenecode.slam.sources import SourceOptions, open_source

OPTIONS = SourceOptions(intrinsics=(60.0, 60.0, 31.5, 23.5), width=32, height=24)
#: The second camera is turned half round about its z axis.
LINES = ["0.5 0 0 0 0 0 1", "0 0.25 0 0 0 1 0", "0 0 2 0 0 0 1", "0 1 2 0 0 0 1"]


def write_set(folder, lines=LINES):
    for name in ("color", "depth"):
        (folder / name).mkdir()
    for n in range(1, 5):
        cv2.imwrite(str(folder / "color" / f"{n}.png"), np.full((48, 64, 3), 20 * n, np.uint8))
        cv2.imwrite(str(folder / "depth" / f"{n}.pgm"), np.full((48, 64), 500 * n, np.uint16))
    (folder / "pose.txt").write_text("\n".join(lines))
    return folder


def test_images_depths_and_poses_belong_together(tmp_path):
    frames = list(open_source(str(write_set(tmp_path)), OPTIONS))
    assert [float(f.truth.depth.median()) for f in frames] == [0.5, 1.0, 1.5, 2.0]
    assert frames[0].truth.T_world_cam[:3, 3].tolist() == [0.5, 0, 0]
    np.testing.assert_allclose(frames[1].truth.T_world_cam[:3, :3], np.diag([-1, -1, 1]),
                               atol=1e-9)
    assert [round(float(f.image.mean()) * 255) for f in frames] == [20, 40, 60, 80]


def test_such_a_folder_is_ground_truth(tmp_path):
    write_set(tmp_path)
    stamped = [f"{n / 30:.6f} {line}" for n, line in enumerate(LINES)]
    (tmp_path / "est.txt").write_text("\n".join(stamped))
    scores = evaluate_trajectory(tmp_path, tmp_path / "est.txt")
    assert scores["coverage"] == 1 and scores["ate_m"] < 1e-6 and scores["rotation_deg"] < 1e-3


def test_lines_that_do_not_match_the_images_cost_the_poses(tmp_path, caplog):
    frames = list(open_source(str(write_set(tmp_path, LINES[:3])), OPTIONS))
    assert [f.truth.T_world_cam for f in frames] == [None] * 4
    assert "3 poses for 4 images" in caplog.text


@pytest.mark.parametrize("line, rule", [
    ("1 2 3", "line 2: must be"), ("0 0 0 0 0 0 2", "line 2: must have a unit quaternion"),
    ("0 0 0 0 0 0 one", "line 2: could not convert")])
def test_a_flawed_line_costs_its_pose(tmp_path, caplog, line, rule):
    write_set(tmp_path, [LINES[0], line, *LINES[2:]])
    frames = list(open_source(str(tmp_path), OPTIONS))
    assert [f.truth.T_world_cam is not None for f in frames] == [True, False, True, True]
    assert rule in caplog.text


def test_a_set_of_key_frames_takes_its_poses_in_order(tmp_path, caplog):
    write_set(tmp_path)
    listed = "\n".join(f"{n} color/{n + 1}.png" for n in range(4))
    (tmp_path / "rgb.txt").write_text(listed)
    truth = "\n".join(f"{1341841278.8 + 0.7 * n:.4f}\t{line}" for n, line in enumerate(LINES))
    (tmp_path / "truth_cam_poses.txt").write_text(truth)
    frames = list(open_source(str(tmp_path), OPTIONS))
    assert [f.timestamp for f in frames] == [0, 1, 2, 3]
    assert frames[2].truth.T_world_cam[:3, 3].tolist() == [0, 0, 2]
    (tmp_path / "truth_cam_poses.txt").write_text("\n".join(LINES[:2]))
    assert all(f.truth is None for f in open_source(str(tmp_path), OPTIONS))
    assert "2 poses for 4 images" in caplog.text
