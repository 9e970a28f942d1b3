"""Rigid transforms: exponential, logarithm, inverse, action and retraction.

A transform is a (..., 4, 4) matrix ``T_a_b`` with ``x_a = T_a_b x_b``; a tangent
vector is (..., 6) = (translation, rotation).  Retraction perturbs on the right,
``T exp(xi)``.  All functions broadcast over leading dimensions, keep the dtype
(float32 or float64) and are smooth through zero rotation.
"""

from functools import cache

import torch
from torch import Tensor

#: The 4x4 matrix of each tangent direction, row by row.
_GENERATORS = (
    (0., 0., 0., 1., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.),
    (0., 0., 0., 0., 0., 0., 0., 1., 0., 0., 0., 0., 0., 0., 0., 0.),
    (0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 1., 0., 0., 0., 0.),
    (0., 0., 0., 0., 0., 0., -1., 0., 0., 1., 0., 0., 0., 0., 0., 0.),
    (0., 0., 1., 0., 0., 0., 0., 0., -1., 0., 0., 0., 0., 0., 0., 0.),
    (0., -1., 0., 0., 1., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.),
)


def identity(*batch: int, dtype=torch.float32, device=None) -> Tensor:
    """Identity transforms, (*batch, 4, 4)."""
    return torch.eye(4, dtype=dtype, device=device).expand(*batch, 4, 4).clone()


def hat(w: Tensor) -> Tensor:
    """Skew matrix (..., 3, 3) with ``hat(w) x = w cross x``."""
    zero = torch.zeros_like(w[..., 0])
    x, y, z = w.unbind(-1)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return torch.stack(rows, -1).reshape(*w.shape[:-1], 3, 3)


def from_rotation_translation(rotation: Tensor, translation: Tensor) -> Tensor:
    """Transform (..., 4, 4) from (..., 3, 3) and (..., 3)."""
    top = torch.cat([rotation, translation.unsqueeze(-1)], -1)
    bottom = _constant(((0.0, 0.0, 0.0, 1.0),), top.dtype, top.device)
    return torch.cat([top, bottom.expand(*top.shape[:-2], 1, 4)], -2)


def wedge(xi: Tensor) -> Tensor:
    """Tangent (..., 6) to its matrix (..., 4, 4) in the Lie algebra."""
    generators = _constant(_GENERATORS, xi.dtype, xi.device)
    return (xi @ generators).reshape(*xi.shape[:-1], 4, 4)


@cache
def _constant(rows: tuple, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor that is made once: making it takes longer than using it."""
    return torch.tensor(rows, dtype=dtype, device=device)


def exp(xi: Tensor) -> Tensor:
    """Tangent (..., 6) to transform (..., 4, 4).

    The matrix exponential itself: one call instead of thirty small ones, and no
    special case at zero.
    """
    return torch.linalg.matrix_exp(wedge(xi))


def log(T: Tensor) -> Tensor:
    """Transform (..., 4, 4) to tangent (..., 6), rotation angle in [0, pi]."""
    w = rotation_vector(T[..., :3, :3])
    rho = torch.linalg.solve(left_jacobian(w), T[..., :3, 3:]).squeeze(-1)
    return torch.cat([rho, w], -1)


def left_jacobian(w: Tensor) -> Tensor:
    """Left Jacobian (..., 3, 3) of SO(3) at rotation vectors (..., 3): to first order
    ``exp(w + d) = exp(J d) exp(w)``.  The right Jacobian is that at -w."""
    B, C = _left_jacobian_coefficients(w)
    W = hat(w)
    return torch.eye(3, dtype=w.dtype, device=w.device) + B * W + C * (W @ W)


def inverse(T: Tensor) -> Tensor:
    """``T_b_a`` from ``T_a_b``."""
    Rt = T[..., :3, :3].transpose(-1, -2)
    return from_rotation_translation(Rt, -(Rt @ T[..., :3, 3:]).squeeze(-1))


def adjoint(T: Tensor) -> Tensor:
    """(..., 6, 6) of (..., 4, 4): ``T exp(xi) = exp(adjoint(T) xi) T``."""
    R = T[..., :3, :3]
    top = torch.cat([R, hat(T[..., :3, 3]) @ R], -1)
    return torch.cat([top, torch.cat([torch.zeros_like(R), R], -1)], -2)


def act(T: Tensor, x: Tensor) -> Tensor:
    """Points ``x_b`` (..., N, 3) to ``x_a``, by ``T_a_b`` (..., 4, 4)."""
    return x @ T[..., :3, :3].transpose(-1, -2) + T[..., None, :3, 3]


def retract(T: Tensor, xi: Tensor) -> Tensor:
    """``T exp(xi)``, with the rotation put back on SO(3) against drift."""
    moved = T @ exp(xi)
    return from_rotation_translation(normalise_rotation(moved[..., :3, :3]), moved[..., :3, 3])


def stretched(xi: Tensor, factor: Tensor) -> Tensor:
    """Tangents (..., 6) whose translation is multiplied by factors (...)."""
    return torch.cat([xi[..., :3] * factor[..., None], xi[..., 3:]], -1)


def normalise_rotation(R: Tensor) -> Tensor:
    """Nearest rotation to a nearly orthonormal (..., 3, 3), by one Newton step of
    the polar decomposition: enough against round-off, not against a wrong matrix."""
    eye = torch.eye(3, dtype=R.dtype, device=R.device)
    return R @ (1.5 * eye - 0.5 * (R.transpose(-1, -2) @ R))


def rotation_angle(T: Tensor) -> Tensor:
    """Rotation angle of (..., 4, 4) in radians, (...)."""
    return torch.linalg.norm(rotation_vector(T[..., :3, :3]), dim=-1)


def quaternion_from_rotation(R: Tensor) -> Tensor:
    """Unit quaternion (..., 4) as (x, y, z, w) with w >= 0, from (..., 3, 3).

    Each of the four components can be the largest; the one that is gives the
    division that loses no digits.
    """
    m = R
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    yz, zy = m[..., 2, 1], m[..., 1, 2]
    xz, zx = m[..., 0, 2], m[..., 2, 0]
    xy, yx = m[..., 1, 0], m[..., 0, 1]
    candidates = torch.stack([
        torch.stack([1 + xx - yy - zz, xy + yx, xz + zx, yz - zy], -1),
        torch.stack([xy + yx, 1 - xx + yy - zz, yz + zy, xz - zx], -1),
        torch.stack([xz + zx, yz + zy, 1 - xx - yy + zz, xy - yx], -1),
        torch.stack([yz - zy, xz - zx, xy - yx, 1 + xx + yy + zz], -1),
    ], -2)
    diagonal = torch.diagonal(candidates, dim1=-2, dim2=-1)
    best = diagonal.argmax(-1)[..., None, None].expand(*diagonal.shape[:-1], 1, 4)
    q = torch.gather(candidates, -2, best).squeeze(-2)
    q = q / torch.linalg.norm(q, dim=-1, keepdim=True)
    return torch.where(q[..., 3:] < 0, -q, q)


def rotation_from_quaternion(q: Tensor) -> Tensor:
    """Rotation (..., 3, 3) from (..., 4) = (x, y, z, w); normalises its input."""
    q = q / torch.linalg.norm(q, dim=-1, keepdim=True)
    V = hat(q[..., :3])
    eye = torch.eye(3, dtype=q.dtype, device=q.device)
    return eye + 2 * q[..., 3, None, None] * V + 2 * V @ V


def rotation_vector(R: Tensor) -> Tensor:
    """Rotation (..., 3, 3) to its vector (..., 3), of length 0 to pi."""
    q = quaternion_from_rotation(R)
    vector, scalar = q[..., :3], q[..., 3:]
    sine = torch.linalg.norm(vector, dim=-1, keepdim=True)
    small = sine < 1e-6
    safe = torch.where(small, torch.ones_like(sine), sine)
    # theta / sin(theta / 2), whose limit at zero is 2 / cos(theta / 2)
    factor = torch.where(small, 2 / scalar.clamp(min=0.5), 2 * torch.atan2(sine, scalar) / safe)
    return factor * vector


def _left_jacobian_coefficients(w: Tensor) -> tuple[Tensor, Tensor]:
    """(1 - cos t)/t^2 and (t - sin t)/t^3 of rotation vectors (..., 3), each (..., 1, 1)."""
    square = (w * w).sum(-1)[..., None, None]
    # below this the closed forms lose more digits than the series leaves out
    small = square < (1e-2 if w.dtype == torch.float32 else 1e-4)
    safe = torch.where(small, torch.ones_like(square), square)
    t = safe.sqrt()
    half = torch.sin(0.5 * t)
    B = torch.where(small, 0.5 * (1 - square / 12 * (1 - square / 30 * (1 - square / 56))),
                    2 * half * half / safe)
    C = torch.where(small, (1 - square / 20 * (1 - square / 42 * (1 - square / 72))) / 6,
                    (t - torch.sin(t)) / (safe * t))
    return B, C
