"""Lens models against OpenCV and their papers' formulas, in both directions and when turned."""

from dataclasses import replace
from math import degrees, pi, tan

import cv2
import numpy as np
import pytest
import torch

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady, FieldOfView, KannalaBrandt

BROWN = BrownConrady(k1=-0.3, k2=0.1, p1=1e-3, p2=-2e-3, k3=0.02)
RATIONAL = replace(BROWN, k4=0.1, k5=-0.05, k6=0.01)
FISHEYE = KannalaBrandt(k1=-0.032, k2=0.057, k3=-0.091, k4=0.064)
FOV = FieldOfView(omega=0.93)


@pytest.fixture(scope="module")
def rays():
    """Directions up to 40 degrees off the axis, among them the axis itself, with z = 1.7."""
    generator = torch.Generator().manual_seed(0)
    xy = 1.2 * torch.rand(200, 2, generator=generator, dtype=torch.float64) - 0.6
    xy[0] = 0
    return torch.cat([xy, torch.ones(200, 1, dtype=torch.float64)], 1) * 1.7


@pytest.mark.parametrize("model, coefficients", [
    (BROWN, [-0.3, 0.1, 1e-3, -2e-3, 0.02]),
    (RATIONAL, [-0.3, 0.1, 1e-3, -2e-3, 0.02, 0.1, -0.05, 0.01])], ids=["five", "rational"])
def test_brown_conrady_is_that_of_opencv(rays, model, coefficients):
    expected, _ = cv2.projectPoints(rays.numpy(), np.zeros(3), np.zeros(3), np.eye(3),
                                    np.array(coefficients))
    np.testing.assert_allclose(model.distort(rays), expected[:, 0], atol=1e-12)


def test_kannala_brandt_is_that_of_opencv(rays):
    ideal = (rays[:, :2] / rays[:, 2:]).numpy()[:, None]
    expected = cv2.fisheye.distortPoints(ideal, np.eye(3),
                                         np.array([-0.032, 0.057, -0.091, 0.064]))
    np.testing.assert_allclose(FISHEYE.distort(rays), expected[:, 0], atol=1e-12)


def test_kannala_brandt_reaches_beyond_a_right_angle():
    behind = torch.tensor([[1.0, 0.0, -1.0], [0.0, -1.0, 0.0]], dtype=torch.float64)
    expected = torch.tensor([[0.75 * pi, 0.0], [0.0, -0.5 * pi]], dtype=torch.float64)
    torch.testing.assert_close(KannalaBrandt().distort(behind), expected)


def test_fov_model_is_equation_13_of_devernay_and_faugeras(rays):
    distorted = FOV.distort(rays)
    ideal = rays[:, :2] / rays[:, 2:]
    r_u, r_d = ideal.norm(dim=1), distorted.norm(dim=1)
    torch.testing.assert_close(r_d, torch.atan(2 * r_u * tan(0.93 / 2)) / 0.93)
    # and back by its inverse, equation 14, in the same direction
    back = distorted[1:] / r_d[1:, None] * (torch.tan(r_d[1:, None] * 0.93) / (2 * tan(0.93 / 2)))
    torch.testing.assert_close(back, ideal[1:])


@pytest.mark.parametrize("model, invert", [
    (BROWN, lambda p: cv2.undistortPointsIter(
        p, np.eye(3), np.array([-0.3, 0.1, 1e-3, -2e-3, 0.02]), np.eye(3), np.eye(3),
        (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-14))),
    (FISHEYE, lambda p: cv2.fisheye.undistortPoints(
        p, np.eye(3), np.array([-0.032, 0.057, -0.091, 0.064])))], ids=["brown", "fisheye"])
def test_opencvs_numerical_inverse_leads_back(rays, model, invert):
    ideal = invert(model.distort(rays).numpy()[:, None])[:, 0]
    torch.testing.assert_close(torch.from_numpy(ideal), rays[:, :2] / rays[:, 2:], atol=1e-8,
                               rtol=0)


@pytest.mark.parametrize("model", [BROWN, RATIONAL, FISHEYE, FOV])
@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_turned_camera_images_turned_rays_at_turned_pixels(rays, model, quarter_turns):
    camera = PinholeCamera(300.0, 310.0, 160.0, 118.0, 320, 240, model)
    turned = camera.turned(quarter_turns)
    x, y, z = rays.unbind(1)
    u, v = camera.distort(rays).unbind(1)
    width, height = 320, 240
    for _ in range(quarter_turns):
        x, y = -y, x
        u, v = height - 1 - v, u
        width, height = height, width
    assert (turned.width, turned.height) == (width, height)
    torch.testing.assert_close(turned.distort(torch.stack([x, y, z], 1)), torch.stack([u, v], 1))


def test_range_ends_where_the_polynomial_folds_back():
    # r (1 - 0.2 r^2) grows up to r^2 = 1 / 0.6
    angle = BrownConrady(k1=-0.2).largest_angle
    assert tan(angle) == pytest.approx((1 / 0.6) ** 0.5, rel=1e-2)
    # t (1 - 0.1 t^2) grows up to t^2 = 1 / 0.3
    assert KannalaBrandt(k1=-0.1).largest_angle == pytest.approx((1 / 0.3) ** 0.5, rel=1e-2)
    assert degrees(BrownConrady().largest_angle) > 85 < degrees(FOV.largest_angle)


def test_field_of_view_of_a_camera_is_through_its_lens():
    assert PinholeCamera(100.0, 100.0, 100.0, 75.0, 201, 151).horizontal_view_deg == \
        pytest.approx(90)
    equidistant = PinholeCamera(100.0, 100.0, 99.5, 74.5, 200, 150, KannalaBrandt())
    assert equidistant.horizontal_view_deg == pytest.approx(degrees(1.99), abs=0.1)


@pytest.mark.parametrize("make", [
    lambda: BrownConrady(k1=float("nan")), lambda: KannalaBrandt(k4=float("inf")),
    lambda: FieldOfView(omega=0.0), lambda: FieldOfView(omega=4.0)])
def test_coefficients_of_no_lens_are_refused(make):
    with pytest.raises(ValueError):
        make()
