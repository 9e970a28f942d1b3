"""The residuals of the map, each with its Jacobian from the same function.

Photometric (equation 6), geometric (equation 7), semantic (equation 8), the zero-code prior
(section 4), known labels, and those of points with their own depth.  Each is batched over P pairs
of views (A, B); a derivative is by a ``Block``: one view's parameters of one group.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

import torch
from torch import Tensor

from scenecode.optim.geometry.camera import MIN_DEPTH
from scenecode.optim.geometry.proximity import depth_with_jacobian
from scenecode.optim.imaging.lookup import sample_views, sample_views_with_gradient
from scenecode.optim.warp import CodedPixels, Warp, by_codes

#: Twice the cross-entropy at least: there the residual has no derivative at 0.
_MIN_CROSS_ENTROPY = 1e-9


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
    """A key of Jacobians."""

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
class Motion:
    """Derivatives of residuals by what moves A's pixels in B.

    Both poses act by one motion, and A's depth code by A's proximity, of which the derivative by
    the code is the same in all pairs with this A: sums over pixels can be made of these factors
    (``scenecode.optim.solvers.pair_sums``).
    """

    #: (P, N, R, 6) by the motion of A's points in B, and that by the poses of A and B (P, 6, 12)
    by_motion: Tensor
    motion_J_poses: Tensor
    #: (P, N, R) by A's proximity, or by the points' ln depth
    by_depth: Tensor

    def by_poses(self) -> Tensor:
        """(P, N * R, 12) by the poses of A and B."""
        return self.by_motion.flatten(1, 2) @ self.motion_J_poses


@dataclass(frozen=True)
class Jacobian:
    """Derivatives of the residuals of P pairs; what is absent has no influence, or is fixed."""

    #: by poses and A's depth
    motion: Motion | None = None
    #: (P, N, R, size) each
    blocks: dict[Block, Tensor] = field(default_factory=dict)
    #: (V, N, R, size) each, by parameters of A: the same in all pairs with this A
    of_views: dict[Block, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class PairResidual:
    """N residual vectors of R entries for each of P pairs."""

    #: (P, N, R)
    value: Tensor
    #: gives the derivatives for some of the pairs, in memory of their own: they are needed only
    #: where a step is taken, and a few pairs at a time fit into a processor's caches
    jacobian: Callable[[slice], Jacobian]
    #: parameters of the largest of the Jacobian's blocks
    width: int = 0

    def lengths(self) -> Tensor:
        """(P, N) of the residual vectors."""
        value = self.value
        return value[..., 0].abs() if value.shape[-1] == 1 else value.norm(dim=-1)


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
        return self.prox_zero + by_codes(self.prox_J_code.flatten(1, 2), codes).view_as(
            self.prox_zero)


@dataclass(frozen=True)
class PixelLabels:
    """Class probabilities at N pixels of V views: (V, N, C), and their derivative by the views'
    semantic codes (V, N, C, Ks)."""

    prob: Tensor
    prob_J_code: Tensor


@dataclass(frozen=True)
class LabelMaps:
    """Logits of V views as maps, linear in their semantic codes."""

    #: (V, H, W, C) and (V, H, W, C * Ks)
    logits_zero: Tensor
    logits_J_code: Tensor

    def logits(self, codes: Tensor) -> Tensor:
        """(V, H, W, C) at semantic codes (V, Ks)."""
        J = self.logits_J_code.view(len(codes), self.logits_zero[0].numel(), codes.shape[1])
        return self.logits_zero + by_codes(J, codes).view_as(self.logits_zero)


def photometric(intensity_a: Tensor, seen: Tensor, seen_J_pixel: Tensor, warp: Warp,
                gain: Tensor, offset: Tensor) -> PairResidual:
    """``gain * I_A[u] + offset - I_B[w(u)]`` (P, N, 1), given the look-up in B (P, N, 1) and
    its derivative (P, N, 1, 2); gain and offset (P, 1) are constants here."""
    def jacobian(pairs: slice) -> Jacobian:
        warped = warp.of(pairs)
        return Jacobian(motion=_motion(warped, warped.by_point(-seen_J_pixel[pairs])))

    value = torch.addcmul(offset, gain, intensity_a)[..., None] - seen
    return PairResidual(value=value, jacobian=jacobian)


def geometric(maps: DepthMaps, codes: Tensor, views_b: Tensor, warp: Warp) -> PairResidual:
    """``ln D_B[w(u)] - ln [T_BA pi^-1(u, D_A[u])]_z`` (P, N, 1), for codes (V, Kd).

    Logarithms, since the network's error grows with depth.  They are to first order the same
    as dividing by depth, but dividing by a depth that the solver holds constant would not do:
    every step then lowers the cost by shrinking the whole scene.

    B's proximity is interpolated and then turned into depth, so that the look-up
    stays linear in B's code.
    """
    prox, prox_J_pixel = sample_views_with_gradient(maps.proximity(codes), views_b, warp.pixels)
    seen, seen_J_prox = depth_with_jacobian(prox, maps.average_depth[views_b, None])
    z = warp.x_b[..., 2:].clamp(min=MIN_DEPTH)

    def jacobian(pairs: slice) -> Jacobian:
        warped = warp.of(pairs)
        log_J_prox = seen_J_prox[pairs] / seen[pairs]
        value_J_x = warped.by_point(log_J_prox[..., None] * prox_J_pixel[pairs])
        value_J_x[..., 2] -= 1 / z[pairs]
        code_J = sample_views(maps.prox_J_code, views_b[pairs], warped.pixels)
        return Jacobian(motion=_motion(warped, value_J_x),
                        blocks={DEPTH_B: code_J.mul_(log_J_prox)[..., None, :]})

    return PairResidual(value=(seen / z).log(), jacobian=jacobian, width=codes.shape[1])


def semantic(labels: PixelLabels, maps: LabelMaps, logits: Tensor, views_a: Tensor,
             views_b: Tensor, warp: Warp, with_geometry: bool) -> PairResidual:
    """``softmax(S_A[u]) - softmax(S_B[w(u)])`` (P, N, C), given the ``labels`` of the pixels of
    all views, and their ``maps`` with the present ``logits``.

    ``with_geometry`` adds the derivatives by poses and A's depth code, which the
    joint stage uses; they are fixed in the semantic stage.
    """
    if with_geometry:
        logits_b, logits_b_J_pixel = sample_views_with_gradient(logits, views_b, warp.pixels)
    else:
        logits_b = sample_views(logits, views_b, warp.pixels)
    prob_b = softmax(logits_b)

    def jacobian(pairs: slice) -> Jacobian:
        warped, prob = warp.of(pairs), prob_b[pairs]
        J = sample_views(maps.logits_J_code, views_b[pairs], warped.pixels)
        J = J.unflatten(-1, (prob.shape[-1], -1))
        # minus softmax_chain(prob, J), in place
        J.sub_(prob[..., None, :] @ J).mul_(-prob[..., None])
        motion = None
        if with_geometry:
            by_pixel = softmax_chain(prob, logits_b_J_pixel[pairs])
            motion = _motion(warped, warped.by_point(-by_pixel))
        return Jacobian(motion=motion, blocks={SEMANTIC_B: J},
                        of_views={SEMANTIC_A: labels.prob_J_code})

    return PairResidual(value=labels.prob[views_a] - prob_b, jacobian=jacobian,
                    width=labels.prob_J_code.shape[-1])


def reprojection(observed: Tensor, warp: Warp) -> PairResidual:
    """``w(u) - observed`` (P, N, 2) in pixels of B, for points with their own depth
    (``warp_points``)."""
    def jacobian(pairs: slice) -> Jacobian:
        warped = warp.of(pairs)
        return Jacobian(motion=_motion(warped, warped.pixel_J_x))

    return PairResidual(value=warp.pixels - observed, jacobian=jacobian)


def point_depth(log_depth: Tensor, pixels: CodedPixels, codes: Tensor) -> PairResidual:
    """``ln d - ln D[u]`` (P, N, 1): points' own ln depths (P, N) against the depth of their views
    at codes (P, Kd); the view counts as A."""
    depth, depth_J_prox = depth_with_jacobian(pixels.proximity(codes), pixels.average_depth)

    def jacobian(pairs: slice) -> Jacobian:
        log_J_prox = depth_J_prox[pairs] / depth[pairs]
        depth_a = -log_J_prox[..., None] * pixels.prox_J_code[pairs]
        one = log_depth.new_ones(1, 1, 1, 1).expand(*log_J_prox.shape, 1, 1)
        return Jacobian(blocks={DEPTH_A: depth_a[..., None, :], POINT_A: one})

    return PairResidual(value=(log_depth - depth.log())[..., None], jacobian=jacobian,
                    width=codes.shape[1])


def label_cross_entropy(logits: Tensor, logits_J_code: Tensor,
                        label: int) -> tuple[Tensor, Tensor]:
    """``sqrt(-2 ln softmax(S[u])[label])`` (N,) of pixels whose class is known, and its derivative
    by the semantic code (N, K), given logits (N, C) and theirs (N, C, K).

    Half its square is the cross-entropy, so that a known label is a residual of least squares as
    the others are.
    """
    log_prob = torch.log_softmax(logits, -1)
    value = (-2 * log_prob[:, label]).clamp(min=_MIN_CROSS_ENTROPY).sqrt()
    by_logits = log_prob.exp()
    by_logits[:, label] -= 1
    return value, (by_logits[:, None] @ logits_J_code)[:, 0] / value[:, None]


def label_change(logits: Tensor, logits_J_code: Tensor,
                 before: Tensor) -> tuple[Tensor, Tensor]:
    """``2 (sqrt(p) - sqrt(q))`` (N, C) of pixels with the class probabilities p at logits (N, C),
    and q ``before`` (N, C), and its derivative by the semantic code (N, C, K), given that of the
    logits.

    Half its square is twice the squared Hellinger distance, which is the Kullback-Leibler
    divergence for small changes: its Gauss-Newton matrix is the Fisher information of a class.
    Unlike a difference of probabilities it weighs a change of a rare class, and of a class that
    was almost excluded, as much as observations of that class would.
    """
    prob = torch.softmax(logits, -1)
    root = prob.sqrt()
    mean = prob[..., None, :] @ logits_J_code
    return 2 * (root - before.sqrt()), root[..., None] * (logits_J_code - mean)


def softmax(logits: Tensor) -> Tensor:
    """Probabilities (..., C); several times as fast as PyTorch's own for so few classes."""
    powers = (logits - logits.amax(-1, keepdim=True)).exp_()
    return powers.div_(powers.sum(-1, keepdim=True))


def softmax_chain(prob: Tensor, logits_J: Tensor) -> Tensor:
    """(diag p - p p^T) J for p (..., C) and J (..., C, K), without forming the matrix."""
    weighted = prob[..., None] * logits_J
    return torch.addcmul(weighted, prob[..., None], weighted.sum(-2, keepdim=True), value=-1)


def code_prior(codes: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """``c / sigma`` (V, K) of codes (V, K), and its derivative (V, K, K)."""
    K = codes.shape[-1]
    eye = torch.eye(K, dtype=codes.dtype, device=codes.device) / sigma
    return codes / sigma, eye.expand(len(codes), K, K)


def _motion(warp: Warp, value_J_x: Tensor) -> Motion:
    by_motion, by_depth = warp.chain(value_J_x)
    return Motion(by_motion=by_motion, motion_J_poses=warp.motion_J_poses(), by_depth=by_depth)
