"""Parallax: by how much directions to points change as a camera moves."""

from math import radians

import torch
from torch import Tensor

#: Median parallax in radians from which images tell as much about depth as a network does: an
#: error of 0.3 pixels at a focal length of 237 pixels is then one of 15 % of depth.
_LEAST_PARALLAX = radians(0.5)
#: The same of what no rotation explains, 0.6 pixels there: twice the error of an observation.
_LEAST_BEYOND_ROTATION = radians(0.15)
#: Added to a rotation's normal equations, which fewer than two directions leave singular.
_DAMPING = 1e-6
#: Smallest square of a length by which is divided.
_LEAST_SQUARE = 1e-24


def tells_depth(x_b: Tensor, origin_a: Tensor, counts: Tensor) -> Tensor:
    """(P,) whether the parallax of points (P, N, 3) between camera B, in whose frames they are,
    and another one with its centre at ``origin_a`` (P, 3) there, tells something about their
    depth; of the points that ``counts`` (P, N) selects, and not without any.

    A camera that only turns tells nothing, but a translation, and depths that fit it, explain
    some of the images' noise.  Sideways before a surface that is equally far everywhere it looks
    like a rotation, from which images hardly tell it; forwards, a smaller one does.
    """
    seen, before = _directions(x_b), _directions(x_b - origin_a[:, None])
    moved = seen - before
    enough = _median_reaches(_LEAST_PARALLAX, moved, counts)
    if bool(enough.all()):
        return enough
    # to first order, a rotation by w moves a direction v by w x v
    v = torch.where(counts[..., None], before, 0.0)
    eye = torch.eye(3).to(v)
    normal = counts.sum(1)[:, None, None] * eye - v.mT @ v + _DAMPING * eye
    rotation = torch.linalg.solve(normal, torch.linalg.cross(v, moved).sum(1))
    beyond = moved - torch.linalg.cross(rotation[:, None].expand_as(before), before)
    return enough | _median_reaches(_LEAST_BEYOND_ROTATION, beyond, counts)


def _directions(x: Tensor) -> Tensor:
    """(..., 3) of length 1.  A norm over three entries takes a hundred times as long as this."""
    return x * x.square().sum(-1, keepdim=True).clamp(min=_LEAST_SQUARE).rsqrt()


def _median_reaches(least: float, vectors: Tensor, counts: Tensor) -> Tensor:
    """(P,) whether the median length of the vectors (P, N, 3) that count is not less; it is not
    where none counts.  Counting them takes less time than sorting."""
    shorter = counts & (vectors.square().sum(-1) < least ** 2)
    return 2 * shorter.sum(1) < counts.sum(1)
