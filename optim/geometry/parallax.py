"""Parallax: by how much directions to points change as a camera moves."""

from math import radians

import torch
import torch.nn.functional as F
from torch import Tensor

#: Median parallax in radians from which images tell as much about depth as a network does: an
#: error of 0.3 pixels at a focal length of 237 pixels is then one of 15 % of depth.
_LEAST_PARALLAX = radians(0.5)
#: The same of what no rotation explains, 0.6 pixels there: twice the error of an observation.
_LEAST_BEYOND_ROTATION = radians(0.15)
#: Added to a rotation's normal equations, which fewer than two directions leave singular.
_DAMPING = 1e-6


def tells_depth(x_b: Tensor, origin_a: Tensor, counts: Tensor) -> Tensor:
    """(P,) whether the parallax of points (P, N, 3) between camera B, in whose frames they are,
    and another one with its centre at ``origin_a`` (P, 3) there, tells something about their
    depth; of the points that ``counts`` (P, N) selects, and not without any.

    A camera that only turns tells nothing, but a translation, and depths that fit it, explain
    some of the images' noise.  Sideways before a surface that is equally far everywhere it looks
    like a rotation, from which images hardly tell it; forwards, a smaller one does.
    """
    seen = F.normalize(x_b, dim=-1)
    before = F.normalize(x_b - origin_a[:, None], dim=-1)
    moved = seen - before
    # to first order, a rotation by w moves a direction v by w x v
    v = torch.where(counts[..., None], before, 0.0)
    eye = torch.eye(3).to(v)
    normal = counts.sum(1)[:, None, None] * eye - v.mT @ v + _DAMPING * eye
    rotation = torch.linalg.solve(normal, torch.linalg.cross(v, moved).sum(1))
    beyond = moved - torch.linalg.cross(rotation[:, None].expand_as(before), before)
    return (_median_length(moved, counts) >= _LEAST_PARALLAX) \
        | (_median_length(beyond, counts) >= _LEAST_BEYOND_ROTATION)


def _median_length(vectors: Tensor, counts: Tensor) -> Tensor:
    """(P,) of vectors (P, N, 3), NaN where none counts."""
    return torch.where(counts, vectors.norm(dim=-1), torch.nan).nanmedian(1).values
