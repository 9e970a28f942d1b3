"""Block normal equations: a small dense symmetric system, summed residual by residual."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class NormalEquations:
    """``H delta = -g`` for ``size`` parameters, with the cost it linearises.

    Sums are kept in float64 whatever the residuals are, since blocks of very
    different magnitude meet in one matrix.
    """

    H: Tensor
    g: Tensor
    cost: float = 0.0

    @staticmethod
    def zeros(size: int, device=None) -> "NormalEquations":
        return NormalEquations(torch.zeros(size, size, dtype=torch.float64, device=device),
                               torch.zeros(size, dtype=torch.float64, device=device))

    def add(self, blocks: list[tuple[slice, Tensor]], residual: Tensor, weight: Tensor,
            cost: float) -> None:
        """Add residuals (M,), weighted (M,), with Jacobian blocks (M, k) at their columns.

        The weight scales the square of residual and Jacobian alike.  ``cost`` is the
        robust cost of these residuals, which the weights only follow to first order.
        """
        self.cost += cost
        if not blocks:
            return
        root = weight.sqrt()
        J = torch.cat([block for _, block in blocks], 1) * root[:, None]
        columns = torch.cat([torch.arange(s.start, s.stop, device=J.device) for s, _ in blocks])
        self.H[columns[:, None], columns] += (J.T @ J).double()
        self.g[columns] += (J.T @ (root * residual)).double()
