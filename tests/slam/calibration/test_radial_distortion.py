"""Radial distortion from point matches: recovered within its own standard deviation."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.calibration.radial_distortion import FramePair, estimate, undistort

CAMERA = PinholeCamera(525.0, 525.0, 319.5, 239.5, 640, 480)
#: A lens whose edges are pulled in by some 16 pixels.
BARREL = np.array([-0.15, 0.03])


def distort(ideal, k):
    """Points (N, 2) at focal length 1 through a lens with radial distortion k (2,)."""
    r2 = np.square(ideal).sum(1, keepdims=True)
    return ideal * (1 + k[0] * r2 + k[1] * r2 * r2)


def pairs_through(k, noise_pixels, count=12):
    """Frame pairs of such a lens, with relative poses about as wrong as RANSAC leaves them."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        points = rng.uniform([-1.4, -1.0, 1.5], [1.4, 1.0, 4.0], (150, 3))
        R = Rotation.from_rotvec(rng.normal(0, 0.08, 3))
        t = rng.normal(0, 0.25, 3)
        views = [points, R.apply(points) + t]
        a, b = (distort(x[:, :2] / x[:, 2:], k) + rng.normal(0, noise_pixels / 525, (150, 2))
                for x in views)
        R = R * Rotation.from_rotvec(rng.normal(0, 0.01, 3))
        found.append(FramePair(a=a, b=b, R=R, t=t / np.linalg.norm(t)))
    return found


def test_undistorting_inverts_the_distortion():
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (50, 2))
    np.testing.assert_allclose(undistort(distort(points, BARREL), BARREL), points, atol=1e-5)


@pytest.mark.parametrize("k", [BARREL, np.array([0.08, -0.1])])
def test_distortion_follows_from_correspondences(k):
    found = estimate(pairs_through(k, 0.1), CAMERA)
    r = 320 / 525
    true_shift = abs(525 * (k[0] * r ** 3 + k[1] * r ** 5))
    assert found.shift == pytest.approx(true_shift, abs=max(3 * found.sigma, 0.05))
    assert found.sigma < 0.5


def test_noise_alone_is_no_significant_distortion():
    found = estimate(pairs_through(np.zeros(2), 0.5), CAMERA)
    assert found.shift < 2 * found.sigma
