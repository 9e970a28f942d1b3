"""Global adjustment of a map with drift, also while it changes."""

from dataclasses import replace
from math import log

import pytest
import torch
from support.drift import add_drift, exhaust, position_error
from support.exact import ExactPredictor
from support.walks import small_config, turn

from scenecode.optim.geometry import se3
from scenecode.slam.adjustment import global_adjustment
from scenecode.slam.adjustment.global_adjustment import GlobalAdjustment
from scenecode.slam.config.mapping import StageConfig
from scenecode.slam.config.residuals import ResidualConfig
from scenecode.slam.mapping.mapper import Mapper

pytestmark = pytest.mark.slow

CONFIG = replace(small_config(adjusted=True).mapping, reuse_keyframes=False)


@pytest.fixture(scope="module")
def drifted(small_walk):
    """Twelve keyframes whose every step is turned, shifted and rescaled the same way."""
    frames = small_walk[::5]
    mapper = Mapper(CONFIG, ExactPredictor(frames))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    return add_drift(mapper.graph, slip=[0.02, 0.0, 0.02, 0.0, 0.02, 0.01], log_scale=0.03)


def adjust(graph, adjustment=None):
    """Run to the end; the number of pieces, and whether the map was changed."""
    return exhaust((adjustment or GlobalAdjustment(ResidualConfig())).pieces(graph))


def scale_drift(graph):
    """Spread of ln depth over truth."""
    ratios = [(k.depth(s.code_depth) / k.truth.depth).log().median()
              for k, s in zip(graph.keyframes.values(), graph.states.values())]
    return float(torch.stack(ratios).std())


def rotation_error(graph):
    """Of keyframes relative to the first, root mean square in degrees."""
    first = next(iter(graph.keyframes.values())).truth.T_world_cam
    ours = torch.stack([s.T_world_cam for s in graph.states.values()]).double()
    true = torch.stack([k.truth.T_world_cam for k in graph.keyframes.values()]).double()
    wrong = se3.inverse(se3.inverse(ours[0]) @ ours) @ (se3.inverse(first.double()) @ true)
    return float(se3.rotation_angle(wrong).square().mean().sqrt().rad2deg())


def test_drift_of_poses_and_scale_is_removed(drifted):
    graph = drifted.frozen()
    pieces, changed = adjust(graph)
    assert changed and pieces > 20
    assert position_error(graph) < 0.4 * position_error(drifted)
    assert scale_drift(graph) < 0.5 * scale_drift(drifted)
    assert torch.equal(graph.states[0].T_world_cam, drifted.states[0].T_world_cam)


def test_the_scale_of_a_whole_map_is_what_the_network_says_in_the_mean(drifted):
    graph = drifted.frozen()
    adjust(graph)
    depths = graph.median_depth(0), graph.median_depth(5)
    poses = torch.stack([s.T_world_cam for s in graph.states.values()])
    poses[:, :3, 3] = poses[0, :3, 3] + 1.02 * (poses[:, :3, 3] - poses[0, :3, 3])
    graph.correct(poses, torch.full((len(poses),), log(1.02)))
    assert adjust(graph)[1]
    mean = sum(log(k.scale) for k in graph.keyframes.values()) / len(graph)
    assert mean == pytest.approx(0, abs=1e-6)
    assert graph.median_depth(0) == pytest.approx(depths[0], rel=0.01)
    assert graph.median_depth(5) == pytest.approx(depths[1], rel=0.01)


def test_the_depth_that_images_show_makes_matches_and_poses_more_exact(drifted):
    graph, adjustment = drifted.frozen(), GlobalAdjustment(ResidualConfig())
    adjust(graph, adjustment)
    by_codes = position_error(graph)
    exhaust(adjustment.pieces(graph, by_images=True))
    assert position_error(graph) < 0.9 * by_codes


def test_two_keyframes_are_adjusted(small_walk):
    mapper = Mapper(CONFIG, ExactPredictor(small_walk[:31:30]))
    for frame in small_walk[:31:30]:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    graph = add_drift(mapper.graph, slip=[0.02, 0.0, 0.02, 0.0, 0.02, 0.01], log_scale=0.0)
    before, adjustment = rotation_error(graph), GlobalAdjustment(ResidualConfig())
    adjust(graph, adjustment)
    exhaust(adjustment.pieces(graph, by_images=True))
    assert rotation_error(graph) < 0.3 * before


def test_corners_of_a_camera_that_turns_are_matched_in_images_turned_back():
    frames = turn(1, [6.0 * n for n in range(6)], 256, 192)
    mapper = Mapper(replace(CONFIG, geometric_level=2), ExactPredictor(frames))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    graph = add_drift(mapper.graph, slip=[0.02, 0.0, 0.0, 0.0, 0.01, 0.005], log_scale=0.0)
    adjustment = GlobalAdjustment(ResidualConfig())
    adjust(graph, adjustment)
    as_they_are = rotation_error(graph)
    exhaust(adjustment.pieces(graph, by_images=True))
    # images show no depth without parallax; that of the code serves
    assert {depth.views for depth in adjustment.adjusted.depths.values()} == {()}
    assert rotation_error(graph) < min(0.05, 0.8 * as_they_are)


def test_what_was_matched_is_not_matched_again(drifted):
    graph, adjustment = drifted.frozen(), GlobalAdjustment(ResidualConfig())
    first, _ = adjust(graph, adjustment)
    second, _ = adjust(graph, adjustment)
    assert second < 0.5 * first


def test_keyframes_that_were_optimised_or_added_meanwhile_move_with_the_map(drifted):
    graph = drifted.frozen()
    newest = graph.newest
    late = graph.keyframes.pop(newest), graph.states.pop(newest)
    work = GlobalAdjustment(ResidualConfig()).pieces(graph)
    for _ in range(8):
        next(work)
    graph.keyframes[newest], graph.states[newest] = late
    before = graph.relative(newest, newest - 1), graph.keyframes[newest - 1].scale
    for _ in work:
        pass
    expected = before[0].clone()
    expected[:3, 3] *= graph.keyframes[newest - 1].scale / before[1]
    torch.testing.assert_close(graph.relative(newest, newest - 1), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("from_end", [False, True])
def test_keyframes_may_be_culled_meanwhile(drifted, from_end):
    pieces, _ = adjust(drifted.frozen())
    graph = drifted.frozen()
    work = GlobalAdjustment(ResidualConfig()).pieces(graph)
    for _ in range(pieces - 2 if from_end else 8):
        next(work)
    graph.cull(graph.resting[2], heir=graph.resting[3])
    for _ in work:
        pass
    assert position_error(graph) < 0.4 * position_error(drifted)


def test_a_part_that_is_not_placed_stays(drifted):
    graph = drifted.frozen()
    graph.part_of = dict.fromkeys(list(graph.keyframes)[-4:], 1)
    adjust(graph)
    for n in graph.part_of:
        assert torch.equal(graph.states[n].T_world_cam, drifted.states[n].T_world_cam)


def test_a_part_of_a_large_map_is_adjusted_and_the_rest_stays(drifted, monkeypatch):
    monkeypatch.setattr(global_adjustment, "LARGEST_PART", 7)
    graph = drifted.frozen()
    for _ in GlobalAdjustment(ResidualConfig()).pieces(graph, around=graph.newest):
        pass
    moved = [n for n, s in graph.states.items()
             if not torch.equal(s.T_world_cam, drifted.states[n].T_world_cam)]
    assert 2 <= len(moved) < 7 and graph.newest in moved


def test_the_map_is_adjusted_in_spare_time_and_at_the_end(drifted, small_walk):
    frames = small_walk[::10]
    mapper = Mapper(CONFIG, ExactPredictor(frames))
    for frame in frames[:4]:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    assert not mapper.has_spare_work
    for frame in frames[4:]:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    assert mapper.has_spare_work
    while mapper.has_spare_work:
        mapper.work_in_spare_time()
    poses = {n: s.T_world_cam for n, s in mapper.graph.states.items()}
    mapper.finish()  # nothing has changed since
    assert all(mapper.graph.states[n].T_world_cam is T for n, T in poses.items())


def test_a_run_ends_with_an_adjustment_by_images_whatever_spare_time_has_done(small_walk,
                                                                              monkeypatch):
    frames, began = small_walk[::10], []
    pieces = GlobalAdjustment.pieces

    def recorded(self, graph, around=None, by_images=False):
        began.append(by_images)
        return pieces(self, graph, around, by_images)

    monkeypatch.setattr(GlobalAdjustment, "pieces", recorded)
    mapper = Mapper(CONFIG, ExactPredictor(frames))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    mapper.optimise(StageConfig("geometry", 2, 1))
    while mapper.has_spare_work:
        mapper.work_in_spare_time()
    assert began == [False]
    mapper.finish()
    assert began == [False, True, True]
    mapper.finish()
    assert began == [False, True, True]
