"""Sums over all other pixels, weighted by a Gaussian of the difference of their features.

Every kernel is normalised symmetrically, ``k_ij / sqrt(D_i D_j)`` with ``D_i = sum_j k_ij``
(Kraehenbuehl and Koltun 2013, section 5), so that its weight means the same for images of any
size, and leaves out the pixel itself.
"""

from collections.abc import Callable

import torch
from torch import Tensor

#: (N, C) values of all pixels to the sum over ``j != i`` of ``k_ij values_j``, (N, C); linear,
#: symmetric and differentiable.
PairwiseKernel = Callable[[Tensor], Tensor]


def gaussian_matrix(features: Tensor) -> Tensor:
    """(N, N) ``exp(-|f_i - f_j|^2 / 2)`` of features (N, F) in standard deviations."""
    squared = features.square().sum(1)
    distance = squared[:, None] + squared[None] - 2 * features @ features.T
    return torch.exp(-0.5 * distance.clamp(min=0))


def exact_kernel(features: Tensor) -> PairwiseKernel:
    """The kernel of features (N, F), in standard deviations, from all pairs: memory and time grow
    with N squared, so for N up to about 65^2."""
    kernel = gaussian_matrix(features)
    root = kernel.sum(1).rsqrt()
    kernel = root[:, None] * kernel * root[None]
    kernel.fill_diagonal_(0)
    return lambda values: kernel @ values


def smoothness_kernel(height: int, width: int, deviation: float, block: int,
                      like: Tensor) -> PairwiseKernel:
    """The kernel of position alone on a grid of ``height`` x ``width`` pixels, in row-major order,
    ``deviation`` in pixels of the grid; exact, because the Gaussian separates.

    Each pixel of the grid stands for ``block`` pixels of an image, of which only one is left out.
    """
    rows, columns = (gaussian_matrix(torch.arange(n, dtype=like.dtype,
                                                  device=like.device)[:, None] / deviation)
                     for n in (height, width))
    rows, columns = (k * (k.sum(1).rsqrt()[:, None] * k.sum(1).rsqrt()[None])
                     for k in (rows, columns))
    own = (rows.diagonal()[:, None] * columns.diagonal()[None]).reshape(-1, 1) / block

    def apply(values: Tensor) -> Tensor:
        along_rows = (rows @ values.reshape(height, -1)).reshape(height, width, -1)
        return torch.matmul(columns, along_rows).reshape(values.shape) - own * values

    return apply
