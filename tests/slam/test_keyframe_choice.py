"""When a keyframe is due by the certainty of the pose: not at rest, not while the view is known."""

from contextlib import closing
from dataclasses import replace
from math import inf, pi

import pytest
import torch
from exact import ExactPredictor
from test_tracking import CONFIG, LEVELS, poses, reference_of, track, tracker_at
from walks import with_image

from networks.data.rooms import generate_room, render
from optim import se3
from optim.image import intensity
from optim.lucas_kanade import assess
from slam.keyframe import make_keyframe
from slam.reference import make_reference
from slam.tracking import certainty
from slam.tracking_process import TrackingProcess

#: no rule but that of certainty, and no waiting
ALONE = {"motion": inf, "overlap": 0.0, "inliers": 0.0, "min_interval": 0.0}


@pytest.fixture(scope="module")
def uncertain(small_walk):
    """Frame 0, with depth as it truly is and a deviation as a network would predict it."""
    frame = small_walk[0]
    keyframe = make_keyframe(frame, frame.truth.T_world_cam.float(),
                             ExactPredictor([frame], depth_error=0.0), LEVELS)
    deviation = replace(keyframe.prediction,
                        prox_b=torch.full_like(keyframe.prediction.prox_b, 0.05))
    keyframe = replace(keyframe, prediction=deviation)
    return make_reference(0, keyframe, keyframe.initial_state(), CONFIG.tracking)


@pytest.fixture(scope="module")
def exact(small_walk):
    """Frames 0 and 50, with certain depth."""
    return [reference_of(small_walk, 50 * n, n) for n in range(2)]


def turned(frame, degrees):
    """The frame as a camera sees it that turned about its own centre; small_walk's room."""
    turn = se3.exp(torch.tensor([0, 0, 0, 0, degrees * pi / 180, 0], dtype=torch.float64))
    T = frame.truth.T_world_cam @ turn
    pixels = torch.from_numpy(render(generate_room(1), T.numpy(), frame.camera, 1).image)
    return with_image(frame, pixels.permute(2, 0, 1).float() / 255)


def test_the_keyframe_itself_is_certain(small_walk, uncertain):
    found = track(tracker_at(uncertain), small_walk[0])
    assert certainty(found.alignment, uncertain) == pytest.approx(1.0, abs=0.005)


def test_certainty_falls_as_the_camera_moves_away(small_walk, uncertain, exact):
    """By what its motion makes of uncertain depth: where depth is known it stays."""
    falling, staying = ([certainty(track(tracker, frame).alignment, reference)
                         for frame in small_walk[:13]]
                        for tracker, reference in ((tracker_at(uncertain), uncertain),
                                                   (tracker_at(exact[0]), exact[0])))
    every_fourth = falling[::4]
    assert every_fourth == sorted(every_fourth, reverse=True)
    assert falling[-1] < 0.75 and staying[-1] > 0.95


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
def test_standing_still_never_asks_for_a_keyframe(small_walk, uncertain, noise):
    g = torch.Generator().manual_seed(3)
    still = small_walk[0]
    tracker = tracker_at(uncertain, certainty=0.9)
    for n in range(40):
        image = still.image + noise * torch.randn(still.image.shape, generator=g)
        tracked = track(tracker, replace(with_image(still, image), index=n, timestamp=n / 30))
        assert not tracked.lost and not tracked.wants_keyframe


def test_changing_exposure_does_not_ask_for_a_keyframe(small_walk, uncertain):
    tracker = tracker_at(uncertain, certainty=0.9)
    for n in range(10):
        image = small_walk[0].image * (1 - 0.05 * n)
        tracked = track(tracker, replace(with_image(small_walk[0], image), index=n))
        assert not tracked.lost and not tracked.wants_keyframe


def test_turning_asks_when_the_view_leaves_not_before(small_walk, uncertain):
    tracker = tracker_at(uncertain, **ALONE, certainty=0.66)
    turning = [track(tracker, replace(turned(small_walk[0], n), index=n, timestamp=n / 30))
               for n in range(40)]
    first = next(n for n, tracked in enumerate(turning) if tracked.wants_keyframe)
    assert not any(tracked.lost for tracked in turning[:first + 1])
    assert 0.4 < turning[first].alignment.overlap < 0.65


def test_moving_asks_when_too_little_is_certain(small_walk, uncertain):
    tracker = tracker_at(uncertain, **ALONE, certainty=0.66)
    asked = next(t for t in (track(tracker, f) for f in small_walk) if t.wants_keyframe)
    assert certainty(asked.alignment, uncertain) == pytest.approx(0.66, abs=0.06)


def test_camera_found_at_an_older_keyframe_is_compared_with_that_one(small_walk, exact):
    """The newest keyframe's own certainty is another."""
    older, newest = exact
    newest = replace(newest, log_information=older.log_information + 40)
    tracker = tracker_at(older, newest, **ALONE, certainty=0.9)
    track(tracker, with_image(small_walk[51], torch.zeros_like(small_walk[51].image)))
    found = track(tracker, small_walk[1])
    assert found.keyframe == 0 and not found.lost and not found.wants_keyframe


def test_nothing_seen_is_no_certainty(small_walk, exact):
    behind = se3.exp(torch.tensor([0.0, 0, 0, 0, pi, 0]))
    found = assess(exact[0].levels[0], intensity(small_walk[0].image), behind,
                   CONFIG.tracking.lucas_kanade)
    assert certainty(found, exact[0]) == 0


def test_certainty_crosses_to_the_process_that_tracks(small_walk, uncertain):
    keyframes = replace(CONFIG.keyframes, **ALONE, certainty=0.8)
    here = tracker_at(uncertain, **ALONE, certainty=0.8)
    with closing(TrackingProcess(CONFIG.tracking, keyframes)) as process:
        process.wait_until_ready()
        process.set_map(uncertain, poses([uncertain]))
        pairs = [(track(here, frame), track(process, frame)) for frame in small_walk[:20]]
    asked = [got.wants_keyframe for _, got in pairs]
    assert asked == [expected.wants_keyframe for expected, _ in pairs]
    assert not asked[0] and asked[-1]
    for expected, got in pairs:
        assert got.alignment.log_information == pytest.approx(expected.alignment.log_information)
