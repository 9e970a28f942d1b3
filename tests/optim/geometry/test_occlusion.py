"""Occluding edges: planes have none, and only the far side of a step is left out."""

import pytest
import torch

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.occlusion import RADIUS, behind_edge

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
TOLERANCE = 0.03
NEAR, FAR = 1.5, 3.0


def plane_depth(slant_deg, azimuth_deg):
    """Depth (H, W) of a plane that is 2 m ahead, and where it is nearer than 20 m."""
    slant, azimuth = torch.deg2rad(torch.tensor([slant_deg, azimuth_deg], dtype=torch.float64))
    normal = torch.stack([slant.sin() * azimuth.cos(), slant.sin() * azimuth.sin(), slant.cos()])
    rays = CAMERA.rays(CAMERA.pixel_grid(torch.float64))
    inverse = (rays @ normal) / (2 * normal[2])
    depth = 1 / inverse.clamp(min=1 / 20)
    return depth.reshape(48, 64), (inverse > 1 / 20).reshape(48, 64)


@pytest.mark.parametrize("slant", [0, 30, 60, 70])
@pytest.mark.parametrize("azimuth", [0, 45, 90, 160, 270])
def test_plane_at_any_slant_is_kept_up_to_the_border(slant, azimuth):
    depth, clear = plane_depth(slant, azimuth)
    # what the cut at 20 m bends is no plane
    bent = torch.nn.functional.max_pool2d((~clear).float()[None], 2 * RADIUS + 1, 1, RADIUS)[0]
    kept = bent == 0
    assert kept.float().mean() > 0.4
    assert not (behind_edge(depth, TOLERANCE) & kept).any()


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_far_side_of_a_step_is_left_out_and_the_near_side_kept(turn):
    depth = torch.full((48, 48), FAR)
    depth[:, 20:] = NEAR
    expected = torch.zeros(48, 48, dtype=torch.bool)
    expected[:, 20 - RADIUS:20] = True
    mask = behind_edge(torch.rot90(depth, turn), TOLERANCE)
    assert torch.equal(mask, torch.rot90(expected, turn))


def test_surroundings_of_a_thin_pole_are_left_out():
    depth = torch.full((32, 32), FAR)
    depth[:, 16] = NEAR
    mask = behind_edge(depth, TOLERANCE)
    assert mask[:, [14, 15, 17, 18]].all() and not mask[:, 16].any()
    assert not mask[:, :14].any() and not mask[:, 19:].any()


def test_a_step_below_the_tolerance_is_no_edge():
    depth = torch.full((32, 32), FAR)
    depth[:, 16:] = FAR / (1 + 1.9 * TOLERANCE)
    assert not behind_edge(depth, TOLERANCE).any()
    depth[:, 16:] = FAR / (1 + 2.1 * TOLERANCE)
    assert behind_edge(depth, TOLERANCE).any()


def test_inside_corner_of_two_walls_is_kept():
    u = torch.arange(64, dtype=torch.float64)
    # inverse depth falls to a corner and rises again, as gently as two walls at right angles
    inverse = 0.3 + 0.004 * (u - 32).abs()
    assert not behind_edge((1 / inverse).expand(48, 64), TOLERANCE).any()
