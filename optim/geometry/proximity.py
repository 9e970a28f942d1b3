"""Proximity ``p = a / (a + d)`` (paper section 3.1): the only place that converts.

``a`` is the average depth in metres.  Proximity is 1 at the camera, 1/2 at ``a``
and 0 at infinity, so every depth is finite in it and near things get precision.
A scaled camera (focal length against the one the network learnt) scales depth;
that is the same proximity with a scaled ``a``.
"""

from torch import Tensor

#: Smallest proximity that is turned into a depth: 1000 times ``a``.
MIN_PROXIMITY = 1e-3
#: Largest, i.e. the nearest depth: a thousandth of ``a``.
MAX_PROXIMITY = 1.0 - 1e-3


def proximity_from_depth(depth: Tensor, a: float | Tensor) -> Tensor:
    """Depth in metres (any shape) to proximity."""
    return a / (a + depth)


def depth_from_proximity(proximity: Tensor, a: float | Tensor) -> Tensor:
    """Proximity (any shape) to depth in metres; clamped to the valid range."""
    p = proximity.clamp(MIN_PROXIMITY, MAX_PROXIMITY)
    return a / p - a


def depth_with_jacobian(proximity: Tensor, a: float | Tensor) -> tuple[Tensor, Tensor]:
    """Depth, and ``depth_J_prox`` = -a / p^2 (zero where the clamp is active)."""
    p = proximity.clamp(MIN_PROXIMITY, MAX_PROXIMITY)
    inside = (p == proximity).to(p.dtype)
    return a / p - a, -inside * a / (p * p)


def depth_std(depth: Tensor, b: Tensor, a: float | Tensor) -> Tensor:
    """Standard deviation of depth in metres, given the Laplace scale ``b`` of proximity at the
    same pixels: sqrt(2) b |dD/dp|."""
    return (2 ** 0.5) * b * (a + depth) ** 2 / a


def proximity_scale(depth_std: Tensor, depth: Tensor, a: float | Tensor) -> Tensor:
    """The Laplace scale ``b`` of proximity, given the standard deviation of ``depth`` in metres:
    the inverse of ``depth_std``."""
    return depth_std * a / (2 ** 0.5 * (a + depth) ** 2)
