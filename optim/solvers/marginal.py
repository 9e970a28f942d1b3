"""Marginalisation: the Schur complement of parameters that leave a least-squares problem, as a
linear residual of the parameters that stay."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.solvers.normal_equations import NormalEquations

#: Eigenvalues below this share of the largest information of one parameter count as zero.
_RANK_TOLERANCE = 1e-9


@dataclass(frozen=True)
class LinearResidual:
    """``value + jacobian @ x``, of standard deviation 1, for a move x (n,) of the parameters."""

    #: (m,) float64
    value: Tensor
    #: (m, n) float64
    jacobian: Tensor

    def at(self, moved: Tensor) -> Tensor:
        """(m,) after a move (n,)."""
        return self.value + self.jacobian @ moved

    @cached_property
    def information(self) -> Tensor:
        """(n, n) ``jacobian^T jacobian``"""
        return self.jacobian.T @ self.jacobian


def eliminate(equations: NormalEquations, gone: Tensor, stays: Tensor) -> LinearResidual:
    """The residual on the parameters ``stays`` (n,) that remains when the parameters ``gone``
    (k,) and all points are minimised over; both are column numbers, and x is in the order of
    ``stays``.

    Half its square differs from the linearised cost, minimised over what is gone, by a constant.
    """
    H, g = equations.H, equations.g
    if len(equations.e):
        scaled = equations.E / equations.D.clamp(min=_RANK_TOLERANCE)[:, None]
        H, g = H - equations.E.T @ scaled, g - scaled.T @ equations.e
    inner, across = H[gone][:, gone], H[gone][:, stays]
    # a direction without any residual has no influence; eliminating the points leaves round-off
    # of either sign there
    smallest = _RANK_TOLERANCE * torch.diagonal(equations.H).max().clamp(min=_RANK_TOLERANCE)
    values, vectors = torch.linalg.eigh(0.5 * (inner + inner.T))
    kept = values > smallest
    values, vectors = values[kept, None], vectors[:, kept]
    best = vectors @ (vectors.T @ torch.cat([across, g[gone, None]], 1) / values)
    schur = torch.cat([H[stays][:, stays], g[stays, None]], 1) - across.T @ best
    values, vectors = torch.linalg.eigh(0.5 * (schur[:, :-1] + schur[:, :-1].T))
    kept = values > smallest
    root, vectors = values[kept].sqrt(), vectors[:, kept]
    return LinearResidual((vectors.T @ schur[:, -1]) / root, root[:, None] * vectors.T)


def pose_moved(T_from: Tensor, T: Tensor) -> tuple[Tensor, Tensor]:
    """Translation and rotation vector (..., 6) of ``T_from^-1 T``, for poses (..., 4, 4), and
    their derivative (..., 6, 6) by a perturbation ``T exp(xi)``."""
    moved = se3.inverse(T_from) @ T
    rotation = se3.rotation_vector(moved[..., :3, :3])
    turn = torch.linalg.inv(se3.left_jacobian(-rotation))
    jacobian = torch.zeros(*moved.shape[:-2], 6, 6, dtype=T.dtype, device=T.device)
    jacobian[..., :3, :3] = moved[..., :3, :3]
    jacobian[..., 3:, 3:] = turn
    return torch.cat([moved[..., :3, 3], rotation], -1), jacobian
