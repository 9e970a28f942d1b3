"""Planes through disparities of regions."""

import numpy as np
import pytest

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.segmentation.planes import fit_planes, ransac_plane

HEIGHT, WIDTH = 24, 32
CAMERA = PinholeCamera(fx=40, fy=42, cx=15, cy=11, width=WIDTH, height=HEIGHT)
V, U = np.mgrid[:HEIGHT, :WIDTH]


def slanted_disparity(normal, distance):
    """Inverse depth of the plane ``normal . x = distance`` in the camera's frame."""
    rays = np.stack([(U - CAMERA.cx) / CAMERA.fx, (V - CAMERA.cy) / CAMERA.fy,
                     np.ones(U.shape)], -1)
    return rays @ np.asarray(normal) / distance


def test_a_rendered_slanted_plane_is_exact_in_disparity_and_not_in_depth():
    normal, distance = np.array([0.3, -0.1, 0.95]), 2.0
    disparity = slanted_disparity(normal, distance)
    index = (U >= 16).astype(np.int32)
    expected = np.array([normal[0] / CAMERA.fx, normal[1] / CAMERA.fy, 0]) / distance
    expected[2] = normal[2] / distance - expected[0] * CAMERA.cx - expected[1] * CAMERA.cy
    planes = fit_planes(index, 2, disparity)
    assert planes == pytest.approx(np.tile(expected, (2, 1)), abs=1e-12)
    in_depth = fit_planes(index, 2, 1 / disparity)[index]
    residual = in_depth[..., 0] * U + in_depth[..., 1] * V + in_depth[..., 2] - 1 / disparity
    assert np.abs(residual).max() > 1e-2


def test_outliers_and_unknown_pixels_do_not_bend_a_plane():
    rng = np.random.default_rng(0)
    exact = slanted_disparity([0.2, 0.2, 0.9], 3.0)
    noisy = exact + rng.normal(0, 1e-3, exact.shape)
    noisy[rng.uniform(size=exact.shape) < 0.15] += 0.2
    noisy[:, 5] = 0
    noisy[3] = np.nan
    a, b, c = fit_planes(np.zeros_like(U), 1, noisy)[0]
    assert np.abs(a * U + b * V + c - exact).max() < 2e-3


def test_regions_that_fix_no_plane_have_their_median():
    index = np.zeros((HEIGHT, WIDTH), np.int32)
    index[5, 4:20] = 1          # one line
    index[9:11, 9:11] = 2       # too few pixels
    index[14:18, 20:24] = 3     # nothing known
    disparity = slanted_disparity([0.3, 0.1, 0.9], 2.0)
    disparity[index == 3] = 0
    planes = fit_planes(index, 4, disparity)
    for region in (1, 2):
        assert planes[region] == pytest.approx([0, 0, np.median(disparity[index == region])])
    assert np.isnan(planes[3]).all()


def test_the_road_is_found_among_40_percent_of_outliers():
    rng = np.random.default_rng(1)
    exact = slanted_disparity([0, 0.95, 0.05], 1.6)
    below = exact > 0.02
    u, v, disparity = U[below], V[below], exact[below] + rng.normal(0, 2e-4, below.sum())
    is_outlier = rng.uniform(size=len(u)) < 0.4
    disparity[is_outlier] += rng.uniform(0.02, 0.4, is_outlier.sum())
    found = ransac_plane(u, v, disparity, threshold=0.002)
    assert found.inlier_ratio == pytest.approx(0.6, abs=0.05)
    a, b, c = found.plane
    assert np.abs(a * u + b * v + c - exact[below]).max() < 5e-4
    assert (ransac_plane(u, v, disparity, threshold=0.002).plane == found.plane).all()


def test_pixels_of_one_line_have_no_road():
    assert ransac_plane(np.arange(9), np.zeros(9), np.ones(9), 0.1) is None
    assert ransac_plane(np.zeros(2), np.zeros(2), np.ones(2), 0.1) is None
