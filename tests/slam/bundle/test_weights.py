"""Weights of pixels: slant, occluding edges, occluded points, exposure (section 5, iv)."""

import pytest
import torch

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import proximity_from_depth
from scenecode.optim.imaging.image import central_gradient
from scenecode.optim.warp import CodedPixels, warp
from scenecode.slam.bundle.weights import (
    SLANT_COSINE,
    agreement,
    brightness_change,
    strongest_pixels,
    surface_weight,
    visibility_weight,
)
from scenecode.slam.bundle.window import BORDER

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
RAYS = CAMERA.rays(CAMERA.pixel_grid())
INNER = (slice(3, -3), slice(3, -3))
FIRST = torch.tensor([0])


def points(depth):
    """(48, 64, 3) camera points of depth (48, 64) in metres."""
    return (RAYS * depth.reshape(-1, 1)).reshape(48, 64, 3)


def warped_from(depth, *translation):
    """Every pixel of a view of that depth, seen from a camera that moved so."""
    prox = proximity_from_depth(depth.reshape(1, -1), 2.0)
    pixels = CodedPixels(rays=RAYS[None], prox_zero=prox, prox_J_code=torch.zeros(*prox.shape, 0),
                         average_depth=torch.tensor([[2.0]]))
    T_ba = se3.inverse(se3.exp(torch.tensor([[*translation, 0.0, 0.0, 0.0]])))
    return warp(pixels, torch.zeros(1, 0), FIRST, T_ba, CAMERA, BORDER)


def visibility(depth_b, weight_b, warped):
    """(48, 64) in a view of that depth and surface weight."""
    surfaces = torch.stack([depth_b, weight_b], -1)[None]
    return visibility_weight(surfaces, FIRST, warped.pixels, warped).reshape(48, 64)


def plane(slant):
    """Depth (H, W) of a plane 2 m ahead, turned about the vertical by ``slant`` radians."""
    slant = torch.tensor(slant)
    inverse = (RAYS[:, 2] - torch.tan(slant) * RAYS[:, 0]) / 2
    return (1 / inverse.clamp(min=0.05)).reshape(48, 64)


def wall(depth=3.0):
    return torch.full((48, 64), depth)


def test_grazing_surfaces_weigh_less_and_frontal_ones_fully():
    frontal = surface_weight(points(plane(0.0)))[INNER]
    assert frontal.min() > 0.999
    # a floor 0.3 m below the camera, whose normal is the y axis
    y = RAYS[:, 1].clamp(min=0.01)
    floor = surface_weight(points(0.3 / y))
    expected = (y / RAYS.norm(dim=1) / SLANT_COSINE).clamp(max=1).reshape(48, 64)
    low = (slice(30, 47), slice(1, -1))
    torch.testing.assert_close(floor[low], expected[low], atol=0.02, rtol=0)
    assert floor[low].min() < 0.5


def test_pixels_behind_an_occluding_edge_weigh_nothing():
    depth = wall()
    depth[:, 32:] = 1.5
    weight = surface_weight(points(depth))
    assert not weight[:, 30:32].any() and weight[INNER][:, :20].min() > 0.999


def test_occluded_points_weigh_less_than_visible_ones():
    depth = wall()
    depth[:, 32:] = 1.5
    weight = visibility(depth, torch.ones(48, 64), warped_from(wall(), 0, 0, 0))
    assert weight[INNER][:, :20].min() > 0.999
    assert weight[:, 34:].max() < 0.05
    # a surface in front of what the other view sees is not hidden by it
    in_front = visibility(depth, torch.ones(48, 64), warped_from(wall(1.4), 0, 0, 0))
    assert in_front[INNER].min() > 0.999


def test_points_out_of_view_weigh_nothing_and_others_as_the_surface_that_they_hit():
    weight = visibility(wall(), torch.full((48, 64), 0.5), warped_from(wall(), 1, 0, 0))
    # the camera stepped right by a metre, so that the left third is out of view
    assert not weight[:, :20].any()
    torch.testing.assert_close(weight[INNER][:, 20:], torch.full((42, 38), 0.5))


def test_strongest_pixels_are_those_with_gradient_and_weight():
    intensity = torch.zeros(48, 64)
    intensity[:, 40:] = 1.0
    intensity[:, 10:12] = 0.5
    weight = torch.ones(48, 64)
    weight[:24] = 0
    gradient = central_gradient(intensity).norm(dim=-1)
    chosen, their_weight = strongest_pixels(gradient, weight, 48)
    assert len(chosen) == 48 and (chosen[:, 1] >= 24).all() and (their_weight == 1).all()
    assert set(chosen[:, 0].tolist()) == {39, 40}
    everything, _ = strongest_pixels(gradient, weight, 10_000)
    assert len(everything) < 500, "pixels without gradient are left out"


def test_exposure_of_the_other_view_is_estimated():
    pictures = torch.rand(2, 100)
    gain, offset = brightness_change(pictures, torch.stack([0.7 * pictures[0] + 0.1, pictures[1]]),
                                     torch.ones(2, 100))
    torch.testing.assert_close(gain, torch.tensor([[0.7], [1.0]]), atol=0.01, rtol=0)
    torch.testing.assert_close(offset, torch.tensor([[0.1], [0.0]]), atol=0.01, rtol=0)


def test_exposure_of_a_blank_wall_stays_as_it_is():
    gain, _ = brightness_change(torch.full((1, 100), 0.5), torch.rand(1, 100) * 0.01,
                                torch.ones(1, 100))
    assert float(gain) == pytest.approx(1, abs=0.1)


def test_pairs_weigh_by_the_share_of_their_pixels_that_agree():
    error = torch.full((3, 100), 0.5)
    for pair, agreeing in enumerate((60, 80, 95)):
        error[pair, :agreeing] = 0.02
    counts = agreement(error, torch.ones(3, 100))
    torch.testing.assert_close(counts, torch.tensor([[0.0], [0.5], [1.0]]))
    # pixels of weight zero do not count as disagreeing
    seen = (error < 0.1).float()
    assert (agreement(error, seen) == 1).all()
