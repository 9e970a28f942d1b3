"""Inverse-compositional Lucas-Kanade on SE(3) with an affine brightness change.

A live image B is aligned to a reference A whose depth is known:
``r = I_B[w(u; T_ba)] - gain * I_A[u] - offset``.  The increment acts on the
reference side, so that its Jacobian is computed once per reference (Baker and
Matthews 2002); gain and offset are solved along with the motion.
"""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from optim import image, se3
from optim.camera import MIN_DEPTH, PinholeCamera
from optim.occlusion import behind_edge
from optim.robust import huber_weight


@dataclass(frozen=True)
class LucasKanadeConfig:
    #: iterations at each pyramid level, fine to coarse; their number is the number of levels
    iterations: tuple[int, ...] = (4, 6, 5, 10)
    #: Huber threshold on intensity
    huber: float = 0.05
    #: pixels left out at the border of the live image
    border: float = 1.0
    #: reference pixels kept at each level, those with the strongest gradient
    max_pixels: int = 6000
    #: relative step of inverse depth that makes an occluding edge
    edge_tolerance: float = 0.03
    #: an update below this (metres, radians) ends a level
    min_update: float = 2e-5
    #: prior standard deviations of ln(gain) and of offset: they hold the brightness in place
    #: where an image has no contrast to measure it
    gain_sigma: float = 0.5
    offset_sigma: float = 0.2


@dataclass(frozen=True)
class ReferenceLevel:
    """Chosen pixels of the reference at one resolution."""

    camera: PinholeCamera
    #: (M, 3) points in the reference camera
    points: Tensor
    #: (M,)
    intensity: Tensor
    #: (M, 6) derivative of I_A[w(u; exp(xi))] at zero
    intensity_J_pose: Tensor


@dataclass(frozen=True)
class Alignment:
    """The outcome for one live image."""

    #: (4, 4) maps reference points to the live camera
    T_ba: Tensor
    gain: float
    offset: float
    #: mean Huber-weighted absolute residual at the finest level reached
    error: float
    #: share of reference pixels seen in the live image
    overlap: float
    #: share of the seen ones whose residual is within the Huber threshold
    inliers: float


def reference_level(camera: PinholeCamera, intensity: Tensor, depth: Tensor,
                    config: LucasKanadeConfig) -> ReferenceLevel:
    """Prepare intensity (H, W) with depth (H, W) in metres.

    Left out are pixels without depth (0), and those behind an occluding edge, whose
    gradient moves with another surface.
    """
    gradient = image.central_gradient(intensity).reshape(-1, 2)
    grid = camera.pixel_grid(intensity.dtype, intensity.device)
    # the outermost pixels have no central difference
    usable = (depth > 0) & ~behind_edge(depth, config.edge_tolerance)
    usable = usable.reshape(-1) & image.inside(grid, camera.width, camera.height, 1.0)
    strength = gradient.norm(dim=1) * usable
    count = min(config.max_pixels, strength.numel())
    chosen = strength.topk(count, sorted=False).indices.sort().values
    chosen = chosen[strength[chosen] > 0]
    points, _ = camera.backproject(grid[chosen], depth.reshape(-1)[chosen])
    _, pixel_J_x = camera.project(points)
    by_x = (gradient[chosen, None] @ pixel_J_x)[:, 0]
    J = torch.cat([by_x, torch.linalg.cross(points, by_x)], 1)
    return ReferenceLevel(camera, points, intensity.reshape(-1)[chosen], J)


def residual(reference: ReferenceLevel, live: Tensor, T_ba: Tensor, gain: float, offset: float,
             border: float) -> tuple[Tensor, Tensor, Tensor]:
    """Residual (M,), its Jacobian (M, 8) by (motion, ln gain, offset), and validity (M,).

    The motion acts as ``T_ba exp(xi)^-1``: to first order that moves the reference's
    samples by +xi, hence the sign.
    """
    x_b = se3.act(T_ba, reference.points)
    pixels, _ = reference.camera.project(x_b)
    height, width = live.shape
    valid = (x_b[:, 2] > MIN_DEPTH) & image.inside(pixels, width, height, border)
    value = image.sample(live[..., None], pixels)[:, 0] - gain * reference.intensity - offset
    J = torch.cat([-gain * reference.intensity_J_pose, -gain * reference.intensity[:, None],
                   -torch.ones_like(value)[:, None]], 1)
    return value, J, valid


def align(levels: list[ReferenceLevel], live: list[Tensor], T_ba: Tensor,
          config: LucasKanadeConfig, gain: float = 1.0, offset: float = 0.0) -> Alignment:
    """Align a live pyramid (full resolution first) to a reference, coarse to fine."""
    for level in reversed(range(len(levels))):
        for _ in range(config.iterations[level]):
            step = _step(levels[level], live[level], T_ba, gain, offset, config)
            if step is None:
                break
            T_ba = se3.retract(T_ba, -step[:6])
            gain, offset = gain * float(step[6].exp()), offset + float(step[7])
            if float(step[:6].norm()) < config.min_update:
                break
    return assess(levels[0], live[0], T_ba, config, gain, offset)


def assess(reference: ReferenceLevel, live: Tensor, T_ba: Tensor, config: LucasKanadeConfig,
           gain: float = 1.0, offset: float = 0.0) -> Alignment:
    """How well a pose explains a live image, without moving it."""
    value, _, valid = residual(reference, live, T_ba, gain, offset, config.border)
    error = value.abs()[valid]
    seen = error.numel()
    if not seen:
        return Alignment(T_ba, gain, offset, float("inf"), 0.0, 0.0)
    weighted = error * huber_weight(error, config.huber)
    return Alignment(T_ba, gain, offset, float(weighted.mean()), seen / valid.numel(),
                     float((error < config.huber).float().mean()))


def _step(reference: ReferenceLevel, live: Tensor, T_ba: Tensor, gain: float, offset: float,
          config: LucasKanadeConfig) -> Tensor | None:
    value, J, valid = residual(reference, live, T_ba, gain, offset, config.border)
    weight = huber_weight(value.abs(), config.huber) * valid
    weighted = J * weight[:, None]
    H = (weighted.T @ J).double()
    g = (weighted.T @ value).double()
    precision = config.huber ** 2
    # both pull towards an unchanged exposure
    g[6] += precision / config.gain_sigma ** 2 * log(max(gain, 1e-6))
    H[6, 6] += precision / config.gain_sigma ** 2
    H[7, 7] += precision / config.offset_sigma ** 2
    g[7] += precision / config.offset_sigma ** 2 * offset
    factor, info = torch.linalg.cholesky_ex(H)
    if info.item() != 0:
        return None
    return -torch.cholesky_solve(g[:, None], factor)[:, 0].to(value.dtype)
