"""Which movements of a camera tell something about depth."""

from math import radians, tan

import pytest
import torch

from scenecode.optim.geometry.parallax import tells_depth

SIDEWAYS, FORWARDS = [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]


def points(nearest, farthest):
    """Of a grid of directions up to 30 degrees to the side, at depths that differ."""
    across = torch.linspace(-tan(radians(30)), tan(radians(30)), 15, dtype=torch.float64)
    rays = torch.stack([*torch.meshgrid(across, across, indexing="ij"), torch.ones(15, 15)], -1)
    depth = torch.rand(15, 15, 1, generator=torch.Generator().manual_seed(0)).double()
    return (rays * (nearest + (farthest - nearest) * depth)).reshape(1, -1, 3)


@pytest.mark.parametrize("direction, depths, metres, told", [
    (SIDEWAYS, (3.0, 3.0), 0.0, False),
    (SIDEWAYS, (3.0, 3.0), 0.015, False),
    (SIDEWAYS, (3.0, 3.0), 0.05, True),
    # a rotation moves near and far points alike
    (SIDEWAYS, (1.0, 5.0), 0.025, True),
    (FORWARDS, (3.0, 3.0), 0.03, True),
    (FORWARDS, (3.0, 3.0), 0.003, False)])
def test_movements_that_tell_depth(direction, depths, metres, told):
    x = points(*depths)
    origin = metres * torch.tensor([direction], dtype=torch.float64)
    assert bool(tells_depth(x, origin, torch.ones(x.shape[:2]).bool())) == told


def test_only_points_that_count_do():
    x, origin = points(3.0, 3.0), torch.tensor([[0.01, 0.0, 0.0]], dtype=torch.float64)
    x[:, ::2] *= 0.02
    far = (torch.arange(x.shape[1]) % 2 == 1)[None]
    assert not tells_depth(x, origin, far)
    assert tells_depth(x, origin, torch.ones_like(far))
    assert not tells_depth(x, origin, torch.zeros_like(far))
