"""Parameters leave a least-squares problem without what they knew being lost: the Schur complement
of their part of the normal equations, kept as a residual of the parameters that stay."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.solvers.normal_equations import NormalEquations

#: Directions with less than this share of the largest eigenvalue say nothing.
_NOTHING = 1e-9


@dataclass(frozen=True)
class LinearResidual:
    """``value + jacobian @ x``, of deviation 1, of parameters that have moved by x (n,) since."""

    #: (m,) float64
    value: Tensor
    #: (m, n) float64
    jacobian: Tensor

    def at(self, moved: Tensor) -> Tensor:
        """(m,) after a move (n,)."""
        return self.value + self.jacobian @ moved


def eliminate(equations: NormalEquations, gone: Tensor, stays: Tensor) -> LinearResidual:
    """What the equations say of the parameters that stay, numbers (n,) in the order of x, when
    those ``gone``, numbers (k,), and all points take whatever value is best for them.

    Half its square differs from the linearised cost, minimised over what has gone, by a constant.
    """
    H, g = equations.H, equations.g
    if len(equations.e):
        scaled = equations.E / equations.D.clamp(min=_NOTHING)[:, None]
        H, g = H - equations.E.T @ scaled, g - scaled.T @ equations.e
    inner, across = H[gone][:, gone], H[gone][:, stays]
    # a parameter that nothing saw takes nothing with it
    floor = _NOTHING * torch.diagonal(H).max().clamp(min=_NOTHING)
    factor = torch.linalg.cholesky(inner + floor * torch.eye(len(inner)).to(inner))
    best = torch.cholesky_solve(torch.cat([across, g[gone, None]], 1), factor)
    schur = torch.cat([H[stays][:, stays], g[stays, None]], 1) - across.T @ best
    values, vectors = torch.linalg.eigh(0.5 * (schur[:, :-1] + schur[:, :-1].T))
    kept = values > _NOTHING * values.max().clamp(min=_NOTHING)
    root, vectors = values[kept].sqrt(), vectors[:, kept]
    return LinearResidual((vectors.T @ schur[:, -1]) / root, root[:, None] * vectors.T)


def pose_moved(T_from: Tensor, T: Tensor) -> tuple[Tensor, Tensor]:
    """How far poses (..., 4, 4) have moved from others, (..., 6), seen from those: translation,
    and rotation vector; and its derivative (..., 6, 6) by a perturbation ``T exp(xi)``."""
    moved = se3.inverse(T_from) @ T
    rotation = se3.log(moved)[..., 3:]
    turn = torch.linalg.inv(se3.left_jacobian(-rotation))
    jacobian = torch.zeros(*moved.shape[:-2], 6, 6, dtype=T.dtype, device=T.device)
    jacobian[..., :3, :3] = moved[..., :3, :3]
    jacobian[..., 3:, 3:] = turn
    return torch.cat([moved[..., :3, 3], rotation], -1), jacobian
