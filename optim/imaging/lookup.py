"""Bilinear look-ups, in the maps of one view or of many at once."""

import torch
import torch.nn.functional as F
from torch import Tensor

#: Channels from which one weighted sum of the four neighbours is faster than four copies of them.
_MANY_CHANNELS = 16
#: Channels up to which each is copied on its own.
_FEW_CHANNELS = 2


def sample_views(maps: Tensor, views: Tensor, pixels: Tensor) -> Tensor:
    """Maps (V, H, W, C) of the views (P,) at pixels (P, N, 2): (P, N, C).

    Pixels outside are moved to the border; mask them with ``image.inside``.
    """
    index, au, av = _cells(maps, views, pixels)
    C = maps.shape[-1]
    if C < _MANY_CHANNELS:
        a, b, c, d = _neighbours(maps, index)
        top, bottom = torch.lerp(a, b, au[..., None]), torch.lerp(c, d, au[..., None])
        return torch.lerp(top, bottom, av[..., None])
    right, below = au * (1 - av), av * (1 - au)
    both = au * av
    weights = torch.stack([1 - au - below, right, below, both], -1)
    corners = index[..., None] + index.new_tensor(_corners(maps))
    return F.embedding_bag(corners.view(-1, 4), maps.reshape(-1, C), mode="sum",
                           per_sample_weights=weights.view(-1, 4)).view(*index.shape, C)


def sample_view(maps: Tensor, pixels: Tensor) -> Tensor:
    """Maps (H, W, C) of one view at pixels (N, 2): (N, C), as ``sample_views``."""
    first = torch.zeros(1, dtype=torch.long, device=pixels.device)
    return sample_views(maps[None].contiguous(), first, pixels[None])[0]


def sample_views_with_gradient(maps: Tensor, views: Tensor,
                               pixels: Tensor) -> tuple[Tensor, Tensor]:
    """``sample_views`` and its derivative by the pixel (P, N, C, 2): the interpolant's own."""
    index, au, av = _cells(maps, views, pixels)
    au, av = au[..., None], av[..., None]
    a, b, c, d = _neighbours(maps, index)
    step_top, step_bottom = b - a, d - c
    top = torch.addcmul(a, au, step_top)
    d_v = torch.addcmul(c, au, step_bottom).sub_(top)
    d_u = torch.addcmul(step_top, av, step_bottom.sub_(step_top))
    return torch.addcmul(top, av, d_v), torch.stack([d_u, d_v]).movedim(0, -1)


def _cells(maps: Tensor, views: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Number (P, N) of the first of the four pixels around each, in the flattened maps, and how
    far right and below of it the pixel is, (P, N) each."""
    V, H, W, _ = maps.shape
    u, v = pixels[..., 0].clamp(0, W - 1), pixels[..., 1].clamp(0, H - 1)
    column, row = u.long().clamp_(max=W - 2), v.long().clamp_(max=H - 2)
    index = torch.add(column + views[:, None] * (H * W), row, alpha=W)
    return index, u - column, v - row


def _corners(maps: Tensor) -> tuple[int, int, int, int]:
    """What is added to a pixel's number for itself and those right, below and right below."""
    W = maps.shape[2]
    return 0, 1, W, W + 1


def _neighbours(maps: Tensor, index: Tensor) -> list[Tensor]:
    """The values (P, N, C) at the four pixels around each, row by row."""
    C = maps.shape[-1]
    cells, corners = index.view(-1), _corners(maps)
    if not C:
        return [maps.new_zeros(*index.shape, 0) for _ in corners]
    if C <= _FEW_CHANNELS:  # copying single numbers is much faster than copying short rows
        flat, cells = maps.reshape(-1), cells * C
        return [torch.stack([flat[corner * C + c:].index_select(0, cells).view(index.shape)
                             for c in range(C)]).movedim(0, -1) for corner in corners]
    flat = maps.reshape(-1, C)
    return [flat[corner:].index_select(0, cells).view(*index.shape, C) for corner in corners]
