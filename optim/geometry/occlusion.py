"""Pixels next to an occluding edge: the pyramid's low-pass filter mixes the nearer surface into
their brightness, and that part moves with the nearer surface."""

import torch
from torch import Tensor

#: Radius in pixels of the pyramid's low-pass filter.
RADIUS = 2
#: Directions in which opposite neighbours are compared, as (rows, columns).
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def behind_edge(depth: Tensor, tolerance: float) -> Tensor:
    """Mask (..., H, W) of pixels within ``RADIUS`` of an occluding edge, on its far side, from
    depth maps (..., H, W) in metres.

    The inverse depth of a plane is linear in the image, so there the mean of two opposite
    neighbours equals the value in the middle.  Where it exceeds that by ``tolerance``
    (relative), one of the neighbours is on a nearer surface.
    """
    H, W = depth.shape[-2:]
    inverse = 1 / depth.clamp(min=1e-6)
    padded = _extrapolated(_extrapolated(inverse).mT).mT
    limit = 2 * (1 + tolerance) * inverse
    masked = torch.zeros_like(depth, dtype=torch.bool)
    for reach in range(1, RADIUS + 1):
        for down, right in _DIRECTIONS:
            i, j = reach * down, reach * right
            one = padded[..., RADIUS + i: RADIUS + i + H, RADIUS + j: RADIUS + j + W]
            other = padded[..., RADIUS - i: RADIUS - i + H, RADIUS - j: RADIUS - j + W]
            masked |= one + other > limit
    return masked


def _extrapolated(rows: Tensor) -> Tensor:
    """``RADIUS`` more rows at either end, extrapolated linearly, so that a plane stays one up to
    the border."""
    before = 2 * rows[..., :1, :] - rows[..., 1:RADIUS + 1, :].flip(-2)
    after = 2 * rows[..., -1:, :] - rows[..., -RADIUS - 1:-1, :].flip(-2)
    return torch.cat([before, rows, after], -2)
