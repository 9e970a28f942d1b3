"""Surfaces from a whole image of camera points: normals, and the angle at which they are seen."""

import torch
from torch import Tensor


def surface_cosine(points: Tensor) -> Tensor:
    """Camera points (..., H, W, 3) to |cos| between viewing ray and surface normal (..., H, W),
    with the normal from central differences (one-sided at the border)."""
    x, y, z = points.unbind(-1)
    du = [_central_difference(plane, -1) for plane in (x, y, z)]
    dv = [_central_difference(plane, -2) for plane in (x, y, z)]
    normal = (du[1] * dv[2] - du[2] * dv[1], du[2] * dv[0] - du[0] * dv[2],
              du[0] * dv[1] - du[1] * dv[0])
    dot = (normal[0] * x + normal[1] * y + normal[2] * z).abs_()
    square = (normal[0].square() + normal[1].square() + normal[2].square()) \
        * (x * x + y * y + z * z)
    return dot / square.sqrt_().clamp_(min=1e-12)


def _central_difference(values: Tensor, axis: int) -> Tensor:
    """Of neighbours along an axis, one-sided at the border."""
    step = values.diff(dim=axis)
    last = step.shape[axis] - 1
    middle = step.narrow(axis, 1, last) + step.narrow(axis, 0, last)
    return torch.cat([step.narrow(axis, 0, 1), middle, step.narrow(axis, last, 1)], axis)


def surface_normals(points: Tensor) -> Tensor:
    """Unit normals (3, H, W) of points (3, H, W), zero where undefined.

    Of the differences to either side the shorter counts, so that a normal does not mix
    two surfaces.
    """
    normal = torch.linalg.cross(_shorter_difference(points, 2), _shorter_difference(points, 1),
                                dim=0)
    return normal / _length(normal).clamp(min=1e-12)


def _shorter_difference(points: Tensor, axis: int) -> Tensor:
    step = points.diff(dim=axis)
    first, last = step.narrow(axis, 0, 1), step.narrow(axis, step.shape[axis] - 1, 1)
    before, after = torch.cat([first, step], axis), torch.cat([step, last], axis)
    return torch.where(_length(before) < _length(after), before, after)


def _length(vectors: Tensor) -> Tensor:
    """(H, W) of (3, H, W)."""
    return vectors.square().sum(0).sqrt()
