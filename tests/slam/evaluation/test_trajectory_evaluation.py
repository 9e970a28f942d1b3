"""``scenecode evaluate trajectory`` and the scores of maps, as a user or a script sees them."""

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from scenecode.core.errors import ResultError
from scenecode.networks.classes import CITYSCAPES_19, VOID
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.evaluation import evaluate
from scenecode.slam.evaluation.scores import evaluate_maps
from scenecode.slam.records.frame import GroundTruth
from scenecode.slam.records.snapshot import KeyframeView, StoredMaps
from scenecode.slam.records.trajectory import Trajectory, write_tum

KEYS = ["ate_m", "rotation_deg", "rpe_m", "coverage", "zero_motion_ate_m", "path_length_m",
        "scale"]


def circle(n=30, rate=30.0):
    angle = np.linspace(0, 3, n)
    T = np.tile(np.eye(4), (n, 1, 1))
    T[:, 0, 3], T[:, 2, 3], T[:, 1, 3] = np.cos(angle), np.sin(angle), 0.1 * angle
    return Trajectory(np.arange(n) / rate, T)


def run(*words):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return evaluate.main(parser.parse_args([str(w) for w in words]))


def test_json_has_exactly_the_agreed_keys(tmp_path, capsys):
    write_tum(tmp_path / "gt.txt", circle())
    assert run(tmp_path / "gt.txt", tmp_path / "gt.txt", "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert list(scores) == KEYS
    assert scores["ate_m"] < 1e-6 and scores["coverage"] == 1


def test_the_table_names_every_score(tmp_path, capsys):
    write_tum(tmp_path / "gt.txt", circle())
    assert run(tmp_path / "gt.txt", tmp_path / "gt.txt") == 0
    shown = capsys.readouterr().out
    assert all(key in shown for key in KEYS)


def test_a_seven_scenes_folder_is_ground_truth(tmp_path):
    path = circle()
    for number, T in zip(range(5, 35), path.T_world_cam):
        np.savetxt(tmp_path / f"frame-{number:06d}.pose.txt", T)
    est = Trajectory(np.arange(5, 35) / 30, path.T_world_cam)
    scores = evaluate.evaluate_trajectory(tmp_path, est)
    assert scores["coverage"] == 1 and scores["ate_m"] < 1e-9
    slow = Trajectory(np.arange(5, 35) / 10, path.T_world_cam)
    assert evaluate.evaluate_trajectory(tmp_path, slow, fps=10)["coverage"] == 1


def test_a_lost_pose_of_seven_scenes_is_no_truth(tmp_path):
    path = circle()
    for number, T in enumerate(path.T_world_cam):
        np.savetxt(tmp_path / f"frame-{number:06d}.pose.txt", T if number else T * np.nan)
    scores = evaluate.evaluate_trajectory(tmp_path, path.at(np.arange(1, 30)))
    assert scores["coverage"] == 1


@pytest.mark.parametrize("text, rule", [("1 2 3", "3 numbers"), ("1 x", "'x'"),
                                        ("2 " * 16, "not a rotation")])
def test_a_damaged_pose_file_is_named(tmp_path, caplog, text, rule):
    (tmp_path / "frame-000000.pose.txt").write_text(text)
    with pytest.raises(ResultError, match="no ground truth"):
        evaluate.evaluate_trajectory(tmp_path, circle())
    assert rule in caplog.text and "frame-000000.pose.txt" in caplog.text


def test_a_tum_folder_counts_images_not_motion_capture_samples(tmp_path):
    dense = circle(300, rate=300.0)
    write_tum(tmp_path / "groundtruth.txt", dense)
    stamps = np.arange(30) / 30
    (tmp_path / "rgb.txt").write_text("".join(f"{t:.6f} rgb/{t:.6f}.png\n" for t in stamps))
    est = Trajectory(stamps, dense.T_world_cam[::10])
    assert evaluate.evaluate_trajectory(tmp_path, est)["coverage"] == 1
    assert evaluate.evaluate_trajectory(tmp_path / "groundtruth.txt", est)["coverage"] == 0.1


def test_the_estimate_may_be_a_result_folder(tmp_path):
    write_tum(tmp_path / "trajectory.txt", circle())
    assert evaluate.evaluate_trajectory(circle(), tmp_path)["ate_m"] < 1e-6


def test_a_folder_without_truth_is_refused(tmp_path):
    with pytest.raises(ResultError, match="no ground truth"):
        evaluate.evaluate_trajectory(tmp_path, circle())


def keyframe(depth, labels):
    h, w = depth.shape
    return KeyframeView(frame_index=0, timestamp=0.0, T_world_cam=np.eye(4),
                        camera=PinholeCamera(w, w, w / 2, h / 2, w, h),
                        maps=StoredMaps(image=np.zeros((h, w, 3), np.uint8), depth=depth,
                                        depth_std=np.ones_like(depth), labels=labels,
                                        confidence=np.ones_like(depth)))


def test_map_scores_on_hand_values():
    """Half the known depths are 5 % off, half 20 %, in a map at half scale; of eight
    labelled pixels two of class 1 are called 0."""
    factor = np.tile(np.array([1.05, 1.2], np.float32), (4, 2))
    view = keyframe(0.5 * 2 * factor, np.array([[0, 0, 1, 1]] * 4, np.uint8))
    depth = torch.full((4, 4), 2.0)
    depth[0] = 0
    labels = torch.tensor([[0, 1, 1, 1], [0, 1, 1, 1]] + [[VOID] * 4] * 2, dtype=torch.uint8)
    # confident where 5 % off and, by mistake, in half of the rest
    std = np.where(np.arange(4) == 3, 1.0, 0.05).astype(np.float32)[None].repeat(4, 0)
    view = replace(view, maps=replace(view.maps, depth_std=std))
    scores = evaluate_maps([view], [GroundTruth(depth=depth, labels=labels)], 2.0, 3)
    assert scores["depth_within_10"] == pytest.approx(0.5)
    assert scores["depth_within_10_metric"] == 0
    assert scores["depth_confident_share"] == pytest.approx(3 / 4)
    assert scores["depth_confident_within_10"] == pytest.approx(2 / 3)
    assert scores["abs_rel"] == pytest.approx(0.125, rel=1e-5)
    # class 0: 2 of 4; class 1: 4 of 6; class 2 does not occur
    assert scores["miou"] == pytest.approx((2 / 4 + 4 / 6) / 2)


def test_without_truth_there_are_no_map_scores():
    view = keyframe(np.ones((4, 4), np.float32), np.zeros((4, 4), np.uint8))
    assert evaluate_maps([view, view], [None, GroundTruth()], 1.0, 3) == {}
    nothing = GroundTruth(depth=torch.zeros(4, 4), labels=torch.full((4, 4), VOID).byte())
    assert evaluate_maps([view], [nothing], 1.0, 3) == {}


def test_labels_of_other_classes_are_not_compared():
    view = keyframe(np.ones((4, 4), np.float32), np.zeros((4, 4), np.uint8))
    street = GroundTruth(labels=torch.full((4, 4), 18, dtype=torch.uint8), classes=CITYSCAPES_19)
    assert "miou" not in evaluate_maps([view], [street], 1.0, 13)
    assert "miou" in evaluate_maps([view], [street], 1.0, 19)
