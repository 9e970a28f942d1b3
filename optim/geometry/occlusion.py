"""Pixels beside a nearer surface: their brightness belongs partly to that, and moves with it."""

import torch
from torch import Tensor

#: Reach of the pyramid's low-pass filter in pixels: so far a nearer surface shines over.
RADIUS = 2
#: Directions in which neighbours are compared, as (rows, columns).
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def behind_edge(depth: Tensor, tolerance: float) -> Tensor:
    """Mask (H, W) of pixels within ``RADIUS`` of an occluding edge, on its far side.

    The inverse depth of a plane is linear in the image, so two opposite neighbours
    average to their middle on it; where they exceed it by ``tolerance`` (relative),
    one of them is on a nearer surface.
    """
    H, W = depth.shape
    inverse = 1 / depth.clamp(min=1e-6)
    padded = _continued(_continued(inverse).T).T
    masked = torch.zeros_like(depth, dtype=torch.bool)
    for reach in range(1, RADIUS + 1):
        for down, right in _DIRECTIONS:
            i, j = reach * down, reach * right
            one = padded[RADIUS + i: RADIUS + i + H, RADIUS + j: RADIUS + j + W]
            other = padded[RADIUS - i: RADIUS - i + H, RADIUS - j: RADIUS - j + W]
            masked |= 0.5 * (one + other) > (1 + tolerance) * inverse
    return masked


def _continued(rows: Tensor) -> Tensor:
    """``RADIUS`` more rows at either end, on the line through the border and its neighbours:
    a plane stays a plane, which repeating the border would bend."""
    before = 2 * rows[:1] - rows[1:RADIUS + 1].flip(0)
    after = 2 * rows[-1:] - rows[-RADIUS - 1:-1].flip(0)
    return torch.cat([before, rows, after])
