"""ORB features: their matches, and the camera pose from them."""

import numpy as np
import pytest
import torch

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging.image import intensity
from scenecode.slam.features.orb import Matches, detect, grey, match, solve_pnp

CAMERA = PinholeCamera(237.0, 237.0, 127.5, 95.5, 256, 192)
T = se3.exp(torch.tensor([0.4, -0.1, 0.2, 0.05, 0.3, -0.1]))


def scene(count=60, outliers=20, depth_error=0.0, tolerance=2.0):
    """Landmarks, and where a camera at ``T`` sees them; the last ones anywhere."""
    g = torch.Generator().manual_seed(0)
    pixels = torch.rand(count, 2, generator=g) * torch.tensor([255.0, 191.0])
    depth = 2 + 2 * torch.rand(count, generator=g)
    points, _ = CAMERA.backproject(pixels, depth)
    seen, _ = CAMERA.project(se3.act(T, points))
    seen[count - outliers:] = torch.rand(outliers, 2, generator=g) * 190
    stretch = 1 + depth_error * torch.randn(count, 1, generator=g)
    return Matches(points * stretch, seen, CAMERA, tolerance)


def test_pnp_finds_the_pose_despite_outliers():
    seen = scene()
    found = solve_pnp(seen, 12)
    torch.testing.assert_close(found.T, T, atol=1e-3, rtol=0)
    assert len(found.inliers) >= 40
    assert torch.equal(found.inliers.points[:40], seen.points[:40])
    assert torch.equal(found.inliers.pixels[:40], seen.pixels[:40])


def test_too_few_matches_give_no_pose():
    assert solve_pnp(scene(outliers=50), 20) is None
    assert solve_pnp(scene(count=5, outliers=0), 1) is None


def test_inlier_ratio_does_not_depend_on_exact_depth():
    """Matches of wrong depth are inliers of the true pose, and outliers of another one."""
    seen = scene(outliers=0, depth_error=0.15, tolerance=4.0)
    found = solve_pnp(seen, 12)
    turned = se3.exp(torch.tensor([0.0, 0.0, 0.0, 0.2, 0.0, 0.0])) @ T
    for matches in (seen, found.inliers):
        assert matches.inlier_ratio(T) > 0.9
        assert matches.inlier_ratio(turned) < 0.3
    assert found.inliers.inlier_ratio(found.T) > 0.8


def test_features_of_a_shifted_image_are_shifted():
    g = torch.Generator().manual_seed(2)
    coarse = torch.rand(1, 3, 24, 32, generator=g)
    image = torch.nn.functional.interpolate(coarse, (192, 256), mode="bicubic")[0].clamp(0, 1)
    a = detect(grey(intensity(image)), 300)
    b = detect(grey(intensity(image.roll((6, 10), (1, 2)))), 300)
    of_a, of_b, ratio = match(a.descriptors, b.descriptors, 0.8)
    assert len(of_a) == len(of_b) == len(ratio) and bool((ratio < 0.8).all())
    assert len(of_a) > 30
    step = b.pixels[of_b] - a.pixels[of_a]
    assert (np.abs(step - [10, 6]).max(1) < 1.5).mean() > 0.9


@pytest.mark.parametrize("count", [50, 500])
def test_strongest_features_come_first_up_to_the_number_wanted(count):
    picture = np.random.default_rng(0).integers(0, 255, (192, 256), dtype=np.uint8)
    few, many = detect(picture, count), detect(picture, 1000)
    assert 0 < len(few.pixels) <= count and len(few.descriptors) == len(few.pixels)
    assert len(many.pixels) >= len(few.pixels)
