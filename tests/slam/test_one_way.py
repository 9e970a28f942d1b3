"""Frames between keyframes: a pose and an image, and what keyframes learn from those."""

from dataclasses import replace

import pytest
import torch
from exact import ExactPredictor
from walks import Playback, small_config

from optim import se3
from slam.config import StageConfig
from slam.graph import KeyframeGraph
from slam.mapping import Mapper
from slam.one_way import PassedFrame, PassedFrames
from slam.system import System
from slam.window import Window

JOINT = StageConfig("joint", 0, 40)


def settings(**values):
    config = small_config().mapping
    return replace(config, gauss_newton=replace(config.gauss_newton, tolerance=1e-7), **values)


def passed(frame, key, keyframe=0):
    """A frame at its true pose beside a keyframe."""
    T = se3.inverse(key.truth.T_world_cam) @ frame.truth.T_world_cam
    return PassedFrame(frame, keyframe, T.float(), 1.0)


def mapper_with(frames, keys, between, config, **errors):
    """Keyframes at their true poses, and a frame before each but the first."""
    mapper = Mapper(config, ExactPredictor([frames[n] for n in keys], **errors), 4)
    for number, n in enumerate(keys):
        before = [passed(frames[between[number - 1]], frames[keys[number - 1]], number - 1)] \
            if number else []
        mapper.insert(frames[n], frames[n].truth.T_world_cam.float(), passed=before)
    return mapper


def error(graph):
    """Distance between where the first one-way frame is and where it was taken, over that between
    the two keyframes: two views alone do not know how far apart they are."""
    start, end = (state.T_world_cam[:3, 3] for state in graph.states)
    own = (graph.pose_of(graph.one_way[0])[:3, 3] - start) / (end - start).norm()
    start, end = (k.frame.truth.T_world_cam[:3, 3] for k in graph.keyframes)
    true = graph.one_way[0].passed.frame.truth.T_world_cam[:3, 3]
    return float((own - (true - start) / (end - start).norm()).norm())


def moved(graph, metres=0.03):
    """The first one-way frame put beside its place."""
    frame = graph.one_way[0]
    step = torch.tensor([metres, 0.0, 0.0, 0.0, 0.0, 0.0])
    graph.one_way[0] = frame.at(se3.retract(frame.passed.T_key_cam, step), 1.0)


@pytest.mark.parametrize("points, bound", [(0, 0.02), (80, 0.05)])
def test_the_window_finds_where_a_frame_between_two_keyframes_was_taken(small_walk, points,
                                                                        bound):
    config = settings()
    config = replace(config, matching=replace(config.matching, points=points))
    mapper = mapper_with(small_walk, (0, 16), (8,), config)
    moved(mapper.graph)
    assert error(mapper.graph) > 0.08
    for level in (2, 1, 0):
        mapper.optimise(StageConfig("geometry", level, 10))
    assert error(mapper.graph) < bound


def test_a_one_way_frame_adds_a_pose_and_nothing_else(small_walk):
    config = settings()
    with_one = mapper_with(small_walk, (0, 16), (8,), config).graph
    without = replace_one_way(with_one, [])
    for stage, poses in (("geometry", 6), ("joint", 6), ("semantics", 0)):
        sizes = []
        for graph in (with_one, without):
            window = Window(graph, config, StageConfig(stage, 1, 1))
            sizes.append(len(window.linearise(window.start()).g))
        assert sizes[0] - sizes[1] == poses


def replace_one_way(graph, frames):
    copy = graph.frozen()
    copy.one_way = frames
    return copy


def test_keyframes_learn_from_it(small_walk):
    """Two keyframes alone, and with what lies between: depth is more certain."""
    config = settings()
    graph = mapper_with(small_walk, (0, 16), (8,), config).graph

    def information(graph: KeyframeGraph):
        window = Window(graph, config, JOINT)
        H = window.linearise(window.start()).H
        code = window.columns_of(1)[6:38]
        return torch.diagonal(H)[code].sum()

    assert information(graph) > 1.1 * information(replace_one_way(graph, []))


def test_it_leaves_with_its_keyframe(small_walk):
    frames = small_walk[0:60:5]
    mapper = Mapper(settings(window=3), ExactPredictor(frames[::2]), 4)
    seen = []
    for n in range(0, 12, 2):
        before = [passed(frames[n - 1], frames[n - 2], n // 2 - 1)] if n else []
        mapper.insert(frames[n], frames[n].truth.T_world_cam.float(), passed=before)
        while mapper.has_work:
            mapper.step()
        seen.append([frame.keyframe for frame in mapper.graph.one_way])
    assert seen == [[], [0], [0, 1], [1, 2], [2, 3], [3, 4]]


def test_it_moves_and_grows_with_its_keyframe(small_walk):
    graph = mapper_with(small_walk, (0, 16), (8,), settings()).graph
    before = se3.inverse(graph.states[0].T_world_cam) @ graph.pose_of(graph.one_way[0])
    turn = se3.exp(torch.tensor([0.5, -1.0, 2.0, 0.3, 0.8, -0.2]))
    poses = torch.stack([turn @ state.T_world_cam for state in graph.states])
    graph.correct(poses, torch.full((2,), 0.2))
    beside = se3.inverse(poses[0]) @ graph.pose_of(graph.one_way[0])
    assert float(beside[:3, 3].norm() / before[:3, 3].norm()) == pytest.approx(1.2214, rel=1e-3)


def test_frames_that_passed_are_evenly_spread_however_many_there_are(small_walk):
    frame = small_walk[0]
    for count in (10, 100, 1000):
        kept = PassedFrames(3)
        for n in range(count):
            kept.note(PassedFrame(replace(frame, index=n), 0, torch.eye(4), 1.0))
        indices = [p.frame.index for p in kept.take()]
        assert len(indices) == 3
        for index, share in zip(indices, (0.25, 0.5, 0.75)):
            assert index / count == pytest.approx(share, abs=0.13)
        assert kept.take() == ()
    few = PassedFrames(3)
    few.note(PassedFrame(frame, 0, torch.eye(4), 1.0))
    assert len(few.take()) == 1


def test_a_run_has_them_when_asked(small_walk):
    config = small_config()
    counts = {}
    for count in (0, 2):
        system = System(replace(config, mapping=replace(config.mapping, one_way=count)),
                        ExactPredictor(small_walk))
        system.run_sequential(Playback(small_walk))
        counts[count] = len(system.graph.one_way)
    assert counts[0] == 0 and counts[2] > 0
