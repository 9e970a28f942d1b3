"""Normals and viewing angles of planes, also where one occludes another."""

import pytest
import torch

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.surface import surface_cosine, surface_normals

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
RAYS = CAMERA.rays(CAMERA.pixel_grid(torch.float64))
INNER = (slice(3, -3), slice(3, -3))


def plane(normal):
    """Camera points (48, 64, 3) of a plane that meets the optical axis at 2 m."""
    depth = 2 * normal[2] / (RAYS @ normal)
    return (RAYS * depth[:, None]).reshape(48, 64, 3)


def tilted(slant):
    """Normal of a plane that is turned about the vertical by ``slant`` radians."""
    angle = torch.tensor(slant, dtype=torch.float64)
    return torch.stack([-angle.sin(), torch.zeros_like(angle), angle.cos()])


@pytest.mark.parametrize("slant", [0.0, 0.4, 0.9])
def test_cosine_is_that_of_the_angle_to_the_ray(slant):
    normal = tilted(slant)
    expected = (RAYS @ normal / RAYS.norm(dim=1)).reshape(48, 64)
    torch.testing.assert_close(surface_cosine(plane(normal))[INNER], expected[INNER], atol=2e-3,
                               rtol=0)


def test_normals_on_either_side_of_an_occluding_edge_are_not_mixed():
    left, right = tilted(0.5), tilted(-0.5)
    points = torch.where((RAYS[:, 0] < 0).reshape(48, 64, 1), plane(left), 1.5 * plane(right))
    normals = surface_normals(points.permute(2, 0, 1))
    torch.testing.assert_close(normals.norm(dim=0), torch.ones(48, 64, dtype=torch.float64))
    cosine = (normals.permute(1, 2, 0) @ torch.stack([left, right], 1)).abs()
    assert (cosine[:, :32, 0] > 1 - 1e-9).all() and (cosine[:, 32:, 1] > 1 - 1e-9).all()


def test_points_in_one_place_have_no_normal():
    assert (surface_normals(torch.ones(3, 4, 5)) == 0).all()
