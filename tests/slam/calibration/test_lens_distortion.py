"""The lens: distortion is measured from motion alone, undone, and not imagined."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from scenecode.core.images import write_rgb
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.calibration.lens_distortion import (
    LensConfig,
    Pair,
    measure_distortion,
    open_undistorted,
    solve,
    undistorted,
)
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources import SourceOptions
from scenecode.slam.sources.rooms import RoomsSource

CAMERA = PinholeCamera(525.0, 525.0, 319.5, 239.5, 640, 480)
#: A lens whose edges are pulled in by many pixels.
BENT = np.array([-0.15, 0.03])


def bent(ideal, k):
    """Landmarks (N, 2) at focal length 1 as a lens with distortion shows them."""
    r2 = np.square(ideal).sum(1, keepdims=True)
    return ideal * (1 + k[0] * r2 + k[1] * r2 * r2)


def pairs_through(k, noise_pixels, count=12):
    """Pairs of a lens with distortion k, their motions a little wrong, as RANSAC leaves them."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        points = rng.uniform([-1.4, -1.0, 1.5], [1.4, 1.0, 4.0], (150, 3))
        R = Rotation.from_rotvec(rng.normal(0, 0.08, 3))
        t = rng.normal(0, 0.25, 3)
        views = [points, R.apply(points) + t]
        a, b = (bent(x[:, :2] / x[:, 2:], k) + rng.normal(0, noise_pixels / 525, (150, 2))
                for x in views)
        R = R * Rotation.from_rotvec(rng.normal(0, 0.01, 3))
        found.append(Pair(a, b, R, t / np.linalg.norm(t)))
    return found


def test_undistorting_undoes_what_the_lens_did():
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (50, 2))
    np.testing.assert_allclose(undistorted(bent(points, BENT), BENT), points, atol=1e-5)


@pytest.mark.parametrize("k", [BENT, np.array([0.08, -0.1])])
def test_distortion_follows_from_correspondences(k):
    found = solve(pairs_through(k, 0.1), CAMERA, LensConfig())
    r = 320 / 525
    true_shift = abs(525 * (k[0] * r ** 3 + k[1] * r ** 5))
    assert found.shift == pytest.approx(true_shift, abs=max(3 * found.sigma, 0.05))
    assert found.sigma < 0.5


def test_noise_in_correspondences_is_no_distortion():
    found = solve(pairs_through(np.zeros(2), 0.5), CAMERA, LensConfig())
    assert found.shift < 2 * found.sigma


@pytest.fixture(scope="module")
def walk():
    """Every third frame of a walk through a room, 320x240."""
    source = RoomsSource(5, 120, 320, 240)
    return [source.frame(n) for n in range(0, 120, 3)]


def through_a_lens(frame, k):
    """The frame as a camera with distortion takes it."""
    camera = frame.camera
    grid = camera.rays(camera.pixel_grid())[:, :2].double().numpy()
    ideal = undistorted(grid, k) * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    where = ideal.astype(np.float32).reshape(camera.height, camera.width, 2)
    picture = frame.image.permute(1, 2, 0).numpy()
    seen = cv2.remap(picture, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return replace(frame, image=torch.from_numpy(seen).permute(2, 0, 1).contiguous())


def test_bent_pictures_are_measured_and_straight_ones_left_alone(walk):
    assert measure_distortion(walk) is None
    k = np.array([-0.15, 0.0])
    found = measure_distortion([through_a_lens(frame, k) for frame in walk])
    camera = walk[0].camera
    r = 0.5 * camera.width / camera.fx
    assert found is not None and found.pairs >= LensConfig().min_pairs
    assert found.k1 * r ** 3 + found.k2 * r ** 5 == pytest.approx(k[0] * r ** 3, rel=0.3)


def test_pictures_without_motion_tell_nothing(walk):
    assert measure_distortion([walk[0]] * 30) is None
    grey = torch.full_like(walk[0].image, 0.5)
    assert measure_distortion([replace(walk[0], image=grey)] * 30) is None


@pytest.fixture(scope="module")
def recording(walk, tmp_path_factory):
    """A folder of distorted images, each three times: only every third one is looked at."""
    folder = tmp_path_factory.mktemp("recording")
    for n, frame in enumerate(walk):
        image = through_a_lens(frame, np.array([-0.15, 0.0])).image
        pixels = (image.permute(1, 2, 0) * 255).byte().numpy()
        for m in range(3):
            write_rgb(folder / f"{3 * n + m:04d}.png", pixels)
    return folder, walk[0].camera


def test_a_recording_is_opened_with_its_lens_undone(recording, caplog):
    folder, camera = recording
    pinhole = (camera.fx, camera.fy, camera.cx, camera.cy)
    source = open_undistorted(str(folder), SourceOptions(pinhole))
    assert source.original.distortion.k1 < -0.05 and "bends straight lines" in caplog.text
    assert next(iter(source)).image.shape == (3, 192, 256)


@pytest.mark.parametrize("change", [{"measure_lens": False},
                                    {"intrinsics": (296.0, 296.0, 159.5, 119.5, 0, 0, 0, 0)}])
def test_a_lens_that_is_known_or_not_asked_about_is_not_measured(recording, change):
    folder, camera = recording
    options = SourceOptions((camera.fx, camera.fy, camera.cx, camera.cy))
    source = open_undistorted(str(folder), replace(options, **change))
    assert not source.original.is_distorted


def test_rooms_are_seen_through_an_ideal_lens():
    assert isinstance(next(iter(open_undistorted("rooms:1:2", SourceOptions()))), Frame)
