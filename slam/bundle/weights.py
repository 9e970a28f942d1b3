"""How much a pixel counts: slanted, occluding and hidden surfaces count less (section 5, iv)."""

import torch
from torch import Tensor

from scenecode.optim.geometry.occlusion import behind_edge
from scenecode.optim.geometry.surface import surface_cosine
from scenecode.optim.imaging import image
from scenecode.optim.imaging.lookup import sample_views
from scenecode.optim.warp import Warp
from scenecode.slam.config.slam_config import ResidualConfig


def surface_weight(points: Tensor, config: ResidualConfig) -> Tensor:
    """(H, W) in [0, 1] of a whole view's camera points (H, W, 3): less at a grazing angle, where
    a depth error moves the projection most; nothing behind an occluding edge."""
    slant = (surface_cosine(points) / config.slant_cosine).clamp(max=1)
    return slant * ~behind_edge(points[..., 2], config.edge_tolerance)


def visibility_weight(surfaces: Tensor, views_b: Tensor, pixels: Tensor, warped: Warp,
                      config: ResidualConfig) -> Tensor:
    """(P, N) in [0, 1]: 0 where the warp is invalid, less where the point lies behind the
    surface that B sees there, or where B's own ``surface_weight`` is small.

    ``surfaces`` (V, h, w, 2) are depth and weight of the views, at any resolution;
    ``pixels`` (P, N, 2) where the warp leads in them.
    """
    depth, theirs = sample_views(surfaces, views_b, pixels).unbind(-1)
    behind = (warped.x_b[..., 2] / depth - 1).clamp(min=0) / config.occlusion
    return warped.valid * theirs / (1 + behind * behind)


def strongest(picture: Tensor, weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` pixels (M, 2) whose brightness (H, W), so weighted (H, W), tells most of
    motion, in order of the image; and their weights (M,)."""
    strength = (image.central_gradient(picture).norm(dim=-1) * weight).flatten()
    index = strength.topk(min(count, len(strength)), sorted=False).indices
    index = index[strength[index] > 0].sort().values
    width = picture.shape[1]
    pixels = torch.stack([index % width, index // width], -1)
    return pixels.to(picture.dtype), weight.flatten()[index]


def spread(grid: Tensor, every: int) -> Tensor:
    """The numbers of every so many-th pixel of a ``grid`` (N, 2), in a regular pattern without
    rows or columns that are left out: for 2 the black squares of a chess board."""
    shift = round(every ** 0.5)
    return ((grid[:, 0] + shift * grid[:, 1]).long() % every == 0).nonzero()[:, 0]


def agreement(error: Tensor, weight: Tensor, config: ResidualConfig) -> Tensor:
    """(P, 1) in [0, 1]: how much a pair of images counts whose pixels, so weighted (P, N), differ
    in brightness by ``error`` (P, N).

    A robust loss bounds the pull of one wrong pixel; where most are wrong, they are the majority.
    """
    alike = ((error < config.agreeing) * weight).sum(1, keepdim=True)
    none, full = config.agreement
    share = alike / weight.sum(1, keepdim=True).clamp(min=1e-6)
    return ((share - none) / (full - none)).clamp(0, 1)


def brightness_change(a: Tensor, b: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset (P, 1) that give A's intensities (P, N) the mean and the contrast of B's,
    eliminated at every linearisation since cameras expose as they like."""
    share = weight / weight.sum(1, keepdim=True).clamp(min=1e-6)

    def moments(values: Tensor) -> tuple[Tensor, Tensor]:
        mean = (share * values).sum(1, keepdim=True)
        return mean, (share * (values - mean) ** 2).sum(1, keepdim=True)

    (mean_a, spread_a), (mean_b, spread_b) = moments(a), moments(b)
    # the constants keep a wall without contrast from asking for an arbitrary gain
    gain = ((spread_b + 1e-4) / (spread_a + 1e-4)).sqrt().clamp(0.5, 2.0)
    return gain, mean_b - gain * mean_a
