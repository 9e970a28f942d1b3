"""Block normal equations: a small dense symmetric system, summed residual by residual, and many
single parameters that are eliminated from it one by one."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class NormalEquations:
    """``[H E^T; E diag D] (delta, points) = -(g, e)`` for ``size`` parameters and M points,
    with the cost it linearises.

    A point is one parameter that no residual shares with another point, so that it is
    eliminated by a division (Schur complement).  Sums are kept in float64 whatever the
    residuals are, since blocks of very different magnitude meet in one matrix.
    """

    #: (size, size) and (size,)
    H: Tensor
    g: Tensor
    #: (M, size), (M,) and (M,)
    E: Tensor
    D: Tensor
    e: Tensor
    cost: float = 0.0

    @staticmethod
    def zeros(size: int, device=None, points: int = 0) -> "NormalEquations":
        def zeros(*shape):
            return torch.zeros(*shape, dtype=torch.float64, device=device)
        return NormalEquations(zeros(size, size), zeros(size), zeros(points, size),
                               zeros(points), zeros(points))

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
        parameters ``columns`` (P, k); a column of -1 is held.

        The weight scales the square of residual and Jacobian alike.  ``cost`` is the
        robust cost of these residuals, which the weights only follow to first order.
        ``points`` gives the point (P, N) that each residual depends on, and its derivative
        (P, N) by it.
        """
        self.cost += cost
        root = weight.sqrt()
        residual = (root * residual)[..., None]
        J = jacobian * root[..., None]
        # what belongs to held parameters is summed into one more row and column, and dropped
        size = len(self.g)
        columns = columns.where(columns >= 0, size)
        self._scatter(self.H, columns, columns, J.mT @ J)
        g = torch.cat([self.g, self.g.new_zeros(1)])
        g.index_put_((columns,), (J.mT @ residual)[..., 0].double(), accumulate=True)
        self.g = g[:size]
        if points is None:
            return
        index, by_point = points[0], root * points[1]
        flat = index.flatten()
        self.D.index_add_(0, flat, (by_point * by_point).double().flatten())
        self.e.index_add_(0, flat, (by_point * residual[..., 0]).double().flatten())
        for n, column in enumerate(columns):
            used = column < size
            mixed = (by_point[n, :, None] * J[n][:, used]).double()
            block = mixed.new_zeros(len(self.D), mixed.shape[1]).index_add_(0, index[n], mixed)
            self.E[:, column[used]] += block

    @staticmethod
    def _scatter(H: Tensor, rows: Tensor, columns: Tensor, blocks: Tensor) -> None:
        size = len(H)
        flat = H.new_zeros(size + 1, size + 1)
        flat.index_put_((rows[:, :, None], columns[:, None, :]), blocks.double(), accumulate=True)
        H += flat[:size, :size]
