"""Pyramids, their smoothing, and sampling between pixels."""

import pytest
import torch

from scenecode.optim.imaging import image
from scenecode.optim.imaging.lookup import sample_view


def noise(height=64, width=64):
    return torch.rand(height, width, dtype=torch.float64)


def test_pyramid_halves_and_starts_at_full_size():
    shapes = [tuple(p.shape) for p in image.pyramid(noise(48, 64), 4)]
    assert shapes == [(48, 64), (24, 32), (12, 16), (6, 8)]


def test_constant_image_stays_constant_up_to_the_border():
    for level in image.pyramid(torch.full((48, 64), 0.37, dtype=torch.float64), 4):
        torch.testing.assert_close(level, torch.full_like(level, 0.37))


def test_levels_are_in_register():
    v, u = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in (64, 96)), indexing="ij")
    for k, level in enumerate(image.pyramid(0.01 * u + 0.003 * v, 3)):
        rows, columns = (torch.arange(n, dtype=torch.float64) for n in level.shape)
        # pixel areas are kept: a coarse centre lies between the centres that it covers
        expected = (0.01 * ((columns + 0.5) * 2 ** k - 0.5)
                    + 0.003 * ((rows + 0.5) * 2 ** k - 0.5)[:, None])
        inner = (slice(4, -4),) * 2
        torch.testing.assert_close(level[inner], expected[inner])


def test_smoothing_keeps_the_mean_and_removes_the_finest_pattern():
    board = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64).repeat(16, 16)
    inner = image.smooth(board)[2:-2, 2:-2]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.5))


def test_contrast_half_way_between_pixels_survives_in_a_pyramid_only():
    sharp = noise(200, 200)
    u, v = torch.meshgrid(*(torch.arange(20, 180, dtype=torch.float64),) * 2, indexing="xy")
    at = torch.stack([u, v], -1).reshape(-1, 2)

    def kept(picture):
        maps = picture[..., None]
        return float(sample_view(maps, at + 0.5).var() / sample_view(maps, at).var())

    assert kept(sharp) == pytest.approx(0.25, abs=0.03)
    assert kept(image.pyramid(sharp, 1)[0]) == pytest.approx(0.81, abs=0.04)


def test_pixels_are_inside_where_sampling_needs_no_border():
    at = torch.tensor([[-5.0, 0.0], [9.0, 1.0], [2.0, 99.0], [1.0, 1.0]])
    assert image.inside(at, 4, 3).tolist() == [False, False, False, True]
    assert image.inside(torch.tensor([[0.5, 1.0]]), 4, 3, border=1.0).tolist() == [False]
