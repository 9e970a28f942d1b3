"""The one numerical-Jacobian checker: central differences through a retraction."""

from collections.abc import Callable

import torch
from torch import Tensor


def numerical_jacobian(function: Callable[[Tensor], Tensor], size: int,
                       step: float = 1e-6) -> Tensor:
    """Derivative of ``function(tangent)`` at the zero tangent (size,), as (*value, size)."""
    columns = []
    for i in range(size):
        tangent = torch.zeros(size, dtype=torch.float64)
        tangent[i] = step
        columns.append((function(tangent) - function(-tangent)) / (2 * step))
    return torch.stack(columns, -1)


def assert_jacobian(function: Callable[[Tensor], Tensor], analytic: Tensor,
                    relative: float = 1e-6, step: float = 1e-6) -> None:
    """``analytic`` (*value, size) equals the central difference to ``relative`` of its
    largest entry (float64)."""
    assert analytic.dtype == torch.float64, "check derivatives in double precision"
    numeric = numerical_jacobian(function, analytic.shape[-1], step)
    assert numeric.shape == analytic.shape
    scale = analytic.abs().max().clamp(min=1e-12)
    error = (numeric - analytic).abs().max() / scale
    assert error < relative, f"relative error {error:.2e} exceeds {relative:.0e}"
