"""Huber's and Cauchy's losses as cost and as iteratively re-weighted least squares."""

import torch
from torch import Tensor


def huber_weight(error: Tensor, threshold: float) -> Tensor:
    """Weight in (0, 1] that makes a quadratic cost follow Huber's; ``error`` >= 0."""
    return threshold / error.clamp(min=threshold)


def huber_cost(error: Tensor, threshold: float) -> Tensor:
    """Half the square within the threshold, linear beyond it; ``error`` >= 0."""
    quadratic = torch.minimum(error, torch.full_like(error, threshold))
    return quadratic * (error - 0.5 * quadratic)


def cauchy_weight(error: Tensor, scale: float | Tensor) -> Tensor:
    """Weight in (0, 1] that makes a quadratic cost follow Cauchy's."""
    return 1 / (1 + (error / scale) ** 2)


def cauchy_cost(error: Tensor, scale: float | Tensor) -> Tensor:
    """Half the square for small errors, logarithmic for large ones: outliers lose their pull."""
    return 0.5 * scale ** 2 * torch.log1p((error / scale) ** 2)
