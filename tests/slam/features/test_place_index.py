"""The index of keyframes' features: who looks like an image."""

import numpy as np
import pytest

from scenecode.slam.features import place_index
from scenecode.slam.features.orb import Features, detect, grey, match
from scenecode.slam.features.place_index import PlaceIndex


def features_of(frame):
    return detect(grey(frame.pyramid[0]))


@pytest.fixture
def filled(small_walk):
    """Frames 0, 2, ... 14 under the numbers 10, 20, ... 80."""
    index = PlaceIndex(min_votes=1, spacing=0)
    for n, frame in enumerate(small_walk[:16:2], 1):
        index.add(10 * n, features_of(frame))
    return index


def test_the_keyframe_of_the_image_itself_comes_first(filled, small_walk):
    found = filled.candidates(features_of(small_walk[6]), (), 30)
    assert found[0] == 40 and set(found) <= {*range(10, 90, 10)}


def test_excluded_and_removed_keyframes_are_no_candidates(filled, small_walk):
    seen = features_of(small_walk[6])
    assert set(filled.candidates(seen, {10, 40}, 30)) == {20, 30, 50, 60, 70, 80}
    filled.remove(50)
    assert set(filled.candidates(seen, {10, 40}, 30)) == {20, 30, 60, 70, 80}
    filled.add(50, features_of(small_walk[8]))
    assert 50 in filled.candidates(seen, {10, 40}, 30)


def test_of_neighbours_only_the_best_is_given(small_walk):
    index = PlaceIndex(min_votes=1, spacing=3)
    for n, frame in enumerate(small_walk[:16:2]):
        index.add(n, features_of(frame))
    found = index.candidates(features_of(small_walk[6]), (), 30)
    assert found[0] == 3 and all(abs(a - b) > 3 for a in found for b in found if a != b)


def test_image_without_features_matches_nothing(small_walk):
    index = PlaceIndex(min_votes=8)
    blank = detect(np.full((96, 128), 80, np.uint8))
    scene = features_of(small_walk[0])
    index.add(0, blank)
    index.add(1, scene)
    index.add(2, blank)
    assert index.candidates(blank, ()) == []
    assert index.candidates(scene, {1}) == []
    assert index.candidates(scene, ()) == [1]
    for a, b in ((blank, scene), (scene, blank)):
        assert len(match(a.descriptors, b.descriptors, 0.8)[0]) == 0


def test_of_many_keyframes_only_those_with_alike_words_are_compared(monkeypatch):
    g = np.random.default_rng(0)
    known = [Features(np.zeros((60, 2), np.float32), g.integers(0, 256, (60, 32), np.uint8))
             for _ in range(40)]
    seen = Features(np.zeros((60, 2), np.float32), np.concatenate(
        [known[4].descriptors[:30], known[17].descriptors[:20], known[9].descriptors[:10]]))
    index = PlaceIndex(min_votes=8)
    for n, features in enumerate(known):
        index.add(n, features)
    whole = index.candidates(seen, ())
    monkeypatch.setattr(place_index, "_COMPARED_KEYFRAMES", 5)
    monkeypatch.setattr(place_index, "_WORDS", 256)
    assert index.candidates(seen, ()) == whole == [4, 17, 9]
    assert index.candidates(seen, {17}) == [4, 9]
    # what was removed leaves its place to what comes next
    index.remove(4)
    index.add(50, known[4])
    index.add(51, known[0])
    assert index.candidates(seen, ()) == [50, 17, 9]
