"""Inverse-compositional Lucas-Kanade on SE(3) with an affine brightness change.

A live image B is aligned to a reference A whose depth is known:
``r = I_B[w(u; T_ba)] - gain * I_A[u] - offset``.  The increment acts on the
reference side, so that its Jacobian is computed once per reference (Baker and
Matthews 2002); gain and offset are solved along with the motion.

Quantities of M pixels are kept as rows (..., M), each contiguous: this runs many times a
frame, and rows of three or eight numbers would take three times as long.
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
    iterations: tuple[int, ...] = (4, 5, 5, 6)
    #: Huber threshold on intensity
    huber: float = 0.05
    #: standard deviation of intensity where depth is certain
    noise: float = 0.02
    #: pixels left out at the border of the live image
    border: float = 1.0
    #: reference pixels kept at each level, those with the strongest gradient
    max_pixels: int = 3000
    #: relative step of inverse depth that makes an occluding edge
    edge_tolerance: float = 0.03
    #: largest correction of ln depth, in its standard deviations
    max_correction: float = 2.0
    #: an update below this (metres, radians) ends a level
    min_update: float = 4e-4
    #: prior standard deviations of ln(gain) and of offset: they hold the brightness in place
    #: where an image has no contrast to measure it
    gain_sigma: float = 0.5
    offset_sigma: float = 0.2


@dataclass(frozen=True)
class ReferenceLevel:
    """Chosen pixels of the reference at one resolution."""

    camera: PinholeCamera
    #: (3, M) points in the reference camera
    points: Tensor
    #: (M,)
    intensity: Tensor
    #: (6, M) derivative of I_A[w(u; exp(xi))] at zero
    intensity_J_pose: Tensor
    #: (2, M) derivative of intensity by the pixel
    gradient: Tensor
    #: (M,) standard deviation of depth over depth
    relative_std: Tensor


@dataclass(frozen=True)
class Alignment:
    """The outcome for one live image."""

    #: (4, 4) maps reference points to the live camera
    T_ba: Tensor
    gain: float
    offset: float
    #: mean Huber-weighted absolute residual at the finest level
    error: float
    #: share of reference pixels seen in the live image
    overlap: float
    #: share of the seen ones whose residual is within the Huber threshold
    inliers: float


@dataclass(frozen=True)
class AlignmentResidual:
    """Residuals of one live image at one pose, exposure and depth correction."""

    #: (M,)
    value: Tensor
    #: (8, M) derivative by (motion, ln gain, offset)
    jacobian: Tensor
    #: (M,) derivative by ln depth
    by_depth: Tensor
    #: (M,) bool
    valid: Tensor


def reference_level(camera: PinholeCamera, intensity: Tensor, depth: Tensor,
                    config: LucasKanadeConfig, depth_std: Tensor | None = None) -> ReferenceLevel:
    """Prepare intensity (H, W) with depth (H, W) in metres and its standard deviation (H, W),
    zero when absent.

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
    chosen_depth = depth.reshape(-1)[chosen]
    points, _ = camera.backproject(grid[chosen], chosen_depth)
    _, pixel_J_x = camera.project(points)
    by_x = (gradient[chosen, None] @ pixel_J_x)[:, 0]
    J = torch.cat([by_x, torch.linalg.cross(points, by_x)], 1)
    rows = [values.T.contiguous() for values in (points, J, gradient[chosen])]
    relative_std = torch.zeros_like(chosen_depth) if depth_std is None \
        else depth_std.reshape(-1)[chosen] / chosen_depth
    return ReferenceLevel(camera, rows[0], intensity.reshape(-1)[chosen], *rows[1:],
                          relative_std)


def residual(reference: ReferenceLevel, live: Tensor, T_ba: Tensor, gain: float, offset: float,
             config: LucasKanadeConfig, correction: Tensor | None = None) -> AlignmentResidual:
    """Residuals with their derivatives; ``correction`` (M,) is added to ln depth.

    The motion acts as ``T_ba exp(xi)^-1``: to first order that moves the reference's
    samples by +xi, hence the sign.
    """
    camera, points, J_pose = reference.camera, reference.points, reference.intensity_J_pose
    if correction is not None:
        stretch = correction.exp()
        points = points * stretch
        J_pose = torch.cat([J_pose[:3] / stretch, J_pose[3:]])
    t = T_ba[:3, 3]
    x, y, z = T_ba[:3, :3] @ points + t[:, None]
    inverse = 1 / z.clamp(min=MIN_DEPTH)
    a, b = camera.fx * x * inverse, camera.fy * y * inverse
    u, v = a + camera.cx, b + camera.cy
    height, width = live.shape
    border = config.border
    valid = ((z > MIN_DEPTH) & (u >= border) & (u <= width - 1 - border)
             & (v >= border) & (v <= height - 1 - border))
    dimmed = gain * reference.intensity
    value = image.sample_plane(live, u, v) - dimmed - offset
    J = torch.cat([-gain * J_pose, -dimmed[None], -torch.ones_like(value)[None]])
    # d x_b / d ln depth = x_b - t, of which x_b itself does not move the pixel
    shift_u = inverse * (camera.fx * t[0] - a * t[2])
    shift_v = inverse * (camera.fy * t[1] - b * t[2])
    by_depth = -gain * (reference.gradient[0] * shift_u + reference.gradient[1] * shift_v)
    return AlignmentResidual(value, J, by_depth, valid)


def align(levels: list[ReferenceLevel], live: list[Tensor], T_ba: Tensor,
          config: LucasKanadeConfig, gain: float = 1.0, offset: float = 0.0) -> Alignment:
    """Align a live pyramid (full resolution first) to a reference, coarse to fine."""
    for level in reversed(range(len(levels))):
        correction = torch.zeros_like(levels[level].intensity)
        for _ in range(config.iterations[level]):
            step, correction = _step(levels[level], live[level], T_ba, gain, offset, correction,
                                     config)
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
    found = residual(reference, live, T_ba, gain, offset, config)
    error = found.value.abs()[found.valid]
    seen = error.numel()
    if not seen:
        return Alignment(T_ba, gain, offset, float("inf"), 0.0, 0.0)
    weighted = error * huber_weight(error, config.huber)
    return Alignment(T_ba, gain, offset, float(weighted.mean()), seen / len(found.valid),
                     float((error < config.huber).float().mean()))


def _step(reference: ReferenceLevel, live: Tensor, T_ba: Tensor, gain: float, offset: float,
          correction: Tensor, config: LucasKanadeConfig) -> tuple[Tensor | None, Tensor]:
    """One Gauss-Newton step (8,), None when there is none, and the depth corrections after it.

    Each pixel's ln depth is a nuisance with the deviation the network gives it, eliminated
    pixel by pixel.  Taking depth as exact instead would be a regression on a noisy
    variable: translation comes out too short, and rotation makes up for it.
    """
    found = residual(reference, live, T_ba, gain, offset, config, correction)
    # the residual that the uncorrected depth would have, and its variance
    value = found.value - found.by_depth * correction
    prior = reference.relative_std ** 2
    variance = config.noise ** 2 + found.by_depth ** 2 * prior
    deviation = (variance / config.noise ** 2).sqrt()
    weight = huber_weight(value.abs() / deviation, config.huber) * found.valid / deviation ** 2
    weighted = found.jacobian * weight
    H = (weighted @ found.jacobian.T).double()
    g = (weighted @ value).double()
    precision = config.huber ** 2
    # both pull towards an unchanged exposure
    g[6] += precision / config.gain_sigma ** 2 * log(max(gain, 1e-6))
    H[6, 6] += precision / config.gain_sigma ** 2
    H[7, 7] += precision / config.offset_sigma ** 2
    g[7] += precision / config.offset_sigma ** 2 * offset
    factor, info = torch.linalg.cholesky_ex(H)
    if info.item() != 0:
        return None, correction
    step = -torch.cholesky_solve(g[:, None], factor)[:, 0].to(value.dtype)
    remaining = value + step @ found.jacobian
    limit = config.max_correction * reference.relative_std
    correction = -prior * found.by_depth * remaining / variance
    return step, torch.minimum(torch.maximum(correction, -limit), limit)
