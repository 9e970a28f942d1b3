"""Huber's loss as cost and as iteratively re-weighted least squares."""

import torch
from torch import Tensor


def huber_weight(error: Tensor, threshold: float) -> Tensor:
    """Weight in (0, 1] that makes a quadratic cost follow Huber's; ``error`` >= 0."""
    return threshold / error.clamp(min=threshold)


def huber_cost(error: Tensor, threshold: float) -> Tensor:
    """Half the square within the threshold, linear beyond it; ``error`` >= 0."""
    quadratic = torch.minimum(error, torch.full_like(error, threshold))
    return quadratic * (error - 0.5 * quadratic)
