"""Loop closure: revisited places are recognised, verified, and correct the map; others are not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.drift import add_drift, exhaust
from support.exact import ExactPredictor
from support.walks import Playback, small_config, with_image

from scenecode.optim.geometry import se3
from scenecode.slam.config.loops import LoopClosureConfig
from scenecode.slam.config.mapping import StageConfig
from scenecode.slam.evaluation.alignment import align
from scenecode.slam.evaluation.evaluate import evaluate_trajectory
from scenecode.slam.features.place_index import PlaceIndex
from scenecode.slam.loops.closure import close, search
from scenecode.slam.loops.verification import verify
from scenecode.slam.map.graph import Loop
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.mapping.work import StageOptimised
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.system import System

#: A walk of this many keyframes is long enough for loops.
#: Keyframes at one place must not be culled before their loops are closed.
CONFIG = replace(small_config().mapping, loops=LoopClosureConfig(min_age=8),
                 reuse_keyframes=False)


@pytest.fixture(scope="module")
def there_and_back(small_walk):
    """24 frames that walk away and return along other frames of the same path."""
    chosen = [*range(0, 60, 5), *range(57, 0, -5)]
    return [replace(small_walk[i], index=n, timestamp=n / 30) for n, i in enumerate(chosen)]


def mapper_of(frames, config=CONFIG):
    """Keyframes at their true poses, nothing optimised."""
    mapper = Mapper(config, ExactPredictor(frames))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    return mapper


@pytest.fixture(scope="module")
def drifted(there_and_back):
    """The same with every step turned, shifted and rescaled a little the same way."""
    return add_drift(mapper_of(there_and_back).graph,
                     slip=[0.004, 0.0, 0.004, 0.0, 0.004, 0.002], log_scale=0.012)


def copy_of(graph):
    return graph.frozen()


def position_error(graph):
    """Root mean square after the best similarity."""
    true, ours = (np.stack([np.asarray(T, float)[:3, 3] for T in poses]) for poses in (
        [k.truth.T_world_cam for k in graph.keyframes.values()],
        [s.T_world_cam for s in graph.states.values()]))
    return float(np.sqrt(np.square(align(true, ours).apply(ours) - true).sum(1).mean()))


def scale_drift(graph):
    """Spread of ln depth over truth."""
    ratios = [(k.depth(s.code_depth) / k.truth.depth).log().median()
              for k, s in zip(graph.keyframes.values(), graph.states.values())]
    return float(torch.stack(ratios).std())


@pytest.mark.slow
def test_loop_closure_reduces_the_drift_of_a_walk_that_returns(drifted):
    graph, index = copy_of(drifted), PlaceIndex(CONFIG.loops.min_votes)
    before = position_error(graph), scale_drift(graph)
    for number, keyframe in graph.keyframes.items():
        recent = range(number - CONFIG.loops.min_age + 1, number)
        found = index.candidates(keyframe.features, {*recent, *graph.neighbours(number)})
        exhaust(search(graph, number, found, CONFIG))
        index.add(number, keyframe.features)
    assert before[0] > 0.05
    assert len(graph.loops) >= 1
    assert position_error(graph) < 0.5 * before[0]
    assert scale_drift(graph) < 0.8 * before[1]
    loop = graph.loops[0]
    assert loop.newer - loop.older >= CONFIG.loops.min_age
    assert {(loop.older, loop.newer), (loop.newer, loop.older)} <= graph.links
    assert any(pair[1] == loop.newer and pair[0] <= loop.older for pair in graph.observations)
    assert torch.equal(graph.states[0].T_world_cam, drifted.states[0].T_world_cam)


def test_measured_pose_and_scale_of_a_loop_are_right(drifted):
    graph, last = copy_of(drifted), len(drifted) - 1
    pieces, found = exhaust(verify(graph, 1, last, CONFIG))
    assert pieces > 5
    T = [graph.keyframes[n].truth.T_world_cam.float() for n in (1, last)]
    true = se3.inverse(T[0]) @ T[1]
    stretch = float(graph.keyframes[1].scale)
    error = se3.inverse(true) @ found.loop.T_older_newer
    assert float(se3.rotation_angle(error)) < 0.02
    assert (found.loop.T_older_newer[:3, 3] / stretch - true[:3, 3]).norm() < 0.04
    assert found.loop.log_scale == pytest.approx(-0.012 * (last - 1), abs=0.17)
    # the map is not changed before the pose graph has been optimised
    assert not graph.loops and (1, last) not in graph.links


def test_map_may_change_while_a_loop_is_verified(drifted):
    """Between the pieces of work, mapping removes and adds observations and culls keyframes."""
    graph, older, last = copy_of(drifted), 4, len(drifted) - 1
    hosts = sorted(a for a, b in graph.observations if b == older and a < older)
    work, pieces = verify(graph, older, last, CONFIG), 0
    assert hosts
    with pytest.raises(StopIteration) as end:
        while True:
            next(work)
            pieces += 1
            if hosts:
                graph.cull(hosts.pop(), older)
    assert pieces > 5
    assert end.value.value is not None
    # its older keyframe itself is gone
    work = verify(graph, 5, last, CONFIG)
    next(work)
    graph.cull(5, 6)
    assert exhaust(work)[1] is None


@pytest.mark.slow
def test_same_textures_in_another_arrangement_are_not_verified(there_and_back):
    """The image of the first keyframe, its tiles in another order."""
    first = there_and_back[0]
    tiles = [part for row in first.image.split(32, 1) for part in row.split(32, 2)]
    order = np.random.default_rng(0).permutation(len(tiles))
    rows = [torch.cat([tiles[i] for i in order[r:r + 4]], 2) for r in range(0, 12, 4)]
    shuffled = with_image(first, torch.cat(rows, 1))
    frames = [*there_and_back[:12], replace(shuffled, index=12)]
    graph = mapper_of(frames).graph
    index = PlaceIndex(CONFIG.loops.min_votes)
    for number, keyframe in list(graph.keyframes.items())[:5]:
        index.add(number, keyframe.features)
    candidates = index.candidates(graph.keyframes[12].features, ())
    assert candidates
    for older in candidates:
        assert exhaust(verify(graph, older, 12, CONFIG))[1] is None


def test_loop_that_drift_cannot_explain_is_rejected(drifted):
    graph = copy_of(drifted)
    T = graph.relative(20, 2).clone()
    T[:3, 3] += torch.tensor([4.0, 0.0, -5.0])
    states, links = dict(graph.states), set(graph.links)
    loop = Loop(older=2, newer=20, T_older_newer=T, log_scale=0.0, num_landmarks=100)
    assert not close(graph, loop)
    assert graph.states == states and graph.links == links and not graph.loops


def test_place_that_only_looks_alike_does_not_pull_the_way_between_together(drifted):
    """All links would have to bend a little, so that the loop itself fits well in the end."""
    graph = copy_of(drifted)
    loop = Loop(older=2, newer=12, T_older_newer=torch.eye(4), log_scale=0.0, num_landmarks=200)
    assert graph.relative(12, 2)[:3, 3].norm() > 0.5
    assert not close(graph, loop) and not graph.loops


def test_nothing_is_searched_on_a_short_walk(small_walk):
    mapper = mapper_of(small_walk[0:40:5],
                       replace(CONFIG, schedule=(StageConfig("geometry", 2, 1),)))
    results = []
    while mapper.has_work:
        results.append(mapper.step())
    assert results and all(isinstance(result, StageOptimised) for result in results)
    assert not mapper.graph.loops


def test_unfinished_search_comes_before_the_next_schedule(there_and_back):
    config = replace(CONFIG, loops=replace(CONFIG.loops, min_age=1), links=1, link_overlap=0.999,
                     schedule=(StageConfig("geometry", 2, 1),))
    mapper = Mapper(config, ExactPredictor(there_and_back))
    for frame in there_and_back[:4]:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    ran = []
    while mapper.has_work:
        ran.append(isinstance(mapper.step(), StageOptimised))
    # the search for the third, the stage, the search for the fourth
    assert ran.count(True) == 1 and not ran[0] and not ran[-1]


def test_searches_can_be_switched_off(there_and_back):
    config = replace(CONFIG, loops=replace(CONFIG.loops, enabled=False, min_age=1), schedule=())
    assert not mapper_of(there_and_back[:4], config).has_work


def test_correction_rescales_depth_at_every_code(drifted):
    graph, change = copy_of(drifted), 0.2 * torch.ones(len(drifted))
    code = torch.ones(32)
    before = graph.keyframes[3].depth(code), graph.landmarks[3].log_depth
    graph.loops = [Loop(older=1, newer=2, T_older_newer=torch.eye(4), log_scale=0.0,
                        num_landmarks=100)]
    change[2] = 0.5
    graph.correct(torch.stack([s.T_world_cam for s in graph.states.values()]), change)
    torch.testing.assert_close(graph.keyframes[3].depth(code), before[0] * np.exp(0.2))
    torch.testing.assert_close(graph.landmarks[3].log_depth, before[1] + 0.2)
    assert graph.loops[0].log_scale == pytest.approx(-0.3)
    T_key_cam = se3.exp(torch.tensor([0.1, 0, 0, 0, 0.2, 0]))
    T_world_cam = graph.pose_from_keyframe(3, T_key_cam, scale=1.0)
    step = se3.inverse(graph.states[3].T_world_cam) @ T_world_cam
    assert float(step[:3, 3].norm()) == pytest.approx(0.1 * graph.keyframes[3].scale, rel=0.01)


@pytest.mark.slow
def test_running_system_closes_loops(there_and_back):
    frames = there_and_back[::2]
    config = small_config()
    mapping = replace(config.mapping, schedule=(StageConfig("geometry", 2, 2),),
                      loops=replace(CONFIG.loops, min_age=5))
    config = replace(config, mapping=mapping,
                     keyframes=replace(config.keyframes, min_interval=0.0, max_translation=0.01))
    system = System(config, ExactPredictor(frames), output=NoOutput(ExactPredictor.classes))
    system.run(Playback(frames))
    recording = system.recording
    scores = evaluate_trajectory(recording.true_trajectory(), recording.final(system.graph))
    assert len(system.graph.loops) >= 1 and system.timings.loop
    assert scores["ate_m"] < 0.03
