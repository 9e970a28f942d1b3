"""The four residuals of the map, each with its Jacobian from the same function.

Photometric (equation 6), geometric (equation 7), semantic (equation 8) and the
zero-code prior (section 4).  Derivatives are by the groups of ``PARAMETERS``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from optim import image
from optim.camera import MIN_DEPTH
from optim.proximity import depth_with_jacobian
from optim.warp import CodedView, ViewState, Warp

#: Parameter groups of a pair of views (A, B).
PARAMETERS = ("pose_a", "pose_b", "depth_a", "depth_b", "semantic_a", "semantic_b")


@dataclass(frozen=True)
class Residual:
    """N residual vectors of R entries with their derivatives."""

    #: (N, R)
    value: Tensor
    #: group name to (N, R, size); a group that is absent has no influence
    jacobians: dict[str, Tensor]


def photometric(view_a: CodedView, view_b: CodedView, warp: Warp,
                gain: float = 1.0, offset: float = 0.0) -> Residual:
    """``gain * I_A[u] + offset - I_B[w(u)]`` (N, 1); gain and offset are constants here."""
    target, target_J_pixel = image.sample_with_gradient(
        view_b.as_maps(view_b.intensity), warp.pixels)
    value = gain * view_a.intensity[:, None] + offset - target
    pose_a, pose_b, depth_a = warp.chain(-target_J_pixel @ warp.pixel_J_x)
    return Residual(value, {"pose_a": pose_a, "pose_b": pose_b, "depth_a": depth_a})


def geometric(view_b: CodedView, state_b: ViewState, warp: Warp,
              logarithmic: bool = False) -> Residual:
    """``D_B[w(u)] - [T_BA pi^-1(u, D_A[u])]_z`` (N, 1) in metres.

    ``logarithmic`` gives the difference of the logarithms instead, the same to first
    order as dividing by depth.  Dividing by a depth that the solver holds constant
    would not do: every step then lowers the cost by shrinking the whole scene.

    B's proximity is interpolated and then turned into depth, so that the look-up
    stays linear in B's code.
    """
    prox_map = view_b.as_maps(view_b.proximity(state_b.code_depth))
    prox, prox_J_pixel = image.sample_with_gradient(prox_map, warp.pixels)
    seen, seen_J_prox = depth_with_jacobian(prox, view_b.average_depth)
    warped = warp.x_b[:, 2:]
    if logarithmic:
        warped = warped.clamp(min=MIN_DEPTH)
        value = seen.log() - warped.log()
        seen_J_prox, warped_J_z = seen_J_prox / seen, 1 / warped
    else:
        value, warped_J_z = seen - warped, torch.ones_like(warped)
    value_J_x = seen_J_prox[..., None] * (prox_J_pixel @ warp.pixel_J_x)
    value_J_x = value_J_x - warped_J_z[..., None] * value_J_x.new_tensor([0.0, 0.0, 1.0])
    pose_a, pose_b, depth_a = warp.chain(value_J_x)
    code_map = view_b.as_maps(view_b.prox_J_code)
    depth_b = (seen_J_prox * image.sample(code_map, warp.pixels))[:, None]
    return Residual(value, {"pose_a": pose_a, "pose_b": pose_b,
                            "depth_a": depth_a, "depth_b": depth_b})


def semantic(view_a: CodedView, state_a: ViewState, view_b: CodedView, state_b: ViewState,
             warp: Warp, with_geometry: bool) -> Residual:
    """``softmax(S_A[u]) - softmax(S_B[w(u)])`` (N, C).

    ``with_geometry`` adds the derivatives by poses and A's depth code, which the
    joint stage uses and the semantic stage holds fixed.
    """
    prob_a = torch.softmax(view_a.logits(state_a.code_semantic), -1)
    logit_map = view_b.as_maps(view_b.logits(state_b.code_semantic))
    if with_geometry:
        logits_b, logits_b_J_pixel = image.sample_with_gradient(logit_map, warp.pixels)
    else:
        logits_b = image.sample(logit_map, warp.pixels)
    prob_b = torch.softmax(logits_b, -1)
    C, K = view_b.logits_J_code.shape[1:]
    code_map = view_b.as_maps(view_b.logits_J_code.flatten(1))
    logits_b_J_code = image.sample(code_map, warp.pixels).unflatten(1, (C, K))
    jacobians = {"semantic_a": softmax_chain(prob_a, view_a.logits_J_code),
                 "semantic_b": -softmax_chain(prob_b, logits_b_J_code)}
    if with_geometry:
        by_x = -softmax_chain(prob_b, logits_b_J_pixel) @ warp.pixel_J_x
        jacobians["pose_a"], jacobians["pose_b"], jacobians["depth_a"] = warp.chain(by_x)
    return Residual(prob_a - prob_b, jacobians)


def softmax_chain(prob: Tensor, logits_J: Tensor) -> Tensor:
    """(diag p - p p^T) J for p (N, C) and J (N, C, K), without forming the matrix."""
    mean = torch.einsum("nc,nck->nk", prob, logits_J)
    return prob[..., None] * (logits_J - mean[:, None])


def code_prior(code: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """``c / sigma`` (K,) and its derivative (K, K)."""
    return code / sigma, torch.eye(len(code), dtype=code.dtype, device=code.device) / sigma
