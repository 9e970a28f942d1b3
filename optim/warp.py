"""Dense correspondence between coded views, w(u) = pi(T_BA pi^-1(u, D_A[u])) (equation 5).

Everything is batched over P pairs (A, B) of views, with N pixels of A in each.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
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
        return self.prox_zero + (self.prox_J_code @ codes[..., None])[..., 0]

    def of(self, views: Tensor) -> "CodedPixels":
        """The views (P,) by number."""
        return CodedPixels(rays=self.rays[views], prox_zero=self.prox_zero[views],
                           prox_J_code=self.prox_J_code[views],
                           average_depth=self.average_depth[views])


@dataclass(frozen=True)
class Warp:
    """Projections of pixels of A into B, with their derivatives."""

    #: (P, N, 3) in A's and in B's camera frame
    x_a: Tensor
    x_b: Tensor
    #: (P, N, 2) in B
    pixels: Tensor
    #: (P, N, 2, 3)
    pixel_J_x: Tensor
    #: (P, N) bool: in front of B and inside its border
    valid: Tensor
    #: (P, 3, 3)
    R_ba: Tensor
    #: (P, N, 3) derivative of x_b by A's proximity, or by a point's ln depth
    x_b_J_depth: Tensor
    #: (P, N, Kd) derivative of that by A's depth code, or (1, 1, 1) one for points
    depth_J_code: Tensor

    def chain(self, value_J_x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Derivatives of values that depend on ``x_b``, given theirs by it (P, N, R, 3).

        Returns those by A's pose (P, N, R, 6), B's pose (P, N, R, 6) and A's depth code
        (P, N, R, Kd), or the points' ln depths (P, N, R, 1); poses perturbed on the right:
        x_b = exp(-xi_b) T_BA exp(xi_a) x_a.
        """
        by_a = (value_J_x.flatten(1, 2) @ self.R_ba).view_as(value_J_x)
        x_a = self.x_a[..., None, :].expand_as(by_a)
        x_b = self.x_b[..., None, :].expand_as(by_a)
        # m^T (-hat(x)) = (x cross m)^T
        pose_a = torch.cat([by_a, torch.linalg.cross(x_a, by_a)], -1)
        pose_b = -torch.cat([value_J_x, torch.linalg.cross(x_b, value_J_x)], -1)
        by_depth = (value_J_x * self.x_b_J_depth[..., None, :]).sum(-1)
        return pose_a, pose_b, by_depth[..., None] * self.depth_J_code[..., None, :]


def in_view(x: Tensor, pixels: Tensor, camera: PinholeCamera, border: float = 0.0) -> Tensor:
    """Mask (...) of points (..., 3) in a camera's frame that lie in front of it and project, to
    ``pixels`` (..., 2), inside its image less a border."""
    return (x[..., 2] > MIN_DEPTH) & image.inside(pixels, camera.width, camera.height, border)


def warp(pixels_a: CodedPixels, codes_a: Tensor, T_ba: Tensor, camera_b: PinholeCamera,
         border: float) -> Warp:
    """Warp the pixels of each A, at depth codes (P, Kd), by ``T_ba`` (P, 4, 4) into a B of
    ``camera_b``; pixels closer than ``border`` to its edge are not valid."""
    depth, depth_J_prox = depth_with_jacobian(pixels_a.proximity(codes_a), pixels_a.average_depth)
    return _warp(pixels_a.rays * depth[..., None], pixels_a.rays * depth_J_prox[..., None],
                 pixels_a.prox_J_code, T_ba, camera_b, border)


def warp_points(rays: Tensor, log_depth: Tensor, T_ba: Tensor, camera_b: PinholeCamera) -> Warp:
    """Warp points at depth ``exp(log_depth)`` (P, N) along ``rays`` (P, N, 3): the depth of
    each is a parameter of its own."""
    x_a = rays * log_depth.exp()[..., None]
    return _warp(x_a, x_a, log_depth.new_ones(1, 1, 1), T_ba, camera_b, 0.0)


def _warp(x_a: Tensor, x_a_J_depth: Tensor, depth_J_code: Tensor, T_ba: Tensor,
          camera_b: PinholeCamera, border: float) -> Warp:
    R_ba = T_ba[:, :3, :3]
    x_b = x_a @ R_ba.mT + T_ba[:, None, :3, 3]
    pixels, pixel_J_x = camera_b.project(x_b)
    return Warp(x_a=x_a, x_b=x_b, pixels=pixels, pixel_J_x=pixel_J_x,
                valid=in_view(x_b, pixels, camera_b, border), R_ba=R_ba,
                x_b_J_depth=x_a_J_depth @ R_ba.mT, depth_J_code=depth_J_code)
