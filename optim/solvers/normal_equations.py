"""Block normal equations: a small dense symmetric system, summed residual by residual, and many
points, single parameters that are eliminated from it one by one."""

from collections.abc import Callable

import torch
from torch import Tensor


class NormalEquations:
    """``[H E^T; E diag D] (delta, points) = -(g, e)`` for ``size`` parameters and M points,
    with the ``cost`` it linearises.

    A point is a single parameter; no residual depends on two points, so that each is eliminated
    by a division (Schur complement).  Sums are kept in float64 whatever the
    residuals are, since blocks of very different magnitude meet in one matrix.
    """

    def __init__(self, size: int, device: torch.device | None = None, points: int = 0):
        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.float64, device=device)
        self.cost = 0.0
        # one more row and column takes the contributions of fixed parameters
        self._H, self._g = zeros(size + 1, size + 1), zeros(size + 1)
        self._E = zeros(points, size + 1)
        self._D, self._e = zeros(points), zeros(points)
        #: adds what was announced by ``add_later``
        self._pending: list[Callable[[NormalEquations], None]] = []

    @property
    def H(self) -> Tensor:
        """(size, size)"""
        self._complete()
        return self._H[:-1, :-1]

    @property
    def g(self) -> Tensor:
        """(size,)"""
        self._complete()
        return self._g[:-1]

    @property
    def E(self) -> Tensor:
        """(M, size)"""
        self._complete()
        return self._E[:, :-1]

    @property
    def D(self) -> Tensor:
        """(M,)"""
        self._complete()
        return self._D

    @property
    def e(self) -> Tensor:
        """(M,)"""
        self._complete()
        return self._e

    @property
    def size(self) -> int:
        """Number of parameters and points."""
        return len(self._g) - 1 + len(self._e)

    def solve_damped(self, damping: float) -> Tensor | None:
        """The step (size,) of parameters and points where every diagonal entry of the system
        is raised by the factor ``damping``; None when that matrix is not positive definite."""
        diagonal = torch.diagonal(self.H)
        # parameters without any residual stay where they are
        floor = 1e-12 * torch.cat([diagonal, self.D]).max().clamp(min=1e-12)
        H = self.H + torch.diag(damping * diagonal + floor)
        g, E = self.g, self.E
        if len(E):
            D = self.D * (1 + damping) + floor
            scaled = E / D[:, None]
            H, g = H - E.T @ scaled, g - scaled.T @ self.e
        factor, info = torch.linalg.cholesky_ex(H)
        if info.item() != 0:
            return None
        step = -torch.cholesky_solve(g[:, None], factor)[:, 0]
        if not len(E):
            return step
        return torch.cat([step, -(self.e + E @ step) / D])

    def predicted_fall(self, step: Tensor, damping: float) -> float:
        """By how much the step (size,) of ``solve_damped`` lowers the linearised cost."""
        diagonal = torch.cat([torch.diagonal(self.H), self.D])
        return 0.5 * float(step @ (damping * diagonal * step - torch.cat([self.g, self.e])))

    def add(self, blocks: list[tuple[slice, Tensor]], residual: Tensor, weight: Tensor,
            cost: float) -> None:
        """Add residuals (M,), weighted (M,), with Jacobian blocks (M, k) at their columns; see
        ``add_groups``."""
        none = torch.zeros(0, dtype=torch.long, device=residual.device)
        columns = torch.cat([none, *(torch.arange(s.start, s.stop, device=residual.device)
                                     for s, _ in blocks)])
        nothing = residual.new_zeros(len(residual), 0)
        jacobian = torch.cat([nothing, *(block for _, block in blocks)], 1)
        self.add_groups(columns[None], jacobian[None], residual[None], weight[None], cost)

    def add_groups(self, columns: Tensor, jacobian: Tensor, residual: Tensor, weight: Tensor,
                   cost: float, points: tuple[Tensor, Tensor] | None = None) -> None:
        """Add P groups of N residuals (P, N), weighted (P, N), with Jacobians (P, N, k) by the
        parameters ``columns`` (P, k); a column of -1 is fixed.

        The weight scales the square of residual and Jacobian equally.  ``cost`` is the
        robust cost of these residuals, which the weights only follow to first order.
        ``points`` gives the point (P, N) that each residual depends on, and its derivative
        (P, N) by it.
        """
        root = weight.sqrt()
        residual = root * residual
        J = jacobian * root[..., None]
        self.add_sums(columns, J.mT @ J, (J.mT @ residual[..., None])[..., 0], cost)
        if points is None:
            return
        index, by_point = points[0], root * points[1]
        size = len(self._g) - 1
        columns = columns.where(columns >= 0, size)
        _accumulate(self._D, index, by_point * by_point)
        _accumulate(self._e, index, by_point * residual)
        _accumulate(self._E, index[:, :, None] * (size + 1) + columns[:, None, :],
                    by_point[..., None] * J)

    def add_sums(self, columns: Tensor, H: Tensor, g: Tensor | None = None,
                 cost: float = 0.0) -> None:
        """Add P systems ``H`` (P, k, k), ``g`` (P, k) of the parameters ``columns`` (P, k), zero
        where ``g`` is absent; a column of -1 is fixed."""
        self.cost += cost
        size = len(self._g) - 1
        columns = columns.where(columns >= 0, size)
        _accumulate(self._H, columns[:, :, None] * (size + 1) + columns[:, None, :], H)
        if g is not None:
            _accumulate(self._g, columns, g)

    def add_later(self, add: Callable[["NormalEquations"], None], cost: float) -> None:
        """Count the cost of residuals now, and let ``add`` add their equations to these when they
        are needed: a step that is refused, and the last one of all, need only the cost."""
        self.cost += cost
        self._pending.append(add)

    def _complete(self) -> None:
        while self._pending:
            self._pending.pop(0)(self)


def _accumulate(total: Tensor, at: Tensor, values: Tensor) -> None:
    """Add values to the entries ``at`` (numbers in the flattened total), which may repeat."""
    total.view(-1).index_add_(0, at.flatten(), values.to(total.dtype).flatten())
