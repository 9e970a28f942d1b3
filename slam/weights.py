"""How much a pixel counts: slanted, occluding and hidden surfaces count less (section 5, iv)."""

import torch
from torch import Tensor

from optim import image
from optim.occlusion import behind_edge
from optim.proximity import depth_from_proximity
from optim.warp import CodedView, ViewState, Warp
from slam.config import ResidualConfig


def surface_cosine(points: Tensor) -> Tensor:
    """Camera points (H, W, 3) to |cos| between viewing ray and surface normal (H, W)."""
    du = torch.zeros_like(points)
    dv = torch.zeros_like(points)
    du[:, 1:-1] = points[:, 2:] - points[:, :-2]
    du[:, 0], du[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
    dv[1:-1] = points[2:] - points[:-2]
    dv[0], dv[-1] = points[1] - points[0], points[-1] - points[-2]
    normal = torch.linalg.cross(du, dv)
    dot = (normal * points).sum(-1).abs()
    return dot / (normal.norm(dim=-1) * points.norm(dim=-1)).clamp(min=1e-12)


def surface_weight(view: CodedView, state: ViewState, config: ResidualConfig) -> Tensor:
    """(N,) in [0, 1] of a whole view's pixels: less at a grazing angle, where a depth error
    moves the projection most; nothing behind an occluding edge."""
    depth = depth_from_proximity(view.proximity(state.code_depth), view.average_depth)
    points = view.as_maps(view.rays * depth[:, None])
    slant = (surface_cosine(points) / config.slant_cosine).clamp(max=1)
    return (slant * ~behind_edge(points[..., 2], config.edge_tolerance)).reshape(-1)


def visibility_weight(view_b: CodedView, state_b: ViewState, surface_b: Tensor, warped: Warp,
                      config: ResidualConfig) -> Tensor:
    """(N,) in [0, 1]: 0 where the warp is invalid, less where the point lies behind the
    surface that B sees there, or where B's own ``surface_weight`` is small."""
    prox = view_b.as_maps(view_b.proximity(state_b.code_depth))
    depth = depth_from_proximity(image.sample(prox, warped.pixels)[:, 0], view_b.average_depth)
    behind = (warped.x_b[:, 2] / depth - 1).clamp(min=0) / config.occlusion
    theirs = image.sample(view_b.as_maps(surface_b), warped.pixels)[:, 0]
    return warped.valid * theirs / (1 + behind * behind)


def strongest(view: CodedView, weight: Tensor, count: int) -> Tensor:
    """Indices (M,) of the ``count`` pixels whose brightness, so weighted, tells most of motion;
    sorted."""
    gradient = image.central_gradient(view.as_maps(view.intensity)[..., 0]).reshape(-1, 2)
    strength = gradient.norm(dim=1) * weight
    index = strength.topk(min(count, len(strength)), sorted=False).indices
    return index[strength[index] > 0].sort().values


def brightness_change(view_a: CodedView, view_b: CodedView, warped: Warp,
                      weight: Tensor) -> tuple[float, float]:
    """Gain and offset that give A's pixels the mean and the contrast of B's, eliminated at
    every linearisation since cameras expose as they like."""
    total = weight.sum().clamp(min=1e-6)
    a = view_a.intensity
    b = image.sample(view_b.as_maps(view_b.intensity), warped.pixels)[:, 0]
    mean_a, mean_b = (weight * a).sum() / total, (weight * b).sum() / total
    spread_a = (weight * (a - mean_a) ** 2).sum() / total
    spread_b = (weight * (b - mean_b) ** 2).sum() / total
    # the constants keep a wall without contrast from asking for an arbitrary gain
    gain = float(((spread_b + 1e-4) / (spread_a + 1e-4)).sqrt().clamp(0.5, 2.0))
    return gain, float(mean_b - gain * mean_a)
