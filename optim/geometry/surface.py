"""Surfaces from a whole image of camera points: normals, and the angle at which they are seen."""

import torch
from torch import Tensor


def surface_cosine(points: Tensor) -> Tensor:
    """Camera points (H, W, 3) to |cos| between viewing ray and surface normal (H, W), with the
    normal from central differences (one-sided at the border)."""
    du = torch.zeros_like(points)
    dv = torch.zeros_like(points)
    du[:, 1:-1] = points[:, 2:] - points[:, :-2]
    du[:, 0], du[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
    dv[1:-1] = points[2:] - points[:-2]
    dv[0], dv[-1] = points[1] - points[0], points[-1] - points[-2]
    normal = torch.linalg.cross(du, dv)
    dot = (normal * points).sum(-1).abs()
    return dot / (normal.norm(dim=-1) * points.norm(dim=-1)).clamp(min=1e-12)


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
