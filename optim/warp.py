"""Dense correspondence between two coded views, w(u) = pi(T_BA pi^-1(u, D_A[u])) (equation 5)."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from optim import image, se3
from optim.camera import MIN_DEPTH, PinholeCamera
from optim.proximity import depth_with_jacobian


@dataclass(frozen=True)
class CodedView:
    """The constant part of a keyframe at one resolution: N = H * W pixels, row by row.

    ``chosen`` gives a view of some of the pixels; such a view can be warped but not be
    looked up in.
    """

    camera: PinholeCamera
    #: (N,) in [0, 1]
    intensity: Tensor
    #: (N, 3) points at depth 1
    rays: Tensor
    #: the ``a`` of proximity, metres
    average_depth: float
    #: (N,) and (N, Kd)
    prox_zero: Tensor
    prox_J_code: Tensor
    #: (N, C) and (N, C, Ks)
    logits_zero: Tensor
    logits_J_code: Tensor

    def chosen(self, index: Tensor) -> "CodedView":
        """The pixels at ``index`` (M,) only."""
        return replace(self, **{name: getattr(self, name)[index] for name in (
            "intensity", "rays", "prox_zero", "prox_J_code", "logits_zero", "logits_J_code")})

    def proximity(self, code: Tensor) -> Tensor:
        """(N,) proximity at a depth code (Kd,)."""
        return self.prox_zero + self.prox_J_code @ code

    def logits(self, code: Tensor) -> Tensor:
        """(N, C) logits at a semantic code (Ks,)."""
        return self.logits_zero + self.logits_J_code @ code

    def as_maps(self, values: Tensor) -> Tensor:
        """(N, ...) to (H, W, -1)."""
        return values.reshape(self.camera.height, self.camera.width, -1)


@dataclass(frozen=True)
class ViewState:
    """What is optimised of a keyframe."""

    #: (4, 4)
    T_world_cam: Tensor
    #: (Kd,) and (Ks,)
    code_depth: Tensor
    code_semantic: Tensor

    def retract(self, pose: Tensor, code_depth: Tensor, code_semantic: Tensor) -> "ViewState":
        """Moved by a tangent (6,) and two code steps."""
        return replace(self, T_world_cam=se3.retract(self.T_world_cam, pose),
                       code_depth=self.code_depth + code_depth,
                       code_semantic=self.code_semantic + code_semantic)


@dataclass(frozen=True)
class Warp:
    """Where the pixels of view A fall in view B, and how that moves."""

    #: (N, 3) in A's and in B's camera frame
    x_a: Tensor
    x_b: Tensor
    #: (N, 2) in B
    pixels: Tensor
    #: (N, 2, 3)
    pixel_J_x: Tensor
    #: (N,) bool: in front of B and inside its border
    valid: Tensor
    #: (3, 3)
    R_ba: Tensor
    #: (N, 3) derivative of x_b by A's proximity
    x_b_J_prox: Tensor
    #: (N, Kd)
    prox_J_code: Tensor

    def chain(self, value_J_x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Derivatives of values that depend on ``x_b``, given theirs by it (N, R, 3).

        Returns those by A's pose (N, R, 6), B's pose (N, R, 6) and A's depth code
        (N, R, Kd), poses perturbed on the right:
        x_b = exp(-xi_b) T_BA exp(xi_a) x_a.
        """
        by_a = value_J_x @ self.R_ba
        x_a = self.x_a[:, None].expand_as(by_a)
        x_b = self.x_b[:, None].expand_as(by_a)
        # m^T (-hat(x)) = (x cross m)^T
        pose_a = torch.cat([by_a, torch.linalg.cross(x_a, by_a)], -1)
        pose_b = -torch.cat([value_J_x, torch.linalg.cross(x_b, value_J_x)], -1)
        by_prox = torch.einsum("nrx,nx->nr", value_J_x, self.x_b_J_prox)
        return pose_a, pose_b, by_prox[..., None] * self.prox_J_code[:, None]


def warp(view_a: CodedView, state_a: ViewState, view_b: CodedView, state_b: ViewState,
         border: float) -> Warp:
    """Warp every pixel of A into B; ``border`` in pixels of B is left out."""
    T_ba = se3.inverse(state_b.T_world_cam) @ state_a.T_world_cam
    R_ba = T_ba[:3, :3]
    depth, depth_J_prox = depth_with_jacobian(view_a.proximity(state_a.code_depth),
                                              view_a.average_depth)
    x_a = view_a.rays * depth[:, None]
    x_b = se3.act(T_ba, x_a)
    pixels, pixel_J_x = view_b.camera.project(x_b)
    valid = (x_b[:, 2] > MIN_DEPTH) & image.inside(
        pixels, view_b.camera.width, view_b.camera.height, border)
    x_b_J_prox = (view_a.rays @ R_ba.T) * depth_J_prox[:, None]
    return Warp(x_a, x_b, pixels, pixel_J_x, valid, R_ba, x_b_J_prox, view_a.prox_J_code)
