"""Weights of pixels: slanted, occluding and occluded surfaces weigh less (section 5, iv)."""

import torch
from torch import Tensor

from scenecode.optim.geometry.occlusion import behind_edge
from scenecode.optim.geometry.surface import surface_cosine
from scenecode.optim.imaging.lookup import sample_views
from scenecode.optim.warp import Warp

#: Surfaces seen at a cosine below this weigh proportionally less.
SLANT_COSINE = 0.3
#: Relative step of inverse depth that makes an occluding edge.
_EDGE_TOLERANCE = 0.03
#: A point this much (relative) behind the other view's surface weighs half.
_OCCLUSION = 0.15
#: Difference of intensity below which a pixel agrees.
_AGREEING = 0.1
#: Shares of pixels that agree at which a pair of images begins to count, and counts in full.
_AGREEMENT = (0.7, 0.9)


def surface_weight(points: Tensor) -> Tensor:
    """(..., H, W) in [0, 1] of whole views' camera points (..., H, W, 3): less at a grazing angle,
    where a depth error moves the projection most; nothing behind an occluding edge."""
    slant = (surface_cosine(points) / SLANT_COSINE).clamp(max=1)
    return slant * ~behind_edge(points[..., 2], _EDGE_TOLERANCE)


def visibility_weight(surfaces: Tensor, views_b: Tensor, pixels: Tensor, warped: Warp) -> Tensor:
    """(P, N) in [0, 1]: 0 where the warp is invalid, less where the point lies behind B's surface
    there, or where B's own ``surface_weight`` is small.

    ``surfaces`` (V, h, w, 2) are depth and weight of the views, at any resolution;
    ``pixels`` (P, N, 2) where the warp leads in them.
    """
    depth, weight_b = sample_views(surfaces, views_b, pixels).unbind(-1)
    behind = (warped.x_b[..., 2] / depth - 1).clamp(min=0) / _OCCLUSION
    return warped.valid * weight_b / (1 + behind * behind)


def strongest_pixels(gradient: Tensor, weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` pixels (M, 2) of the largest weighted intensity gradient, of its length (H, W)
    and weights (H, W), in row-major order; and their weights (M,)."""
    strength = (gradient * weight).flatten()
    index = strength.topk(min(count, len(strength)), sorted=False).indices
    index = index[strength[index] > 0].sort().values
    width = gradient.shape[1]
    pixels = torch.stack([index % width, index // width], -1)
    return pixels.to(gradient.dtype), weight.flatten()[index]


def regular_subset(grid: Tensor, stride: int) -> Tensor:
    """Index of every ``stride``-th pixel of a ``grid`` (N, 2), in a regular pattern that leaves
    no row or column out: for 2 the black squares of a chess board."""
    shift = round(stride ** 0.5)
    return ((grid[:, 0] + shift * grid[:, 1]).long() % stride == 0).nonzero()[:, 0]


def agreement(error: Tensor, weight: Tensor) -> Tensor:
    """(P, 1) in [0, 1]: the weight of a pair of images whose pixels, of weights (P, N), differ in
    intensity by ``error`` (P, N).

    A robust loss bounds the influence of a few outliers; between images taken far apart they are
    the majority.
    """
    agreeing = ((error < _AGREEING) * weight).sum(1, keepdim=True)
    none, full = _AGREEMENT
    share = agreeing / weight.sum(1, keepdim=True).clamp(min=1e-6)
    return ((share - none) / (full - none)).clamp(0, 1)


def brightness_change(a: Tensor, b: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset (P, 1) that give A's intensities (P, N) the mean and the variance of B's,
    eliminated at every linearisation, because cameras change their exposure."""
    share = weight / weight.sum(1, keepdim=True).clamp(min=1e-6)

    def moments(values: Tensor) -> tuple[Tensor, Tensor]:
        mean = (share * values).sum(1, keepdim=True)
        return mean, (share * (values - mean) ** 2).sum(1, keepdim=True)

    (mean_a, variance_a), (mean_b, variance_b) = moments(a), moments(b)
    # the constants bound the gain of surfaces without contrast
    gain = ((variance_b + 1e-4) / (variance_a + 1e-4)).sqrt().clamp(0.5, 2.0)
    return gain, mean_b - gain * mean_a
