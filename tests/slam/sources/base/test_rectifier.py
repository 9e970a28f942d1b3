"""From an original image to network size: what is shown where, through any lens."""

import logging
from math import atan, degrees

import cv2
import numpy as np
import pytest
import torch

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady, FieldOfView, KannalaBrandt
from scenecode.slam.sources.base.rectifier import Rectifier


def test_a_wider_image_is_cropped_in_the_middle_and_the_camera_with_it():
    """A point projects onto the same scene content before and after rectifier."""
    original = PinholeCamera(100.0, 100.0, 60.0, 20.0, 120, 48)
    rectifier = Rectifier.for_camera(original, 32, 24)
    assert rectifier.box == (28, 0, 64, 48)
    # steps of two, so that means of neighbours are whole numbers
    ramp = np.tile(2 * np.arange(120, dtype=np.uint8)[None, :, None], (48, 1, 3))
    image = rectifier.image(ramp)
    x = torch.tensor([[0.1, 0.05, 1.0]])
    u_original, u_network = original.project(x)[0][0, 0], rectifier.camera.project(x)[0][0, 0]
    left = int(u_network.floor())
    sampled = torch.lerp(image[0, 12, left], image[0, 12, left + 1], u_network - left) * 255
    assert sampled.item() / 2 == pytest.approx(u_original.item(), abs=1e-3)


def test_distorted_images_are_straightened_and_never_show_the_unseen():
    """An image painted with the ideal ray of each of its pixels shows, when rectified, the
    ideal ray of the new camera; a lens that sees less than its ideal one is cropped more."""
    lens = (-0.25, 0.05, 0.001, -0.001, 0.0)
    for distortion in (lens, (0.25, 0.0, 0.0, 0.0, 0.0)):
        original = PinholeCamera(160.0, 160.0, 160.0, 119.0, 320, 240, BrownConrady(*distortion))
        rectifier = Rectifier.for_camera(original, 160, 120)
        points = original.pixel_grid(torch.float64).numpy()
        matrix = np.array([[160.0, 0, 160.0], [0, 160.0, 119.0], [0, 0, 1]])
        ideal = cv2.undistortPoints(points[:, None], matrix, np.array(distortion))
        x = ideal.reshape(240, 320, 2)[..., 0]
        painted = np.clip(np.rint(128 + 100 * x), 1, 255).astype(np.uint8)
        image = rectifier.image(np.repeat(painted[..., None], 3, 2))[0] * 255
        rays = rectifier.camera.rays(rectifier.camera.pixel_grid())[:, 0].reshape(120, 160)
        assert (image - (128 + 100 * rays)).abs().max() < 1.5
        assert not rectifier.camera.is_distorted


def test_hopeless_distortion_is_refused():
    with pytest.raises(SourceError, match="distortion"):
        Rectifier.for_camera(PinholeCamera(60, 60, 32, 24, 64, 48, BrownConrady(k1=50.0)), 32, 24)


def test_labels_and_depth_are_never_mixed():
    rectifier = Rectifier.for_camera(PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48), 40, 30)
    values = np.random.default_rng(0).choice(np.array([3, 200], np.uint8), (48, 64))
    assert set(rectifier.nearest(values).unique().tolist()) == {3, 200}
    small_map = np.array([[1.0, 2.0]], np.float32)
    halves = rectifier.nearest(small_map)
    assert (halves[:, :20] == 1).all() and (halves[:, 20:] == 2).all()


# Kannala-Brandt: an angle of the half diagonal that exceeds 90 degrees; 112 degrees across; a
# telephoto fisheye.  FOV: as the TUM monocular data set's lens
@pytest.mark.parametrize("original, wide", [
    (PinholeCamera(100.0, 101.0, 160.0, 118.0, 320, 240, KannalaBrandt(0.02, -0.01)), True),
    (PinholeCamera(167.0, 167.0, 155.0, 119.5, 320, 240,
                   KannalaBrandt(-0.032, 0.057, -0.091, 0.064)), True),
    (PinholeCamera(400.0, 400.0, 160.0, 118.0, 320, 240, KannalaBrandt()), False),
    (PinholeCamera(170.0, 168.0, 160.0, 120.0, 320, 240, FieldOfView(0.93)), True)])
@pytest.mark.parametrize("size", [(160, 120), (90, 120)])
def test_wide_lenses_give_the_widest_pinhole_view_that_they_fill(original, wide, size):
    """An image painted with its own pixels shows where the lens images the ray of each pixel."""
    rectifier = Rectifier.for_camera(original, *size)
    camera = rectifier.camera
    fields = [2 * degrees(atan(0.5 * side / focal))
              for side, focal in ((camera.width, camera.fx), (camera.height, camera.fy))]
    assert max(fields) < 101
    if wide and size == (160, 120):
        assert fields[0] > 85
    shown = rectifier.camera.rays(camera.pixel_grid(torch.float64))
    expected = original.distort(shown)
    assert (expected >= -0.01).all() and (expected[:, 0] <= original.width - 0.99).all()
    assert (expected[:, 1] <= original.height - 0.99).all()
    v, u = np.mgrid[:original.height, :original.width]
    painted = np.stack([40 + u / 2, 40 + v / 2, 0 * u], -1).round().astype(np.uint8)
    image = rectifier.image(painted)[:2].reshape(2, -1).T * 255
    assert (image - (40 + expected / 2)).abs().max() < 1.5


def test_what_a_wide_lens_loses_is_reported(caplog):
    original = PinholeCamera(167.0, 167.0, 159.5, 119.5, 320, 240, KannalaBrandt())
    with caplog.at_level(logging.WARNING):
        Rectifier.for_camera(original, 64, 48)
    assert "the lens sees 109 degrees" in caplog.text and "the map uses" in caplog.text


def test_depth_of_a_wide_lens_is_taken_over_without_mixing():
    original = PinholeCamera(167.0, 167.0, 159.5, 119.5, 320, 240, KannalaBrandt())
    rectifier = Rectifier.for_camera(original, 64, 48)
    depth = np.full((120, 160), 2.0, np.float32)
    depth[:, 80:] = 3.0
    seen = rectifier.nearest(depth)
    assert (seen[:, :31] == 2).all() and (seen[:, 33:] == 3).all()


@pytest.mark.parametrize("model", [KannalaBrandt(k1=-5.0), FieldOfView(3.1)])
def test_a_wide_lens_that_shows_hardly_anything_is_refused(model):
    with pytest.raises(SourceError, match="distortion"):
        Rectifier.for_camera(PinholeCamera(2000.0, 2000.0, 159.5, 119.5, 320, 240, model), 32, 24)


def test_an_image_beyond_the_fold_of_the_polynomial_is_not_shown():
    # at r = 1.29 the radius stops growing; the crop ends before
    original = PinholeCamera(110.0, 110.0, 159.5, 119.5, 320, 240, BrownConrady(k1=-0.2))
    camera = Rectifier.for_camera(original, 64, 48).camera
    corner = camera.rays(torch.tensor([[0.0, 0.0]]))[0, :2].norm()
    assert corner < 1.3
