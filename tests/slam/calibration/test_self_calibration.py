"""A lens from tracked corners: exact ones, noisy ones, and motion that does not tell."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from scenecode.core.errors import CalibrationError
from scenecode.slam.calibration.corner_tracks import CornerTracks
from scenecode.slam.calibration.lens import Lens
from scenecode.slam.calibration.self_calibration import LARGEST_SIGMA, self_calibrate

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 640, 480
#: focal length, and the lens of a webcam
FOCAL, K1, K2 = 480.0, -0.12, 0.03


def true_lens():
    lens = Lens.ideal(FOCAL, WIDTH, HEIGHT).vector
    lens[3:5] = K1, K2
    return Lens(lens)


def tracks(noise=0.0, views=14, translation=1.0, rotation=1.0, plane=False, seed=0, roll=0.0,
           forward=0.0, shutter=0.0):
    """Corners of a cloud of points, seen in three seconds from a camera that sways and turns, and
    that rolls about its axis and moves along it; its shutter takes some seconds from the first row
    to the last."""
    rng = np.random.default_rng(seed)
    points = rng.uniform([-3, -2.2, 2.0], [3, 2.2, 7.0], (300, 3))
    if plane:
        points[:, 2] = 4.0
    keyframe, corner, pixels, velocities = [], [], [], []

    def seen_at(p):
        """Of times (300,): points in the camera, and their pixels."""
        p = np.broadcast_to(p, len(points))
        none = np.zeros(len(points))
        turn = rotation * np.stack([0.15 * np.sin(1.3 * p), 0.35 * np.sin(p),
                                    0.1 * np.sin(2 * p)], 1)
        turn[:, 2] += roll * np.sin(1.5 * p)
        centre = translation * np.stack([0.8 * np.sin(p), 0.3 * np.sin(1.7 * p), 0.2 * p], 1)
        centre += np.stack([none, none, forward * p], 1)
        x = Rotation.from_rotvec(turn).apply(points - centre)
        return x, true_lens().project(x)[0]

    for m, p in enumerate(np.linspace(0, 3.0, views)):
        velocity = 30 * (seen_at(p + 1 / 60)[1] - seen_at(p - 1 / 60)[1])
        x, at = seen_at(p)
        for _ in range(3):
            x, at = seen_at(p + shutter * ((at[:, 1] + 0.5) / HEIGHT - 0.5))
        seen = (x[:, 2] > 0.5) & (at >= 0).all(1) & (at < [WIDTH, HEIGHT]).all(1)
        seen &= np.square(x[:, :2] / x[:, 2:]).sum(1) < 0.8
        keyframe.append(np.full(seen.sum(), m))
        corner.append(np.flatnonzero(seen))
        pixels.append(at[seen] + noise * rng.normal(0, 1, (seen.sum(), 2)))
        velocities.append(velocity[seen])
    return CornerTracks(keyframe=np.concatenate(keyframe), corner=np.concatenate(corner),
                        pixels=np.concatenate(pixels),
                        velocities=np.concatenate(velocities),
                        frames=tuple(range(0, 3 * views, 3)), frame_count=3 * views,
                        size=(WIDTH, HEIGHT), motion=20.0 * views)


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_rolling_shutter_does_not_change_the_lens(noise):
    found = self_calibrate(tracks(noise=noise, shutter=0.03, views=30))
    assert found.lens.focal == pytest.approx(FOCAL, rel=0.004)
    assert found.lens.vector[3:5] == pytest.approx([K1, K2], abs=0.01)
    assert found.lens.shutter == pytest.approx([0, 0.03], abs=0.004)


def test_exact_corners_give_the_exact_lens():
    found = self_calibrate(tracks())
    assert found.lens.focal == pytest.approx(FOCAL, rel=1e-3)
    assert found.lens.vector[3:5] == pytest.approx([K1, K2], abs=2e-3)
    assert found.rms < 0.02 and not found.only_rotates


def test_noise_moves_the_lens_within_its_standard_deviations():
    found = self_calibrate(tracks(noise=0.3, seed=1))
    assert found.lens.focal == pytest.approx(FOCAL, rel=0.01)
    assert (np.abs(found.lens.vector - true_lens().vector) < 3 * found.sigma + 1e-9).all()


def test_a_stated_focal_length_is_corrected_within_its_tolerance():
    stated = Lens.ideal(1.02 * FOCAL, WIDTH, HEIGHT)
    found = self_calibrate(tracks(noise=0.3), stated=stated)
    assert abs(found.lens.focal - FOCAL) < 0.6 * abs(stated.focal - FOCAL)
    assert 0 < found.relative_sigma < 0.02
    assert found.lens.vector[1:3] == pytest.approx(stated.vector[1:3])
    assert found.lens.vector[3:5] == pytest.approx([K1, K2], abs=0.02)


def test_a_camera_that_only_turns_is_calibrated_by_its_turns():
    found = self_calibrate(tracks(noise=0.2, translation=0.0, rotation=1.5))
    assert found.only_rotates
    assert abs(found.lens.focal - FOCAL) < 3 * found.relative_sigma * FOCAL
    assert found.relative_sigma < LARGEST_SIGMA


@pytest.mark.parametrize("arguments", [
    {"plane": True, "rotation": 0.0}, {"rotation": 0.0, "translation": 0.05},
    {"rotation": 0.0, "translation": 0.0, "roll": 0.6},
    {"rotation": 0.0, "translation": 0.0, "forward": 0.4}], ids=["plane", "little", "roll",
                                                                "forward"])
def test_what_motion_does_not_tell_is_refused_or_uncertain(arguments):
    try:
        found = self_calibrate(tracks(noise=0.3, **arguments))
    except CalibrationError:
        return
    error = abs(found.lens.focal / FOCAL - 1)
    assert found.relative_sigma > LARGEST_SIGMA or error < 3 * found.relative_sigma


def test_a_short_video_and_a_still_camera_are_refused_with_the_reason():
    with pytest.raises(CalibrationError, match="too few"):
        self_calibrate(tracks(views=1))
    with pytest.raises(CalibrationError, match="hardly moves"):
        self_calibrate(tracks(views=4))
