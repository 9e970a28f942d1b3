"""The residuals of the map, each with its Jacobian from the same function.

Photometric (equation 6), geometric (equation 7), semantic (equation 8), the zero-code prior
(section 4), and those of points with their own depth.  Each is batched over P pairs of
views (A, B); a derivative is by a ``Block``: one view's parameters of one group.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

import torch
from torch import Tensor

from scenecode.optim.geometry.camera import MIN_DEPTH
from scenecode.optim.geometry.proximity import depth_with_jacobian
from scenecode.optim.imaging.lookup import sample_views, sample_views_with_gradient
from scenecode.optim.warp import CodedPixels, Warp


class Group(Enum):
    """What a parameter describes."""

    POSE = auto()
    DEPTH_CODE = auto()
    SEMANTIC_CODE = auto()
    #: ln depth of a point in the view that it belongs to
    POINT = auto()


class View(Enum):
    """Which view of a pair (A, B) a parameter belongs to."""

    A = auto()
    B = auto()


class Block(NamedTuple):
    """A key of ``Residual.jacobians``."""

    group: Group
    view: View


POSE_A, POSE_B = (Block(Group.POSE, view) for view in View)
DEPTH_A, DEPTH_B = (Block(Group.DEPTH_CODE, view) for view in View)
SEMANTIC_A, SEMANTIC_B = (Block(Group.SEMANTIC_CODE, view) for view in View)
POINT_A = Block(Group.POINT, View.A)


@dataclass(frozen=True)
class Residual:
    """N residual vectors of R entries for each of P pairs, with their derivatives."""

    #: (P, N, R)
    value: Tensor
    #: (P, N, R, size) each; a block that is absent has no influence
    jacobians: dict[Block, Tensor]


@dataclass(frozen=True)
class DepthMaps:
    """Proximity of V views as maps, linear in their depth codes."""

    #: (V, H, W, 1) zero-code proximity and (V, H, W, Kd) its derivative by the code
    prox_zero: Tensor
    prox_J_code: Tensor
    #: (V, 1) metres
    average_depth: Tensor

    def proximity(self, codes: Tensor) -> Tensor:
        """(V, H, W, 1) at depth codes (V, Kd)."""
        return self.prox_zero + self.prox_J_code @ codes[:, None, :, None]


@dataclass(frozen=True)
class LabelMaps:
    """Logits of V views as maps, linear in their semantic codes."""

    #: (V, H, W, C) and (V, H, W, C * Ks)
    logits_zero: Tensor
    logits_J_code: Tensor

    def logits(self, codes: Tensor) -> Tensor:
        """(V, H, W, C) at semantic codes (V, Ks)."""
        C = self.logits_zero.shape[-1]
        J = self.logits_J_code.unflatten(-1, (C, -1))
        return self.logits_zero + (J @ codes[:, None, None, :, None])[..., 0]


def photometric(intensity_a: Tensor, seen: Tensor, seen_J_pixel: Tensor, warp: Warp,
                gain: Tensor, offset: Tensor) -> Residual:
    """``gain * I_A[u] + offset - I_B[w(u)]`` (P, N, 1), given the look-up in B (P, N, 1) and
    its derivative (P, N, 1, 2); gain and offset (P, 1) are constants here."""
    value = (gain * intensity_a + offset)[..., None] - seen
    pose_a, pose_b, depth_a = warp.chain(_by_point(-seen_J_pixel, warp))
    return Residual(value, {POSE_A: pose_a, POSE_B: pose_b, DEPTH_A: depth_a})


def geometric(maps: DepthMaps, codes: Tensor, views_b: Tensor, warp: Warp) -> Residual:
    """``ln D_B[w(u)] - ln [T_BA pi^-1(u, D_A[u])]_z`` (P, N, 1), for codes (V, Kd).

    Logarithms, since the network's error grows with depth.  They are to first order the same
    as dividing by depth, but dividing by a depth that the solver holds constant would not do:
    every step then lowers the cost by shrinking the whole scene.

    B's proximity is interpolated and then turned into depth, so that the look-up
    stays linear in B's code.
    """
    prox, prox_J_pixel = sample_views_with_gradient(maps.proximity(codes), views_b, warp.pixels)
    seen, seen_J_prox = depth_with_jacobian(prox, maps.average_depth[views_b, None])
    warped = warp.x_b[..., 2:].clamp(min=MIN_DEPTH)
    log_J_prox = seen_J_prox / seen
    value_J_x = log_J_prox[..., None] * _by_point(prox_J_pixel, warp)
    value_J_x[..., 2] -= 1 / warped
    pose_a, pose_b, depth_a = warp.chain(value_J_x)
    code_J = sample_views(maps.prox_J_code, views_b, warp.pixels)
    return Residual(seen.log() - warped.log(),
                    {POSE_A: pose_a, POSE_B: pose_b, DEPTH_A: depth_a,
                     DEPTH_B: (log_J_prox * code_J)[..., None, :]})


def semantic(prob_a: Tensor, prob_a_J_code: Tensor, maps: LabelMaps, logits: Tensor,
             views_b: Tensor, warp: Warp, with_geometry: bool) -> Residual:
    """``softmax(S_A[u]) - softmax(S_B[w(u)])`` (P, N, C), given A's probabilities (P, N, C)
    and their derivative (P, N, C, Ks), and all views' ``maps`` with their present ``logits``.

    ``with_geometry`` adds the derivatives by poses and A's depth code, which the
    joint stage uses; they are fixed in the semantic stage.
    """
    if with_geometry:
        logits_b, logits_b_J_pixel = sample_views_with_gradient(logits, views_b, warp.pixels)
    else:
        logits_b = sample_views(logits, views_b, warp.pixels)
    prob_b = torch.softmax(logits_b, -1)
    J = sample_views(maps.logits_J_code, views_b, warp.pixels)
    jacobians = {SEMANTIC_A: prob_a_J_code,
                 SEMANTIC_B: -softmax_chain(prob_b, J.unflatten(-1, (prob_b.shape[-1], -1)))}
    if with_geometry:
        by_x = -_by_point(softmax_chain(prob_b, logits_b_J_pixel), warp)
        jacobians[POSE_A], jacobians[POSE_B], jacobians[DEPTH_A] = warp.chain(by_x)
    return Residual(prob_a - prob_b, jacobians)


def reprojection(observed: Tensor, warp: Warp) -> Residual:
    """``w(u) - observed`` (P, N, 2) in pixels of B, for points with their own depth
    (``warp_points``)."""
    pose_a, pose_b, point = warp.chain(warp.pixel_J_x)
    return Residual(warp.pixels - observed,
                    {POSE_A: pose_a, POSE_B: pose_b, POINT_A: point})


def point_depth(log_depth: Tensor, pixels: CodedPixels, codes: Tensor) -> Residual:
    """``ln d - ln D[u]`` (P, N, 1): points' own ln depths (P, N) against the depth of their views
    at codes (P, Kd); the view counts as A."""
    depth, depth_J_prox = depth_with_jacobian(pixels.proximity(codes), pixels.average_depth)
    depth_a = -(depth_J_prox / depth)[..., None] * pixels.prox_J_code
    one = log_depth.new_ones(1, 1, 1, 1).expand(*log_depth.shape, 1, 1)
    return Residual((log_depth - depth.log())[..., None],
                    {DEPTH_A: depth_a[..., None, :], POINT_A: one})


def softmax_chain(prob: Tensor, logits_J: Tensor) -> Tensor:
    """(diag p - p p^T) J for p (..., C) and J (..., C, K), without forming the matrix."""
    weighted = prob[..., None] * logits_J
    return weighted - prob[..., None] * weighted.sum(-2, keepdim=True)


def code_prior(codes: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """``c / sigma`` (V, K) of codes (V, K), and its derivative (V, K, K)."""
    K = codes.shape[-1]
    eye = torch.eye(K, dtype=codes.dtype, device=codes.device) / sigma
    return codes / sigma, eye.expand(len(codes), K, K)


def _by_point(value_J_pixel: Tensor, warp: Warp) -> Tensor:
    """Derivative by x_b (P, N, R, 3) from that by the pixel (P, N, R, 2)."""
    J = warp.pixel_J_x
    return (value_J_pixel[..., :1] * J[..., None, 0, :]
            + value_J_pixel[..., 1:] * J[..., None, 1, :])
