"""Normal equations of residuals of warped pixels, summed from the factors of their Jacobians.

The derivative by A's depth code is that by A's proximity times the proximity's by the code, and
the latter is the same whatever B is; the derivatives by both poses follow from that by one motion.
So a Jacobian of pixels times all parameters is formed for no pair, and what A's codes have to do
with themselves is summed once for each view instead of once for each pair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.residuals import (
    DEPTH_A,
    POSE_A,
    POSE_B,
    Block,
    Group,
    Jacobian,
    PairResidual,
    View,
)
from scenecode.optim.solvers.normal_equations import NormalEquations

#: Entries of a motion, and of the poses of A and B.
_MOTION, _POSES = 6, 12
#: Elements of a Jacobian that fit into a processor's caches.
_CACHED = 2 ** 18


@dataclass(frozen=True)
class PairPixels:
    """What P pairs of views, whose pixels are warped, have in common at every state."""

    #: (P,) views
    a: Tensor
    b: Tensor
    #: derivative of the pixels' proximity by the depth code: (V, Kd, N) by view, and (P, Kd, N)
    #: of A by pair
    prox_J_code: Tensor
    prox_J_code_a: Tensor

    @classmethod
    def of(cls, a: Tensor, b: Tensor, prox_J_code: Tensor) -> "PairPixels":
        """Pairs (P,) of views whose pixels have such derivatives (V, N, Kd)."""
        planes = prox_J_code.mT.contiguous()
        return cls(a=a, b=b, prox_J_code=planes, prox_J_code_a=planes[a])


def add_pairs(equations: NormalEquations, residual: PairResidual, weight: Tensor,
              pixels: PairPixels, columns: Mapping[Group, Tensor]) -> None:
    """Add residuals (P, N, R) of at least one pair, weighted (P, N), less their cost; ``columns``
    (V, size) are those of the parameters of all views, -1 where they are fixed."""
    P, N, R = residual.value.shape
    together = max(1, _CACHED // max(N * R * residual.width, 1))
    depth_weight = weight.new_zeros(len(pixels.prox_J_code), N)
    for start in range(0, P, together):
        part = slice(start, start + together)
        a, b = pixels.a[part], pixels.b[part]
        jacobian = residual.jacobian(part)
        if jacobian.motion is not None:
            squares = jacobian.motion.by_depth.square().sum(-1)
            depth_weight.index_add_(0, a, squares * weight[part])
        blocks, H, g = _sums(residual.value[part], jacobian, weight[part], a,
                             pixels.prox_J_code_a[part])
        at = [columns[block.group][a if block.view is View.A else b] for block in blocks]
        equations.add_sums(torch.cat(at, 1), H, g)
    of_views = {}
    if jacobian.motion is not None:
        by_pixel = pixels.prox_J_code
        of_views[DEPTH_A] = (by_pixel * depth_weight[:, None]) @ by_pixel.mT
    for block, by_view in jacobian.of_views.items():
        view_weight = torch.zeros_like(depth_weight).index_add_(0, pixels.a, weight)
        J = by_view.flatten(1, 2)
        of_rows = view_weight[..., None].expand(-1, -1, R).reshape(len(J), -1, 1)
        of_views[block] = (J * of_rows).mT @ J
    for block, H in of_views.items():
        equations.add_sums(columns[block.group][:len(H)], H)


def _sums(value: Tensor, jacobian: Jacobian, weight: Tensor, a: Tensor, prox_J_code_a: Tensor
          ) -> tuple[list[Block], Tensor, Tensor]:
    """``J^T W J`` (P, K, K) and ``J^T W r`` (P, K) of each of P pairs, without what A's codes have
    to do with themselves; and the blocks of the K parameters.  Overwrites the Jacobian."""
    P, N, R = value.shape
    motion, M = jacobian.motion, N * R
    of_rows = weight[..., None].expand(P, N, R).reshape(P, M)
    # planes of rows (P, ., M): the value, and the motion where it is free
    planes = value.reshape(P, 1, M)
    if motion is not None:
        planes = torch.cat([planes, motion.by_motion.movedim(-1, 1).reshape(P, _MOTION, M)], 1)
    weighted = planes * of_rows[:, None]
    names: list[Block] = []
    #: of the planes with each block, (P, ., k)
    across: list[Tensor] = []
    #: of two blocks, or of one with itself
    between: dict[tuple[Block, Block], Tensor] = {}
    if motion is not None:
        names.append(DEPTH_A)
        by_depth = motion.by_depth.reshape(P, 1, M)
        across.append(_sum_of_rows(weighted * by_depth, N) @ prox_J_code_a.mT)
    root = of_rows.sqrt()[..., None]
    views = {block: J.flatten(1, 2) for block, J in jacobian.of_views.items()}
    for block, of_pairs in jacobian.blocks.items():
        names.append(block)
        J = of_pairs.flatten(1, 2).mul_(root)
        between[block, block] = J.mT @ J
        J.mul_(root)
        across.append(planes @ J)
        between |= {(block, other): _times_views(J.mT, by_view, a)
                    for other, by_view in views.items()}
        if motion is not None:
            between[DEPTH_A, block] = prox_J_code_a @ _sum_by_pixel(J, motion.by_depth)
    for block, by_view in views.items():
        names.append(block)
        across.append(_times_views(weighted, by_view, a))
        if motion is not None:
            weighted_depth = motion.by_depth * weight[..., None]
            between[DEPTH_A, block] = prox_J_code_a @ torch.cat([
                _sum_by_pixel(by_view[n:n + 1], factor[None])
                for n, factor in zip(a.tolist(), weighted_depth, strict=True)])
    of_planes = torch.cat(across, 2)
    if motion is None:
        return names, _assembled(names, across, between), of_planes[:, 0]
    of_motion, E = weighted @ planes.mT, motion.motion_J_poses
    H = _assembled(names, across, between, _POSES)
    H[:, :_POSES, :_POSES] = E.mT @ of_motion[:, 1:, 1:] @ E
    H[:, :_POSES, _POSES:] = E.mT @ of_planes[:, 1:]
    H[:, _POSES:, :_POSES] = H[:, :_POSES, _POSES:].mT
    g = torch.cat([(of_motion[:, :1, 1:] @ E)[:, 0], of_planes[:, 0]], 1)
    return [POSE_A, POSE_B, *names], H, g


def _assembled(names: Sequence[Block], across: Sequence[Tensor],
               between: Mapping[tuple[Block, Block], Tensor], first: int = 0) -> Tensor:
    """Symmetric matrices (P, K, K) of blocks as wide as ``across``, after ``first`` columns."""
    widths = [block.shape[2] for block in across]
    ends = torch.tensor([first, *widths]).cumsum(0).tolist()
    at = {name: slice(*span) for name, *span in zip(names, ends, ends[1:])}
    H = across[0].new_zeros(len(across[0]), ends[-1], ends[-1])
    for (row, column), block in between.items():
        H[:, at[row], at[column]] = block
        if row != column:
            H[:, at[column], at[row]] = block.mT
    return H


def _times_views(of_pairs: Tensor, by_view: Tensor, a: Tensor) -> Tensor:
    """(P, m, M) times (V, M, k) of the views (P,): (P, m, k), without copies of the views."""
    return torch.stack([rows @ by_view[n] for n, rows in zip(a.tolist(), of_pairs, strict=True)])


def _sum_of_rows(planes: Tensor, pixels: int) -> Tensor:
    """The rows of each pixel summed: (P, k, N * R) to (P, k, N)."""
    return planes if planes.shape[2] == pixels else planes.unflatten(2, (pixels, -1)).sum(-1)


def _sum_by_pixel(J: Tensor, factor: Tensor) -> Tensor:
    """(P, N, k): rows of J (P, N * R, k) times factors (P, N, R), summed over R."""
    P, N, R = factor.shape
    k = J.shape[-1]
    if R == 1:
        return J * factor
    return (factor.reshape(P * N, 1, R) @ J.reshape(P * N, R, k)).view(P, N, k)
