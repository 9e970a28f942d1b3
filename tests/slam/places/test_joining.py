"""Parts of a map that share no world frame are joined by the places that both show."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import SMALL, small_config, walk

from scenecode.optim.geometry import se3
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.places import joining
from scenecode.slam.places.joining import JoiningError, Similarity, agreeing, join, recognise
from scenecode.slam.places.known_places import KnownPlaces
from scenecode.slam.places.unplaced_parts import UnplacedParts

CONFIG = small_config()
#: Where the second part thinks it is, and ln of its unit in metres.
SHIFT = se3.exp(torch.tensor([2.0, -1.0, 0.5, 0.3, 0.8, -0.2]))
LOG_SCALE = 0.2


def parts_of(frames, first, second):
    """Frames mapped in two parts, at their true poses, the second one moved and rescaled; the
    graph and the numbers of the second part."""
    chosen = [replace(frames[i], index=n, timestamp=n / 30)
              for n, i in enumerate([*first, *second])]
    config = replace(CONFIG.mapping, window=100, reuse_keyframes=False, schedule=())
    mapper = Mapper(config, ExactPredictor(chosen, depth_error=0.0))
    for frame in chosen:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    graph, part = mapper.graph, set(range(len(first), len(chosen)))

    def within(a, b):
        return (a in part) == (b in part)

    graph.links = {pair for pair in graph.links if within(*pair)}
    graph.observations = {pair: o for pair, o in graph.observations.items() if within(*pair)}
    poses = torch.stack([s.T_world_cam for s in graph.states.values()])
    log_scales = torch.zeros(len(graph))
    moved = SHIFT @ poses[sorted(part)]
    moved[:, :3, 3] *= np.exp(LOG_SCALE)
    poses[sorted(part)], log_scales[sorted(part)] = moved, LOG_SCALE
    graph.correct(poses, log_scales)
    return graph, part


def places():
    return KnownPlaces(CONFIG.tracking, CONFIG.keyframes, CONFIG.mapping.loops.min_votes)


def matches_of(graph, part):
    return [m for m in recognise(graph, part, sorted(part), places()) if m is not None]


def position_errors(graph):
    """(K,) metres."""
    return np.array([float((graph.states[n].T_world_cam - k.truth.T_world_cam)[:3, 3].norm())
                     for n, k in graph.keyframes.items()])


@pytest.fixture(scope="module")
def halves(small_walk):
    """Frames 0 to 40, and 22 to 57, which are other images of the same room."""
    return parts_of(small_walk, range(0, 41, 5), range(22, 60, 5))


def test_recognised_places_give_the_similarity_between_the_parts(halves):
    graph, part = halves
    matches = matches_of(graph, part)
    assert len(matches) >= 3 and all(m.place.keyframe not in part for m in matches)
    found, agree = agreeing(graph, matches)
    assert len(agree) >= 3
    assert found.log_scale == pytest.approx(-LOG_SCALE, abs=0.03)
    back = se3.inverse(SHIFT).numpy()
    np.testing.assert_allclose(found.R, back[:3, :3], atol=0.02)
    np.testing.assert_allclose(found.t, back[:3, 3], atol=0.05)


def test_joined_parts_are_one_map(halves):
    graph, part = halves[0].frozen(), halves[1]
    before = position_errors(graph)
    config = replace(CONFIG.mapping, loops=replace(CONFIG.mapping.loops, min_landmarks=20))
    pieces = sum(1 for _ in join(graph, part, matches_of(graph, part), config))
    after = position_errors(graph)
    assert pieces > 3 and before[sorted(part)].min() > 1 and after.max() < 0.05
    scales = [graph.keyframes[n].scale for n in part]
    assert np.log(scales) == pytest.approx(0.0, abs=0.06)
    # what was in the frame of the map stays
    assert after[[n for n in graph.keyframes if n not in part]].max() < 0.02
    between = {(a, b) for a, b in graph.links if (a in part) != (b in part)}
    assert between and {(loop.older, loop.newer) for loop in graph.loops} <= between
    assert any((a in part) != (b in part) for a, b in graph.observations)


def test_parts_whose_loops_cannot_be_verified_are_connected_nevertheless(halves, monkeypatch):
    def refuse(*_):
        yield
        return False

    graph, part = halves[0].frozen(), halves[1]
    monkeypatch.setattr(joining, "verify_and_close", refuse)
    for _ in join(graph, part, matches_of(graph, part), CONFIG.mapping):
        pass
    assert position_errors(graph).max() < 0.1
    (loop,) = graph.loops
    assert (loop.older, loop.newer) in graph.links and loop.log_scale == pytest.approx(0, abs=0.05)


def test_a_continued_map_takes_the_new_part_in_when_two_of_its_keyframes_are_recognised(halves):
    graph, numbers = halves[0].frozen(), sorted(halves[1])
    graph.part_of = dict.fromkeys(numbers, 1)
    parts, searched = UnplacedParts(places(), CONFIG.mapping), []
    while graph.part_of:
        searched.append(numbers[len(searched)])
        for _ in parts.search(graph, searched[-1]):
            pass
    assert 2 <= len(searched) < len(numbers)
    assert position_errors(graph).max() < 0.1
    # it is a part of the map now
    assert list(parts.search(graph, numbers[-1])) == []


def test_a_part_is_joined_with_an_earlier_one_that_is_itself_unplaced(halves):
    """Both are moved together when the place of either is found."""
    graph, numbers = halves[0].frozen(), sorted(halves[1])
    earlier = sorted(set(graph.keyframes) - halves[1])[1:]
    graph.part_of = dict.fromkeys(earlier, 1) | dict.fromkeys(numbers, 2)
    graph.links = {pair for pair in graph.links if 0 not in pair}
    graph.observations = {pair: o for pair, o in graph.observations.items() if 0 not in pair}
    parts, held = UnplacedParts(places(), CONFIG.mapping), []
    for number in numbers:
        for _ in parts.search(graph, number):
            pass
        held.append(dict(graph.part_of))
    assert dict.fromkeys([*earlier, *numbers], 1) in held
    assert held[-1] == {} and position_errors(graph).max() < 0.1


def test_parts_of_different_rooms_are_refused_and_stay(small_walk):
    frames = [*small_walk[:41], *walk(5, 41, *SMALL)]
    graph, part = parts_of(frames, range(0, 41, 5), range(41, 82, 5))
    states = dict(graph.states)
    with pytest.raises(JoiningError, match="0 agree.*3 are needed"):
        list(join(graph, part, matches_of(graph, part), CONFIG.mapping))
    assert graph.states == states and not graph.loops


def test_few_matches_and_wrong_ones_are_refused(halves):
    graph, part = halves
    matches = matches_of(graph, part)
    with pytest.raises(JoiningError, match="2 agree"):
        agreeing(graph, matches[:2])
    assert len(agreeing(graph, matches[:2], min_agreeing=2)[1]) == 2
    away = se3.exp(torch.tensor([3.0, 1.0, 0.0, 0.0, 1.5, 0.0]))
    wrong = [replace(m, place=replace(m.place, T_key_frame=away @ m.place.T_key_frame))
             for m in matches[:1]]
    found, agree = agreeing(graph, [*wrong, *matches[1:]])
    assert wrong[0] not in agree and len(agree) == len(matches) - 1
    assert found.log_scale == pytest.approx(-LOG_SCALE, abs=0.05)


def test_similarity_moves_and_scales():
    R = se3.exp(torch.tensor([0.0, 0, 0, 0, 0, np.pi / 2])).numpy()[:3, :3]
    T = np.eye(4)
    T[:3, 3] = [1.0, 0.0, 2.0]
    moved = Similarity(R=R, t=np.array([0.0, 0.0, 1.0]), log_scale=np.log(2)).moved(T)
    np.testing.assert_allclose(moved[:3, 3], [0.0, 2.0, 5.0], atol=1e-6)
    np.testing.assert_allclose(moved[:3, :3], R, atol=1e-6)
