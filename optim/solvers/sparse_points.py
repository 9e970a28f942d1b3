"""Normal equations of a whole map: sparse, with points that are eliminated one by one.

The larger sibling of ``normal_equations``, whose dense matrices grow with the square of the map.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array
from torch import Tensor

from scenecode.optim.solvers.sparse_factor import symmetric_factor

#: What is added to the diagonal relative to its largest entry, so that parameters without any
#: residual stay where they are.
_FLOOR = 1e-12


@dataclass(frozen=True)
class SparsePointEquations:
    """``[H E^T; E diag D] (delta, points) = -(g, e)`` for n parameters and M points, float64.

    A point is a single parameter; no residual depends on two points, so that each is eliminated
    by a division (Schur complement), which leaves a sparse system of the parameters.
    """

    #: (n, n) and (M, n)
    H: csr_array
    E: csr_array
    #: (n,)
    g: Tensor
    #: (M,)
    D: Tensor
    e: Tensor
    cost: float

    @property
    def size(self) -> int:
        """Number of parameters and points."""
        return len(self.g) + len(self.e)

    def solve_damped(self, damping: float) -> Tensor | None:
        """As ``NormalEquations.solve_damped``."""
        diagonal, D = self.H.diagonal(), self.D.numpy()
        floor = _FLOOR * max(diagonal.max(initial=0.0), D.max(initial=0.0), 1e-12)
        D = D * (1 + damping) + floor
        by_points = self.E.T @ diags_array(1 / D)
        reduced = self.H + diags_array(damping * diagonal + floor) - by_points @ self.E
        g = self.g.numpy() - by_points @ self.e.numpy()
        try:
            factor = symmetric_factor(reduced)
        except RuntimeError:  # what SuperLU raises for a singular matrix
            return None
        step = -factor.solve(g)
        of_points = -(self.e.numpy() + self.E @ step) / D
        return torch.from_numpy(np.concatenate([step, of_points]))

    def predicted_fall(self, step: Tensor, damping: float) -> float:
        """As ``NormalEquations.predicted_fall``."""
        diagonal = torch.cat([torch.from_numpy(self.H.diagonal()), self.D])
        return 0.5 * float(step @ (damping * diagonal * step - torch.cat([self.g, self.e])))


class SparseSums:
    """Sums of small dense blocks in a sparse matrix; rows and columns of -1 are left out."""

    def __init__(self, rows: int, columns: int):
        self._shape = rows, columns
        self._entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, rows: Tensor, columns: Tensor, blocks: Tensor) -> None:
        """Add blocks (N, r, c) at rows (N, r) and columns (N, c)."""
        # those that are left out go to one behind the last: faster than to leave them out here
        row, column = (torch.where(index >= 0, index, end).int()
                       for index, end in zip((rows, columns), self._shape, strict=True))
        self._entries.append((row[:, :, None].expand(blocks.shape).flatten().numpy(),
                              column[:, None, :].expand(blocks.shape).flatten().numpy(),
                              blocks.flatten().numpy()))

    def matrix(self) -> csr_array:
        """All that was added, (rows, columns)."""
        rows, columns = self._shape
        if not self._entries:
            return csr_array(self._shape)
        row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        total = csr_array((value, (row, column)), shape=(rows + 1, columns + 1))
        return total[:rows, :columns]
