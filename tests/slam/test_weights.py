"""How much pixels count: slant, occluding edges, hidden points, exposure (section 5, iv)."""

import pytest
import torch

from optim import se3
from optim.camera import PinholeCamera
from optim.proximity import proximity_from_depth
from optim.warp import CodedView, ViewState, warp
from slam.config import ResidualConfig
from slam.weights import (brightness_change, strongest, surface_cosine, surface_weight,
                          visibility_weight)

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
CONFIG = ResidualConfig()
RAYS = CAMERA.rays(CAMERA.pixel_grid())
INNER = (slice(3, -3), slice(3, -3))


def view(depth, intensity=None):
    """A view without codes, of depth (H, W) in metres."""
    N = CAMERA.width * CAMERA.height
    intensity = torch.rand(N) if intensity is None else intensity.reshape(N)
    prox = proximity_from_depth(depth.reshape(N), 2.0)
    return CodedView(CAMERA, intensity, RAYS, 2.0, prox, torch.zeros(N, 0),
                     torch.zeros(N, 0), torch.zeros(N, 0, 0))


def state(*translation):
    T = se3.exp(torch.tensor([*translation, 0.0, 0.0, 0.0])) if translation else torch.eye(4)
    return ViewState(T, torch.zeros(0), torch.zeros(0))


def plane(slant):
    """Depth (H, W) of a plane 2 m ahead, turned about the vertical by ``slant`` radians."""
    slant = torch.tensor(slant)
    inverse = (RAYS[:, 2] - torch.tan(slant) * RAYS[:, 0]) / 2
    return (1 / inverse.clamp(min=0.05)).reshape(48, 64)


def wall(depth=3.0):
    return torch.full((48, 64), depth)


@pytest.mark.parametrize("slant", [0.0, 0.4, 0.9])
def test_cosine_is_that_of_the_angle_to_the_ray(slant):
    points = (RAYS * plane(slant).reshape(-1, 1)).reshape(48, 64, 3)
    normal = torch.tensor([-torch.tan(torch.tensor(slant)), 0.0, 1.0])
    expected = (RAYS @ normal) / (normal.norm() * RAYS.norm(dim=1))
    torch.testing.assert_close(surface_cosine(points)[INNER],
                               expected.reshape(48, 64)[INNER], atol=2e-3, rtol=0)


def test_grazing_surfaces_count_less_and_frontal_ones_fully():
    frontal = surface_weight(view(plane(0.0)), state(), CONFIG).reshape(48, 64)[INNER]
    assert frontal.min() > 0.999
    # a floor 0.3 m below the camera, whose normal is the y axis
    y = RAYS[:, 1].clamp(min=0.01)
    floor = surface_weight(view((0.3 / y).reshape(48, 64)), state(), CONFIG).reshape(48, 64)
    expected = (y / RAYS.norm(dim=1) / CONFIG.slant_cosine).clamp(max=1).reshape(48, 64)
    low = (slice(30, 47), slice(1, -1))
    torch.testing.assert_close(floor[low], expected[low], atol=0.02, rtol=0)
    assert floor[low].min() < 0.5


def test_pixels_behind_an_occluding_edge_do_not_count():
    depth = wall()
    depth[:, 32:] = 1.5
    weight = surface_weight(view(depth), state(), CONFIG).reshape(48, 64)
    assert not weight[:, 30:32].any() and weight[INNER][:, :20].min() > 0.999


def test_hidden_points_count_less_than_seen_ones():
    depth = wall()
    depth[:, 32:] = 1.5
    a, b = view(wall()), view(depth)
    ones = torch.ones(CAMERA.width * CAMERA.height)
    warped = warp(a, state(), b, state(), CONFIG.border)
    weight = visibility_weight(b, state(), ones, warped, CONFIG).reshape(48, 64)
    assert weight[INNER][:, :20].min() > 0.999
    assert weight[:, 34:].max() < 0.05
    # a surface in front of what the other view sees is not hidden by it
    in_front = visibility_weight(b, state(), ones, warp(view(wall(1.4)), state(), b, state(), 1.0),
                                 CONFIG).reshape(48, 64)
    assert in_front[INNER].min() > 0.999


def test_points_out_of_view_and_on_discounted_surfaces_do_not_count():
    a, b = view(wall()), view(wall())
    theirs = torch.full((CAMERA.width * CAMERA.height,), 0.5)
    warped = warp(a, state(), b, state(1.0, 0.0, 0.0), CONFIG.border)
    weight = visibility_weight(b, state(), theirs, warped, CONFIG).reshape(48, 64)
    # the camera stepped right by a metre, so that the left third is out of view
    assert not weight[:, :20].any()
    torch.testing.assert_close(weight[INNER][:, 20:], torch.full((42, 38), 0.5))


def test_strongest_pixels_are_those_with_gradient_and_weight():
    intensity = torch.zeros(48, 64)
    intensity[:, 40:] = 1.0
    intensity[:, 10:12] = 0.5
    weight = torch.ones(48, 64)
    weight[:24] = 0
    chosen = strongest(view(wall(), intensity), weight.reshape(-1), 48)
    rows, columns = chosen // 64, chosen % 64
    assert len(chosen) == 48 and (rows >= 24).all()
    assert set(columns.tolist()) == {39, 40}
    everything = strongest(view(wall(), intensity), weight.reshape(-1), 10_000)
    assert len(everything) < 500, "pixels without gradient tell nothing"


def test_exposure_of_the_other_view_is_found():
    picture = torch.rand(48, 64)
    a, b = view(wall(), picture), view(wall(), 0.7 * picture + 0.1)
    warped = warp(a, state(), b, state(), 0.0)
    gain, offset = brightness_change(a, b, warped, warped.valid.float())
    assert gain == pytest.approx(0.7, abs=0.01) and offset == pytest.approx(0.1, abs=0.01)


def test_exposure_of_a_blank_wall_is_left_alone():
    a, b = view(wall(), torch.full((48, 64), 0.5)), view(wall(), torch.rand(48, 64) * 0.01)
    warped = warp(a, state(), b, state(), 0.0)
    gain, _ = brightness_change(a, b, warped, warped.valid.float())
    assert gain == pytest.approx(1, abs=0.1)
