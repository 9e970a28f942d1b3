"""Bilinear look-ups in several maps at once: the map, the value, and its derivative."""

import torch
import torch.nn.functional as F
from support.difference import assert_jacobian

from scenecode.optim.imaging.lookup import (
    sample_view,
    sample_views,
    sample_views_with_gradient,
)

MAPS = torch.rand(3, 7, 9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
VIEWS = torch.tensor([2, 0, 2, 1])
PIXELS = torch.rand(4, 10, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) \
    * torch.tensor([8.0, 6.0])


def test_each_pair_is_looked_up_in_its_own_view():
    found = sample_views(MAPS, VIEWS, PIXELS)
    grid = PIXELS / torch.tensor([4.0, 3.0]) - 1  # as torch wants it: corners at -1 and 1
    for n, view in enumerate(VIEWS):
        expected = F.grid_sample(MAPS[view].permute(2, 0, 1)[None], grid[n][None, None],
                                 align_corners=True)[0, :, 0].T
        torch.testing.assert_close(found[n], expected)
        torch.testing.assert_close(sample_view(MAPS[view], PIXELS[n]), expected)


def test_gradient_is_the_interpolants_own():
    value, gradient = sample_views_with_gradient(MAPS, VIEWS, PIXELS)
    torch.testing.assert_close(value, sample_views(MAPS, VIEWS, PIXELS))
    assert_jacobian(lambda s: sample_views(MAPS, VIEWS, PIXELS + s), gradient)


def test_pixel_centres_return_the_pixels_and_those_outside_the_border():
    v, u = torch.meshgrid(torch.arange(7.0), torch.arange(9.0), indexing="ij")
    centres = torch.stack([u, v], -1).reshape(1, -1, 2).double()
    first = torch.tensor([0])
    torch.testing.assert_close(sample_views(MAPS, first, centres)[0], MAPS[0].reshape(-1, 2))
    outside = sample_views(MAPS, first, torch.tensor([[[-5.0, 3.0], [20.0, 9.0]]]).double())
    torch.testing.assert_close(outside[0], torch.stack([MAPS[0, 3, 0], MAPS[0, 6, 8]]))
