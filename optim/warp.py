"""Dense correspondence between coded views, w(u) = pi(T_BA pi^-1(u, D_A[u])) (equation 5).

Everything is batched over P pairs (A, B) of views, with N pixels of A in each.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
from scenecode.optim.geometry.parallax import tells_depth
from scenecode.optim.geometry.proximity import depth_with_jacobian
from scenecode.optim.imaging import image


@dataclass(frozen=True)
class ViewState:
    """The parameters of a keyframe that are optimised."""

    #: (4, 4)
    T_world_cam: Tensor
    #: (Kd,) and (Ks,)
    code_depth: Tensor
    code_semantic: Tensor


@dataclass(frozen=True)
class CodedPixels:
    """N pixels of each of V views, with their proximity as a linear function of depth codes."""

    #: (V, N, 3) points at depth 1
    rays: Tensor
    #: (V, N) and (V, N, Kd)
    prox_zero: Tensor
    prox_J_code: Tensor
    #: (V, 1) the ``a`` of proximity, metres
    average_depth: Tensor

    def proximity(self, codes: Tensor) -> Tensor:
        """(V, N) proximity at depth codes (V, Kd)."""
        return self.prox_zero + by_codes(self.prox_J_code, codes)


def by_codes(J_code: Tensor, codes: Tensor) -> Tensor:
    """(V, M): derivatives (V, M, K) times codes (V, K).

    View by view: a batched product with single columns takes many times as long.
    """
    if not len(codes):
        return J_code.new_zeros(J_code.shape[:2])
    return torch.stack([J @ code for J, code in zip(J_code, codes, strict=True)])


@dataclass(frozen=True)
class Warp:
    """Projections of pixels of A into B, with their derivatives.

    Poses act by one motion xi (6,) of A's points in B, to first order ``exp(xi) x_b``, of which
    A's pose and B's pose are linear functions: so the sums over pixels are those of 6 parameters
    instead of 12.  Arrays of coordinates are laid out in memory as planes of pixels.
    """

    #: (P, N, 3) in B's camera frame
    x_b: Tensor
    #: (P, N, 2) in B
    pixels: Tensor
    #: (P, N) bool: in front of B and inside its border
    valid: Tensor
    #: (P, 4, 4)
    T_ba: Tensor
    #: (P, N, 3) derivative of x_b by A's proximity, or by a point's ln depth
    x_b_J_depth: Tensor
    #: focal lengths of B
    fx: float
    fy: float

    def of(self, pairs: slice) -> "Warp":
        """Some of the pairs."""
        return replace(self, x_b=self.x_b[pairs], pixels=self.pixels[pairs],
                       valid=self.valid[pairs], T_ba=self.T_ba[pairs],
                       x_b_J_depth=self.x_b_J_depth[pairs])

    def with_depth_held(self, counts: Tensor) -> "Warp":
        """The same with no derivative by depth where the pixels of a pair that ``counts`` (P, N)
        selects have too little parallax to tell anything about it."""
        tells = tells_depth(self.x_b, self.T_ba[:, :3, 3], counts)
        return replace(self, x_b_J_depth=self.x_b_J_depth * tells[:, None, None])

    @property
    def pixel_J_x(self) -> Tensor:
        """(P, N, 2, 3) derivative of the valid pixels by x_b."""
        x, y, z = self.x_b.unbind(-1)
        u, v, zero = self.fx / z, self.fy / z, torch.zeros_like(z)
        planes = torch.stack([u, zero, -u * x / z, zero, v, -v * y / z])
        return planes.movedim(0, -1).unflatten(-1, (2, 3))

    def by_point(self, value_J_pixel: Tensor) -> Tensor:
        """Derivative (P, N, R, 3) by x_b of values that depend on the pixel, given theirs by it
        (P, N, R, 2)."""
        x, y, z = self.x_b[..., None, :].unbind(-1)
        inverse = 1 / z.clamp(min=MIN_DEPTH)
        by_u = value_J_pixel[..., 0] * (self.fx * inverse)
        by_v = value_J_pixel[..., 1] * (self.fy * inverse)
        by_z = (by_u * x + by_v * y).mul_(-inverse)
        return torch.stack([by_u, by_v, by_z]).movedim(0, -1)

    def chain(self, value_J_x: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of values that depend on x_b, given theirs by it (P, N, R, 3): by the
        motion of A's points in B, (P, N, R, 6), and by A's proximity or the points' ln depth,
        (P, N, R)."""
        x, y, z = self.x_b[..., None, :].unbind(-1)
        a, b, c = value_J_x.unbind(-1)
        # m^T (-hat(x)) = (x cross m)^T
        motion = torch.stack([a, b, c, y * c - z * b, z * a - x * c, x * b - y * a], 1)
        u, v, w = self.x_b_J_depth[..., None, :].unbind(-1)
        return motion.movedim(1, -1), a * u + b * v + c * w

    def motion_J_poses(self) -> Tensor:
        """(P, 6, 12) derivative of the motion by A's and by B's pose, which are perturbed on the
        right: ``x_b = exp(-xi_b) T_ba exp(xi_a) x_a``."""
        eye = torch.eye(6, dtype=self.T_ba.dtype, device=self.T_ba.device)
        return torch.cat([se3.adjoint(self.T_ba), -eye.expand(len(self.T_ba), 6, 6)], 2)


def in_view(x: Tensor, pixels: Tensor, camera: PinholeCamera, border: float = 0.0) -> Tensor:
    """Mask (...) of points (..., 3) in a camera's frame that lie in front of it and project, to
    ``pixels`` (..., 2), inside its image less a border."""
    return (x[..., 2] > MIN_DEPTH) & image.inside(pixels, camera.width, camera.height, border)


def warp(pixels: CodedPixels, codes: Tensor, views_a: Tensor, T_ba: Tensor,
         camera_b: PinholeCamera, border: float) -> Warp:
    """Warp the pixels of the views (P,), at depth codes (V, Kd) of all views, by ``T_ba``
    (P, 4, 4) into a B of ``camera_b``; pixels closer than ``border`` to its edge are not valid."""
    depth, depth_J_prox = depth_with_jacobian(pixels.proximity(codes), pixels.average_depth)
    rays = pixels.rays.mT.contiguous()
    return _warp((rays * depth[:, None])[views_a], (rays * depth_J_prox[:, None])[views_a], T_ba,
                 camera_b, border)


def warp_points(rays: Tensor, log_depth: Tensor, T_ba: Tensor, camera_b: PinholeCamera) -> Warp:
    """Warp points at depth ``exp(log_depth)`` (P, N) along ``rays`` (P, N, 3): the depth of
    each is a parameter of its own."""
    x_a = rays.mT.contiguous() * log_depth.exp()[:, None]
    return _warp(x_a, x_a, T_ba, camera_b, 0.0)


def _warp(x_a: Tensor, x_a_J_depth: Tensor, T_ba: Tensor, camera_b: PinholeCamera,
          border: float) -> Warp:
    """Points and derivatives (P, 3, N)."""
    R_ba = T_ba[:, :3, :3]
    x_b = R_ba @ x_a + T_ba[:, :3, 3:]
    x, y, z = x_b.unbind(1)
    inverse = 1 / z.clamp(min=MIN_DEPTH)
    pixels = torch.stack([camera_b.fx * (x * inverse) + camera_b.cx,
                          camera_b.fy * (y * inverse) + camera_b.cy]).movedim(0, -1)
    return Warp(x_b=x_b.mT, pixels=pixels, valid=in_view(x_b.mT, pixels, camera_b, border),
                T_ba=T_ba, x_b_J_depth=(R_ba @ x_a_J_depth).mT, fx=camera_b.fx, fy=camera_b.fy)
