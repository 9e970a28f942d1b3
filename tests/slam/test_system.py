"""The whole line on a room with a predictor that is right up to its codes."""

import dataclasses

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.single_view import single_view
from support.walks import Playback, small_config, walk

from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.evaluation.scores import evaluate_maps, trajectory_errors
from scenecode.slam.output.output import Output
from scenecode.slam.system import System

CONTRACT = {"frames", "tracked", "coverage", "keyframes", "lost_spans", "tracking_fps",
            "keyframe_ms", "window_iteration_ms", "peak_memory_mb", "resident_mb",
            "culled", "reused", "relocalised_at", "lag_ms", "output_lag_ms"}
CONTRACT_WITH_TRUTH = {"ate_m", "rotation_deg", "zero_motion_ate_m", "path_length_m",
                       "depth_within_10", "depth_within_10_metric", "depth_confident_share",
                       "abs_rel", "miou"}


@dataclasses.dataclass
class Run:
    """A finished run and what its outputs received."""

    system: System
    output: Output
    #: keyframes in each map update
    updates: list[int]

    def truths(self):
        return [k.truth for k in self.system.graph.keyframes.values()]


class Counted(Output):
    """Notes how many keyframes each map update has."""

    def __init__(self, *args):
        super().__init__(*args)
        self.updates = []

    def on_map(self, update):
        self.updates.append(len(update.graph))
        super().on_map(update)


def run(frames, config, predictor=None):
    predictor = predictor or ExactPredictor(frames)
    output = Counted(config.fusion, predictor.classes)
    system = System(config, predictor, output=output)
    system.run(Playback(frames))
    return Run(system, output, output.updates)


@pytest.fixture(scope="module")
def finished():
    """Three seconds at full size with the settings that are shipped."""
    return run(walk(1, 90, 256, 192), SlamConfig(device="cpu"))


@pytest.mark.slow
def test_path_is_followed_to_half_a_percent(finished):
    report = finished.output.report
    assert report["coverage"] == 1 and report["lost_spans"] == []
    assert report["path_length_m"] > 1
    assert report["ate_m"] < 0.005 * report["path_length_m"]
    assert report["ate_m"] < 0.05 * report["zero_motion_ate_m"]
    assert report["rotation_deg"] < 0.5


@pytest.mark.slow
def test_mapping_improves_the_predictions_of_single_images(finished):
    graph, report = finished.system.graph, finished.output.report
    zero_code = [single_view(k, dataclasses.replace(
        s, code_depth=torch.zeros_like(s.code_depth),
        code_semantic=torch.zeros_like(s.code_semantic)))
        for k, s in zip(graph.keyframes.values(), graph.states.values())]
    # its own best global scale, so that the comparison favours the single images
    ratios = [np.median(t.depth.numpy() / v.depth) for v, t in zip(zero_code, finished.truths())]
    alone = evaluate_maps(zero_code, finished.truths(), float(np.median(ratios)), 13)
    assert report["depth_within_10"] > 0.9 and alone["depth_within_10"] < 0.75
    assert report["abs_rel"] < 0.5 * alone["abs_rel"]
    assert report["miou"] > alone["miou"] + 0.01


@pytest.mark.slow
def test_depths_share_one_scale_and_it_is_metric(finished):
    report = finished.output.report
    assert report["scale"] == pytest.approx(1, abs=0.1)
    graph = finished.system.graph
    ratios = [float((k.truth.depth / k.depth(s.code_depth)).median())
              for k, s in zip(graph.keyframes.values(), graph.states.values())]
    assert max(ratios) / min(ratios) < 1.035


@pytest.mark.slow
def test_map_is_handed_out_after_every_keyframe_and_at_the_end(finished):
    keyframes = len(finished.system.graph)
    assert keyframes >= 3
    assert finished.updates == [*range(1, keyframes + 1), keyframes]
    snapshot = finished.output.snapshot
    assert len(snapshot.keyframes) == keyframes and len(snapshot.trajectory) == 90


@pytest.mark.slow
def test_report_has_the_promised_keys(finished):
    report = finished.output.report
    assert CONTRACT | CONTRACT_WITH_TRUTH <= report.keys()
    assert report["frames"] == report["tracked"] == 90
    for key in ("tracking_fps", "keyframe_ms", "window_iteration_ms", "peak_memory_mb"):
        assert report[key] > 0


@pytest.mark.slow
def test_cloud_lies_on_the_surfaces_of_the_room(finished):
    """Landmarks, brought into the room's frame by the first true pose, lie where a true depth
    map of the walk has a surface."""
    graph = finished.system.graph
    scale = finished.output.report["scale"]
    points = torch.from_numpy(finished.output.snapshot.cloud.points)
    assert len(points) > 2000
    best = torch.full((len(points),), torch.inf)
    for keyframe, state in zip(graph.keyframes.values(), graph.states.values()):
        camera, T = keyframe.camera, state.T_world_cam
        x = (points - T[:3, 3]) @ T[:3, :3]
        pixels, _ = camera.project(x)
        u, v = pixels.round().long().unbind(1)
        inside = (x[:, 2] > 0) & (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
        true = keyframe.truth.depth[v[inside], u[inside]]
        best[inside] = best[inside].minimum((x[inside, 2] * scale / true - 1).abs())
    assert (best < 0.1).float().mean() > 0.97


@pytest.mark.slow
def test_same_frames_give_the_same_result(small_walk):
    first, second = (run(small_walk[:30], small_config(adjusted=True)) for _ in range(2))
    assert len(first.system.graph) >= 2
    a, b = (r.output.snapshot for r in (first, second))
    assert np.array_equal(a.trajectory, b.trajectory)
    assert np.array_equal(a.cloud.points, b.cloud.points)
    assert np.array_equal(a.cloud.labels, b.cloud.labels)


def test_live_trajectory_is_causal(small_walk):
    """The live pose of a frame does not depend on what came later."""
    half, whole = (run(small_walk[:n], small_config(adjusted=True)).system.recording.live()
                   for n in (12, 26))
    assert np.array_equal(half.T_world_cam, whole.T_world_cam[:12])


@pytest.mark.slow
def test_network_without_codes_gives_poses_and_a_map(small_walk):
    """Of depth only scale and tilts are optimised then, and labels are fused as they are."""
    exact = ExactPredictor(small_walk, depth_error=0.0, logit_error=0.0)

    class Plain:
        classes, width, height = exact.classes, exact.width, exact.height

        @staticmethod
        def predict(image, camera):
            p = exact.predict(image, camera)
            return dataclasses.replace(p, prox_J_code=p.prox_J_code[:0],
                                       logits_J_code=p.logits_J_code[:, :0])

    result = run(small_walk[:40], small_config(adjusted=True), Plain())
    report = result.output.report
    assert report["coverage"] == 1 and report["keyframes"] >= 2
    assert report["ate_m"] < 0.015 * report["path_length_m"]
    assert report["depth_within_10"] > 0.9 and len(result.output.snapshot.cloud.points) > 1000


def test_stop_ends_after_the_present_frame(small_walk):
    predictor = ExactPredictor(small_walk)
    seen = []

    def on_frame(frame, tracked):
        seen.append(frame.index)
        if frame.index == 7:
            system.stop.set()

    system = System(small_config(adjusted=True), predictor, on_frame=on_frame)
    system.run(Playback(small_walk))
    assert seen == list(range(8))
    assert len(system.recording.final(system.graph)) == 8


@pytest.mark.slow
def test_trajectory_errors_of_the_run_agree_with_the_evaluation(finished):
    recording = finished.system.recording
    scores = trajectory_errors(recording.true_trajectory(),
                                 recording.final(finished.system.graph))
    assert scores["ate_m"] == finished.output.report["ate_m"] and scores["coverage"] == 1
