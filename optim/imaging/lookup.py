"""Bilinear look-ups, in the maps of one view or of many at once."""

import torch
from torch import Tensor


def sample_views(maps: Tensor, views: Tensor, pixels: Tensor) -> Tensor:
    """Maps (V, H, W, C) of the views (P,) at pixels (P, N, 2): (P, N, C).

    Pixels outside are moved to the border; mask them with ``image.inside``.
    """
    near, (au, av) = _neighbours(maps, views, pixels)
    top = torch.lerp(near[0], near[1], au)
    bottom = torch.lerp(near[2], near[3], au)
    return torch.lerp(top, bottom, av)


def sample_view(maps: Tensor, pixels: Tensor) -> Tensor:
    """Maps (H, W, C) of one view at pixels (N, 2): (N, C), as ``sample_views``."""
    first = torch.zeros(1, dtype=torch.long, device=pixels.device)
    return sample_views(maps[None].contiguous(), first, pixels[None])[0]


def sample_views_with_gradient(maps: Tensor, views: Tensor,
                               pixels: Tensor) -> tuple[Tensor, Tensor]:
    """``sample_views`` and its derivative by the pixel (P, N, C, 2): the interpolant's own."""
    near, (au, av) = _neighbours(maps, views, pixels)
    step_top, step_bottom = near[1] - near[0], near[3] - near[2]
    top = near[0] + au * step_top
    d_v = near[2] + au * step_bottom - top
    d_u = step_top + av * (step_bottom - step_top)
    return top + av * d_v, torch.stack([d_u, d_v], -1)


def _neighbours(maps: Tensor, views: Tensor, pixels: Tensor
                ) -> tuple[list[Tensor], tuple[Tensor, Tensor]]:
    """The values (P, N, C) at the four pixels around each, row by row, and the distances
    (P, N, 1) from the first one."""
    V, H, W, C = maps.shape
    u, v = pixels[..., 0].clamp(0, W - 1), pixels[..., 1].clamp(0, H - 1)
    u0, v0 = u.floor().clamp(max=W - 2), v.floor().clamp(max=H - 2)
    index = ((v0 * W + u0).long() + views[:, None] * (H * W)).reshape(-1)
    flat = maps.reshape(V * H * W, C)
    near = [flat.index_select(0, index + offset).view(*u.shape, C)
            for offset in (0, 1, W, W + 1)]
    return near, ((u - u0)[..., None], (v - v0)[..., None])
