"""Lucas-Kanade: its derivative, and recovery of a known motion and brightness change."""


import pytest
import torch
from support.difference import assert_jacobian

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging import image
from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.lucas_kanade import (
    LucasKanadeConfig,
    align,
    assess,
    ncc,
    reference_level,
    residual,
)

CAMERA = PinholeCamera(120.0, 120.0, 63.5, 47.5, 128, 96)
PLANE_DEPTH = 2.0


def texture(x, y):
    """Brightness of the plane z = PLANE_DEPTH at metres (x, y)."""
    return 0.5 + 0.2 * torch.sin(7 * x + 1) * torch.cos(5 * y) + 0.1 * torch.sin(11 * y + 3 * x)


def render(T_cam_world):
    """The textured plane seen by a camera: image (H, W) and depth (H, W)."""
    T = se3.inverse(T_cam_world)
    rays = CAMERA.rays(CAMERA.pixel_grid(torch.float64)) @ T[:3, :3].T
    depth = (PLANE_DEPTH - T[2, 3]) / rays[:, 2]
    points = T[:3, 3] + depth[:, None] * rays
    shape = (CAMERA.height, CAMERA.width)
    return texture(points[:, 0], points[:, 1]).reshape(shape), depth.reshape(shape)


def levels(picture, depth, count, max_pixels=100000):
    cameras = [CAMERA]
    for _ in range(count - 1):
        c = cameras[-1]
        cameras.append(c.resized(c.width // 2, c.height // 2))
    return [reference_level(c, i, d, LucasKanadeConfig(max_pixels=max_pixels)) for c, i, d in
            zip(cameras, image.pyramid(picture, count), image.pyramid(depth, count))]


IDENTITY = se3.identity(dtype=torch.float64)
MOTION = torch.tensor([0.06, -0.04, 0.05, 0.02, -0.03, 0.04], dtype=torch.float64)


def test_reference_derivative_by_motion():
    picture, depth = render(IDENTITY)
    reference = levels(picture, depth, 1)[0]

    smoothed = image.pyramid(picture, 1)[0]

    def moved(xi):
        points = torch.from_numpy(reference.points.T)
        pixels, _ = CAMERA.project(se3.act(se3.exp(xi), points))
        return -sample_view(smoothed[..., None], pixels)[:, 0]

    assert_jacobian(moved, torch.from_numpy(reference.jacobian[:6].T), step=1e-7, relative=1e-5)


def test_residual_derivative_by_brightness():
    picture, depth = render(IDENTITY)
    reference = levels(picture, depth, 1)[0]

    def found(gain, offset):
        return residual(reference, picture.numpy(), IDENTITY.numpy(), gain, offset,
                        LucasKanadeConfig())

    at = found(1.2, 0.1)
    J = torch.from_numpy(at.scale[:, None] * at.unscaled_jacobian)
    assert_jacobian(lambda s: torch.from_numpy(
        found(1.2 * float(s[0].exp()), 0.1 + float(s[1])).value), J[6:].T)


def test_residual_derivative_by_depth():
    """With the camera well away from the reference, and depths already corrected."""
    picture, depth = render(IDENTITY)
    reference = levels(picture, depth, 1)[0]
    live = image.pyramid(render(se3.exp(MOTION))[0], 1)[0]
    start = 0.02 * torch.sin(torch.arange(reference.points.shape[1], dtype=torch.float64))
    at = residual(reference, live.numpy(), se3.exp(0.01 * MOTION).numpy(), 1.1, 0.0,
                  LucasKanadeConfig(), start.numpy())
    points, gradient = (torch.from_numpy(v) for v in (reference.points, reference.gradient))

    def looked_up(change):
        """The reference's gradient stands for the live image's in inverse composition."""
        x = se3.act(se3.exp(0.01 * MOTION), (points * (start + change).exp()).T)
        return 1.1 * (gradient.T * CAMERA.project(x)[0]).sum(1)

    step = torch.full_like(start, 1e-6)
    slope = (looked_up(step) - looked_up(-step)) / (2 * step)
    torch.testing.assert_close(torch.from_numpy(at.by_depth), slope, rtol=1e-5, atol=1e-8)


def recover(gain=1.0, offset=0.0, **settings):
    """The alignment, and its errors in metres and radians, of a motion of 9 cm and 3 degrees."""
    picture, depth = render(IDENTITY)
    T_true = se3.exp(MOTION)
    live = gain * render(T_true)[0] + offset
    config = LucasKanadeConfig(iterations=(20, 10, 10), min_update=1e-9, **settings)
    found = align(levels(picture, depth, 3), image.pyramid(live, 3), IDENTITY, config)
    error = se3.log(se3.inverse(T_true) @ found.T_ba)
    return found, float(error[:3].norm()), float(error[3:].norm())


@pytest.mark.parametrize("gain, offset", [(1.0, 0.0), (1.3, -0.1), (0.7, 0.15)])
def test_recovers_motion_under_brightness_change(gain, offset):
    found, metres, radians = recover(gain, offset)
    assert metres < 4e-4 and radians < 2e-4
    assert found.inlier_ratio > 0.99 and 0.6 < found.overlap <= 1
    assert found.gain == pytest.approx(gain, rel=0.005)
    assert found.offset == pytest.approx(offset, abs=0.003)


def test_repeated_border_of_the_pyramid_would_bias_the_motion():
    _, metres, radians = recover()
    _, metres_with_border, radians_with_border = recover(border=0.0)
    assert metres < 0.5 * metres_with_border and radians < 0.5 * radians_with_border


def test_flat_image_does_not_move_the_camera():
    picture, depth = render(IDENTITY)
    black = torch.zeros_like(picture)
    found = align(levels(picture, depth, 2), image.pyramid(black, 2), IDENTITY,
                  LucasKanadeConfig(iterations=(5, 5)))
    assert found.T_ba.isfinite().all()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e30])
def test_a_pose_that_is_no_number_sees_nothing(number):
    picture, depth = render(IDENTITY)
    T = se3.identity(dtype=torch.float64)
    T[0, 3] = number
    found = assess(levels(picture, depth, 1)[0], picture, T, LucasKanadeConfig())
    assert found.overlap == 0


@pytest.mark.parametrize("rows, columns", [(24, 40), (40, 40), (32, 48), (48, 32)])
def test_few_pixels_with_depth_do_not_lose_the_pose(rows, columns):
    """As beside a person who is masked: the coarse levels have a handful of pixels, which leave
    directions of motion undetermined."""
    picture, depth = render(IDENTITY)
    depth[rows:] = depth[:, columns:] = 0
    reference = levels(picture, depth, 4)
    assert 0 < len(reference[-1].intensity) < 8
    T_true = se3.exp(MOTION)
    found = align(reference, image.pyramid(render(T_true)[0], 4), IDENTITY, LucasKanadeConfig())
    assert found.inlier_ratio > 0.99
    assert float((found.T_ba - T_true).abs().max()) < 0.02


@pytest.mark.parametrize("gain, offset", [(1.0, 0.0), (0.4, 0.3), (1.5, -0.1)])
def test_ncc_is_that_of_the_scene_whatever_the_exposure(gain, offset):
    first, depth = render(IDENTITY)
    T = se3.exp(MOTION)
    second = gain * render(T)[0] + offset
    reference, live = levels(first, depth, 1)[0], image.pyramid(second, 1)[0]
    config = LucasKanadeConfig()
    there = ncc(reference, live, T, config)
    assert 0.85 < there <= 1
    elsewhere = [ncc(reference, live, se3.exp(torch.tensor(xi, dtype=torch.float64)) @ T,
                          config) for xi in ([0.3, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0.2, 0])]
    assert max(elsewhere) < 0.6 * there
    behind = se3.exp(torch.tensor([0, 0, -9, 0, 0, 0], dtype=torch.float64))
    assert ncc(reference, live, behind, config) == 0


def test_keeps_the_strongest_pixels_with_depth():
    picture, depth = render(IDENTITY)
    depth[:, :64] = 0
    reference = reference_level(CAMERA, picture, depth, LucasKanadeConfig(max_pixels=200))
    assert reference.points.shape == (3, 200)
    points = torch.from_numpy(reference.points.T)
    assert (CAMERA.project(points)[0][:, 0] > 63.5).all()
