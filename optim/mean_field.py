"""Mean-field approximation of the marginals of a random field over labels.

Kraehenbuehl and Koltun 2011, algorithm 1: every update replaces all distributions at once by
those that the expected pairwise energy of the others leaves.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


def mean_field(log_unary: Tensor, q: Tensor, energies: Iterable[Callable[[Tensor], Tensor]],
               dim: int) -> Tensor:
    """Distributions over labels (along ``dim``) after one update for each of ``energies``.

    ``log_unary`` are the negative unary energies, ``q`` the distributions to start from, and
    each function gives the expected pairwise energy of every label at every variable under the
    present distributions of the others; all of one shape.  Differentiable.
    """
    for energy in energies:
        q = torch.softmax(log_unary - energy(q), dim)
    return q
