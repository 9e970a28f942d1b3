"""Camera: derivatives, resampling, and the lens model against OpenCV."""

import cv2
import numpy as np
import pytest
import torch
from support.difference import assert_jacobian

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.optim.geometry.proximity import (
    depth_from_proximity,
    depth_with_jacobian,
    proximity_from_depth,
)

CAMERA = PinholeCamera(237.0, 235.0, 126.3, 97.2, 256, 192)


def test_projection_derivative_and_inverse():
    x = torch.tensor([[0.3, -0.2, 1.5], [-0.5, 0.4, 3.0]], dtype=torch.float64)
    pixels, pixel_J_x = CAMERA.project(x)
    assert_jacobian(lambda d: CAMERA.project(x + d)[0], pixel_J_x)
    back, x_J_depth = CAMERA.backproject(pixels, x[:, 2])
    torch.testing.assert_close(back, x)
    assert_jacobian(lambda d: CAMERA.backproject(pixels, x[:, 2] + d)[0], x_J_depth[..., None])


def test_points_behind_the_camera_stay_finite():
    pixels, pixel_J_x = CAMERA.project(torch.tensor([[0.1, 0.1, -2.0], [0.1, 0.1, 0.0]]))
    assert pixels.isfinite().all() and pixel_J_x.isfinite().all()


def test_resizing_keeps_what_a_pixel_area_sees():
    half = CAMERA.resized(128, 96)
    # the middle of the first 2x2 block of the large image is the first pixel of the small one
    torch.testing.assert_close(half.rays(torch.tensor([[0.0, 0.0]])),
                               CAMERA.rays(torch.tensor([[0.5, 0.5]])))
    back = half.resized(256, 192)
    assert back.cx == pytest.approx(CAMERA.cx) and back.fy == pytest.approx(CAMERA.fy)


def test_crop_moves_the_principal_point():
    crop = CAMERA.cropped(10, 20, 100, 90)
    torch.testing.assert_close(crop.rays(torch.tensor([[5.0, 6.0]])),
                               CAMERA.rays(torch.tensor([[15.0, 26.0]])))
    with pytest.raises(ValueError, match="leaves the"):
        CAMERA.cropped(200, 0, 100, 90)


def test_distortion_is_opencvs():
    coefficients = (-0.3, 0.1, 1e-3, -2e-3, 0.02)
    lens = PinholeCamera(300.0, 310.0, 160.0, 118.0, 320, 240, BrownConrady(*coefficients))
    matrix = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]])
    expected = cv2.initUndistortRectifyMap(matrix, np.array(coefficients), None, matrix,
                                           (320, 240), cv2.CV_32FC2)[0]
    where = lens.distort(lens.rays(lens.pixel_grid(torch.float64))).reshape(240, 320, 2)
    np.testing.assert_allclose(where.numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("fx, width", [(float("nan"), 256), (0.0, 256), (1e6, 256), (200.0, 1)])
def test_absurd_cameras_are_refused(fx, width):
    with pytest.raises(ValueError):
        PinholeCamera(fx, 200.0, 128.0, 96.0, width, 192)


def test_proximity_round_trip_and_derivative():
    depth = torch.tensor([0.3, 2.0, 9.0], dtype=torch.float64)
    prox = proximity_from_depth(depth, 2.0)
    assert prox[1] == 0.5
    torch.testing.assert_close(depth_from_proximity(prox, 2.0), depth)
    assert_jacobian(lambda d: depth_from_proximity(prox + d, 2.0),
                    depth_with_jacobian(prox, 2.0)[1][:, None])


def test_any_proximity_gives_a_finite_positive_depth():
    depth = depth_from_proximity(torch.tensor([-0.5, 0.0, 1.0, 2.0]), 2.0)
    assert depth.isfinite().all() and (depth > 0).all()
