"""The sliding window: what each stage may move, what the prior does, and what two views gain."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import SMALL, small_config

from scenecode.core.shipped import CONFIGS
from scenecode.core.strict_config import override
from scenecode.networks.evaluation.metrics import Confusion
from scenecode.optim.geometry import se3
from scenecode.optim.lucas_kanade import Alignment
from scenecode.optim.solvers.gauss_newton import Stop
from scenecode.slam.bundle.window import Window
from scenecode.slam.config.files import load_config
from scenecode.slam.config.mapping import MappingConfig, StageConfig
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.mapping.work import KeyframeAnswer
from scenecode.slam.sources.rooms import RoomsSource
from scenecode.slam.tracking.tracker import TrackedFrame

LEVELS = 4


def mapper_of(frames, config, **errors):
    """Keyframes at their true poses, nothing optimised yet."""
    mapper = Mapper(config, ExactPredictor(frames, **errors))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    return mapper


@pytest.fixture(scope="module")
def views(small_walk):
    return small_walk[0:45:15]


@pytest.fixture
def mapper(views):
    return mapper_of(views, small_config().mapping)


def disturb(mapper, metres=0.03):
    """Move every pose but the first, as tracking errors would."""
    g = torch.Generator().manual_seed(3)
    states = mapper.graph.states
    for n in range(1, len(states)):
        step = metres * torch.randn(6, generator=g)
        states[n] = replace(states[n], T_world_cam=se3.retract(states[n].T_world_cam, step))


def moved(before, after):
    """Names of the parts of states that differ."""
    return {name for name in ("T_world_cam", "code_depth", "code_semantic")
            for a, b in zip(before.values(), after.values())
            if not torch.equal(getattr(a, name), getattr(b, name))}


@pytest.mark.parametrize("stage, expected", [
    ("geometry", {"T_world_cam", "code_depth"}),
    ("semantics", {"code_semantic"}),
    ("joint", {"T_world_cam", "code_depth", "code_semantic"})])
def test_stage_moves_only_what_it_names(mapper, stage, expected):
    before = dict(mapper.graph.states)
    solution = mapper.optimise(StageConfig(stage, 1, 2))
    assert solution.iterations > 0 and solution.cost < solution.cost_before
    assert moved(before, mapper.graph.states) == expected


@pytest.mark.parametrize("config, expected", [
    (SlamConfig(), {"T_world_cam", "code_depth"}),
    (load_config(CONFIGS / "paper.yaml"), {"T_world_cam", "code_depth", "code_semantic"})],
    ids=["default", "paper"])
def test_semantic_codes_move_in_the_paper_s_schedule_only(views, config, expected):
    mapper = mapper_of(views, config.mapping)
    before = dict(mapper.graph.states)
    for stage in config.mapping.schedule:
        mapper.optimise(replace(stage, iterations=1))
    assert moved(before, mapper.graph.states) == expected


def test_unknown_stage_is_refused():
    with pytest.raises(ValueError, match="geometry, semantics, joint; got 'depth'"):
        StageConfig("depth", 0, 1)


def test_first_pose_never_moves(mapper):
    T = mapper.graph.states[0].T_world_cam.clone()
    mapper.optimise(StageConfig("geometry", 1, 3))
    assert torch.equal(mapper.graph.states[0].T_world_cam, T)


def test_geometry_stage_corrects_disturbed_poses_and_depths(views):
    mapper = mapper_of(views, small_config().mapping)
    disturb(mapper)

    def errors():
        pose = depth = 0.0
        for keyframe, state in zip(mapper.graph.keyframes.values(), mapper.graph.states.values()):
            T_true = keyframe.truth.T_world_cam.float()
            pose += float(se3.rotation_angle(se3.inverse(T_true) @ state.T_world_cam))
            ratio = keyframe.depth(state.code_depth) / keyframe.truth.depth
            depth += float((ratio / ratio.median() - 1).abs().mean())
        return pose, depth

    before = errors()
    for level in (2, 1, 0):
        mapper.optimise(StageConfig("geometry", level, 6))
    after = errors()
    assert after[0] < 0.25 * before[0] and after[1] < 0.5 * before[1]


def test_keyframes_older_than_the_window_are_fixed(views):
    mapper = mapper_of(views, replace(small_config().mapping, window=1))
    before = dict(mapper.graph.states)
    mapper.optimise(StageConfig("joint", 1, 2))
    after = mapper.graph.states
    assert before.popitem()[1] is not after.popitem()[1]
    assert all(a is after[n] for n, a in before.items())


def test_prior_alone_pulls_codes_to_zero(views):
    mapper = mapper_of(views[:1], small_config().mapping)
    state = mapper.graph.states[0]
    mapper.graph.states[0] = replace(state, code_depth=torch.ones(32),
                                     code_semantic=-torch.ones(32))
    mapper.optimise(StageConfig("joint", 1, 5))
    after = mapper.graph.states[0]
    assert after.code_depth.norm() < 1e-2 and after.code_semantic.norm() < 1e-2


def test_stronger_prior_gives_smaller_codes(views):
    norms = []
    for sigma in (0.1, 1.0, 10.0):
        config = small_config().mapping
        config = replace(config, residuals=replace(config.residuals, code_sigma=sigma))
        mapper = mapper_of(views[:2], config)
        mapper.optimise(StageConfig("joint", 1, 4))
        norms.append(sum(float(s.code_depth.norm() + s.code_semantic.norm())
                         for s in mapper.graph.states.values()))
    assert norms[0] < 0.7 * norms[1] < 0.7 * norms[2]


def test_gradient_of_the_window_is_that_of_its_cost(views):
    """Prior and semantic term, whose weights do not depend on the codes."""
    mapper = mapper_of(views[:2], small_config().mapping)
    window = Window(mapper.graph, small_config().mapping, StageConfig("semantics", 1, 1))
    state = window.retract(window.start(), 0.3 * torch.randn(64).double())
    g = window.linearise(state).g
    direction = g / g.norm()
    plus, minus = (window.linearise(window.retract(state, sign * 0.05 * direction)).cost
                   for sign in (1, -1))
    assert (plus - minus) / 0.1 == pytest.approx(float(g.norm()), rel=0.02)


def test_links_go_both_ways_and_need_overlap(views, small_walk):
    mapper = mapper_of(views, replace(small_config().mapping, links=2))
    assert mapper.graph.links == {(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)}
    strict = mapper_of(views, replace(small_config().mapping, links=2, link_overlap=0.999))
    assert strict.graph.links == {(0, 1), (1, 0), (1, 2), (2, 1)}


def test_keyframe_tracked_against_an_older_one_is_linked_to_that(views):
    config = replace(small_config().mapping, links=1, link_overlap=0.999)
    mapper = mapper_of(views, config)
    mapper.insert(views[0], views[0].truth.T_world_cam.float(), tracked_against=0)
    assert mapper.graph.neighbours(3) == [0]


def tracked_against(frame, number, T_key_cam, **changes):
    identity = torch.eye(4)
    return TrackedFrame(
        frame_index=frame.index, timestamp=frame.timestamp, keyframe=number, T_key_cam=T_key_cam,
        T_world_cam=identity, lost=False, wants_keyframe=True, **changes,
        alignment=Alignment(T_ba=identity, gain=1.0, offset=0.0, error=0.0, overlap=1.0,
                            inlier_ratio=1.0))


def test_tracked_frame_is_inserted_relative_to_the_present_pose_of_its_keyframe(views):
    mapper = mapper_of(views, small_config().mapping)
    mapper.graph.states[1] = replace(mapper.graph.states[1],
                                     T_world_cam=se3.exp(0.3 * torch.ones(6)))
    T_key_cam = se3.exp(torch.tensor([0.1, 0.0, 0.0, 0.0, 0.2, 0.0]))
    half = mapper.graph.keyframes[1].scale / 2
    answer = mapper.answer(views[2], tracked_against(views[2], 1, T_key_cam, key_scale=half))
    expected = T_key_cam.clone()
    expected[:3, 3] *= 2
    assert answer == KeyframeAnswer(keyframe=3, is_new=True) and (3, 1) in mapper.graph.links
    assert torch.allclose(mapper.graph.relative(3, 1), expected, atol=1e-5)


def test_frame_that_begins_a_map_discards_the_one_before(views):
    mapper = mapper_of(views, small_config().mapping)
    begins = tracked_against(views[2], 0, torch.eye(4), begins_map=True)
    assert mapper.answer(views[2], begins) == KeyframeAnswer(keyframe=0, is_new=True)
    assert len(mapper.graph) == 1 and not mapper.graph.links and not mapper.has_work


def test_schedule_runs_in_order_and_interruption_keeps_what_was_reached(mapper):
    ran = []
    while mapper.has_work:
        before = dict(mapper.graph.states)
        result = mapper.step(lambda: len(ran) == 1)
        ran.append((result.solution.stop, moved(before, mapper.graph.states)))
    assert len(ran) == len(small_config().mapping.schedule)
    assert ran[1] == (Stop.INTERRUPTED, set())
    assert ran[0][1] == {"T_world_cam", "code_depth"} and ran[2][1] == {"code_semantic"}
    assert mapper.step() is None


def semantic_scores(frames, sigma):
    """mIoU of two views: each alone, and fused by the semantic stage; geometry is exact."""
    config = override(load_config(CONFIGS / "paper.yaml"),
                      f"mapping.residuals.code_sigma={sigma}").mapping
    mapper = mapper_of(frames, config, depth_error=0.0)

    def miou():
        confusion = Confusion(len(ExactPredictor.classes))
        for keyframe, state in zip(mapper.graph.keyframes.values(), mapper.graph.states.values()):
            labels = keyframe.probabilities(state.code_semantic).argmax(0).to(torch.uint8)
            confusion.add(labels, keyframe.truth.labels)
        return confusion.scores()["miou"]

    alone = miou()
    mapper.optimise(StageConfig("semantics", 3, 8))
    return alone, miou()


@pytest.mark.slow
def test_semantic_fusion_of_two_views_gains_with_the_prior_and_loses_without():
    """Section 6.3, mIoU: 41.71 for one view, 39.60 when two are fused without the prior."""
    pairs = [list(RoomsSource(seed, 2, *SMALL, fps=1.0)) for seed in (3, 5)]
    alone, fused = np.mean([semantic_scores(pair, sigma=1.0) for pair in pairs], 0)
    _, unbound = np.mean([semantic_scores(pair, sigma=1000.0) for pair in pairs], 0)
    assert fused > alone + 0.01
    assert unbound < alone - 0.03


def test_impossible_windows_and_shares_are_refused():
    for wrong, message in (({"window": 0}, "mapping.window must be at least 1, got 0"),
                           ({"scale_share": 1.1}, "scale_share must be from 0 to 1, got 1.1")):
        with pytest.raises(ValueError, match=message):
            MappingConfig(**wrong)
