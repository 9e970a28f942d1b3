"""What is known of corners that are tracked through a video."""

import cv2
import numpy as np
import pytest

from scenecode.slam.calibration.corner_tracks import CornerTracker


@pytest.fixture(scope="module")
def panorama():
    noise = np.random.default_rng(0).integers(0, 255, (60, 150)).astype(np.uint8)
    return cv2.resize(noise, (900, 360), interpolation=cv2.INTER_CUBIC)


def tracked(panorama, steps, seconds):
    """Windows of 320x240 that move to the right by so many pixels, at these times."""
    tracker = CornerTracker()
    for index, (left, at) in enumerate(zip(steps, seconds, strict=True)):
        tracker.add(panorama[60:300, left:left + 320], index, at)
    return tracker.tracks()


def test_corners_know_how_fast_they_move(panorama):
    tracks = tracked(panorama, range(0, 120, 3), np.arange(40) / 30)
    assert len(tracks.frames) > 5
    for number in range(len(tracks.frames)):
        velocity = tracks.velocities[tracks.keyframe == number]
        moving = velocity[np.abs(velocity).sum(1) > 0]
        assert len(moving) > 0.7 * len(velocity)
        assert np.median(moving, 0) == pytest.approx([-90, 0], abs=3)


def test_an_observation_is_shifted_by_its_place_in_the_image(panorama):
    tracks = tracked(panorama, range(0, 120, 3), np.arange(40) / 30)
    lowest = tracks.pixels[:, 1].argmax()
    rows = (tracks.pixels[lowest, 1] + 0.5) / 240 - 0.5
    assert tracks.shifts[lowest, :, 1] == pytest.approx(tracks.velocities[lowest] * rows)


def test_images_far_apart_tell_no_velocity(panorama):
    assert not tracked(panorama, range(0, 120, 3), np.arange(40) / 2).velocities.any()
    by_far = tracked(panorama, range(0, 400, 40), np.arange(10) / 30).velocities
    assert (by_far == 0).all(1).mean() > 0.9
