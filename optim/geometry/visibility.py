"""Which of many points a camera sees: the nearest one at each pixel (a z-buffer)."""

import torch
from torch import Tensor

from scenecode.optim.geometry.camera import MIN_DEPTH


def nearest_points(pixels: Tensor, z: Tensor, width: int, height: int) -> Tensor:
    """(height, width) index of the point seen at each pixel, -1 where there is none.

    Points (N,) of depth ``z`` lie at ``pixels`` (N, 2) and cover the pixel whose centre is
    nearest; those behind the camera or outside the image are not seen.  Of two points of exactly
    the same depth either may be given.
    """
    column, row = pixels.round().long().unbind(-1)
    inside = (z > MIN_DEPTH) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    points = inside.nonzero()[:, 0]
    cell, depth = (row * width + column)[points], z[points]
    nearest = depth.new_full((height * width,), torch.inf)
    nearest.scatter_reduce_(0, cell, depth, "amin")
    seen = depth == nearest[cell]
    index = torch.full((height * width,), -1, device=z.device)
    index[cell[seen]] = points[seen]
    return index.reshape(height, width)
