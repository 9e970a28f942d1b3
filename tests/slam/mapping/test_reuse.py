"""Known keyframes answer requests at places that were mapped, and redundant ones are culled."""

from dataclasses import replace

import pytest
from support.exact import ExactPredictor
from support.walks import Playback, small_config

from scenecode.optim.geometry import se3
from scenecode.optim.lucas_kanade import Alignment
from scenecode.slam.config.mapping import StageConfig
from scenecode.slam.evaluation.evaluate import evaluate_trajectory
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.system import System
from scenecode.slam.tracking.tracker import TrackedFrame

MAPPING = replace(small_config(adjusted=True).mapping,
                  schedule=(StageConfig("geometry", 2, 1),))


def mapped(frames, config=MAPPING):
    """A mapper with keyframes of true depth at their true poses."""
    mapper = Mapper(config, ExactPredictor(frames, depth_error=0.0))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    while mapper.has_work:
        mapper.step()
    return mapper


def seen_from(mapper, number, frame, slip=0.0):
    """A frame that was tracked against a keyframe, ``slip`` metres beside its true pose."""
    T = se3.inverse(mapper.graph.states[number].T_world_cam) @ frame.truth.T_world_cam.float()
    T[0, 3] += slip
    return TrackedFrame(
        frame_index=frame.index, timestamp=frame.timestamp, keyframe=number, T_key_cam=T,
        T_world_cam=frame.truth.T_world_cam.float(), lost=False, wants_keyframe=True,
        alignment=Alignment(T_ba=T, gain=1.0, offset=0.0, error=0.0, overlap=1.0,
                            inlier_ratio=1.0))


@pytest.fixture
def walk(small_walk):
    return small_walk[0:48:12]


def test_request_at_a_known_place_is_answered_by_its_keyframe(small_walk, walk):
    mapper = mapped(walk)
    answer = mapper.answer(small_walk[13], seen_from(mapper, 3, small_walk[13]))
    assert answer.keyframe == 1 and not answer.is_new
    assert len(mapper.graph) == 4 and mapper.reference == 1
    assert mapper.graph.active[-1] == 1


def test_request_at_an_unknown_place_makes_a_keyframe(small_walk, walk):
    mapper = mapped(walk[:2])
    answer = mapper.answer(small_walk[40], seen_from(mapper, 1, small_walk[40]))
    assert answer.is_new and answer.keyframe == mapper.reference == 2


def test_known_keyframe_that_contradicts_the_map_is_not_used(small_walk, walk):
    """The map has drifted: that is for a loop to mend."""
    mapper = mapped(walk)
    depth = mapper.graph.median_depth(1)
    tracked = seen_from(mapper, 3, small_walk[13], slip=0.07 * depth)
    assert mapper.answer(small_walk[13], tracked).is_new


def test_every_visit_makes_keyframes_where_known_ones_are_not_used(small_walk, walk):
    mapper = mapped(walk, replace(MAPPING, reuse_keyframes=False))
    assert mapper.answer(small_walk[13], seen_from(mapper, 3, small_walk[13])).is_new


def test_redundant_keyframe_is_culled_when_it_leaves_the_window(small_walk):
    frames = small_walk[0:12:12] + small_walk[12:14] + small_walk[24:60:12]
    mapper = mapped(frames, replace(MAPPING, window=2))
    assert set(mapper.graph.redirects) <= {1, 2} and mapper.graph.redirects
    culled, redirect = next(iter(mapper.graph.redirects.items()))
    assert {culled, redirect.keyframe} == {1, 2}


@pytest.mark.slow
def test_walking_to_and_fro_needs_no_new_keyframes(small_walk):
    """Twice to and fro through one place."""
    there = small_walk[:30]
    order = [*range(30), *range(28, -1, -1), *range(1, 30), *range(28, -1, -1)]
    frames = [replace(there[i], index=n, timestamp=n / 30) for n, i in enumerate(order)]
    config = small_config()
    config = replace(config, keyframes=replace(config.keyframes, max_translation=0.05))

    def run(count):
        system = System(config, ExactPredictor(there, depth_error=0.0),
                        output=NoOutput(ExactPredictor.classes))
        system.run(Playback(frames[:count]))
        return system

    once, twice = run(len(there)), run(len(frames))
    assert twice.recording.reused > 0
    assert len(twice.graph) <= len(once.graph) + 3
    assert not twice.recording.tracked["lost"].any()
    scores = evaluate_trajectory(twice.recording.true_trajectory(),
                                 twice.recording.final(twice.graph))
    assert scores["ate_m"] < 0.02


@pytest.mark.slow
def test_keyframes_of_a_place_that_was_mapped_twice_are_culled_at_the_end(small_walk):
    """Every one of them holds those before and after it together, until the keyframe that shows
    the same is measured against these."""
    there = small_walk[0:60:12]
    back = [replace(frame, index=100 + n, timestamp=100 + n)
            for n, frame in enumerate(there[-2::-1])]
    mapper = mapped([*there, *back], replace(MAPPING, window=2))
    assert len(mapper.graph) > len(there) + 1
    residuals = mapper.graph.links - mapper.graph.absorbed_links
    mapper.finish()
    # that which tracking would go on against stays
    assert len(mapper.graph) == len(there) + 1
    # what took their places has no more residuals than it had
    assert mapper.graph.links - mapper.graph.absorbed_links <= residuals
    for number, state in mapper.graph.states.items():
        index = mapper.graph.keyframes[number].frame_index
        frame = next(f for f in (*there, *back) if f.index == index)
        moved = se3.inverse(state.T_world_cam) @ frame.truth.T_world_cam.float()
        assert float(moved[:3, 3].norm()) < 0.05
