"""Inverse-compositional Lucas-Kanade on SE(3) with an affine brightness change.

A live image B is aligned to a reference A whose depth is known:
``r = I_B[w(u; T_ba)] - gain * I_A[u] - offset``.  The increment acts on the
reference side, so that its Jacobian is computed once per reference (Baker and
Matthews 2002); gain and offset are solved along with the motion.

Quantities of M pixels are contiguous rows (..., M) of NumPy arrays: tracking makes a thousand
small operations a frame, each of which takes several times as long in PyTorch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log

import numpy as np
import torch
from numpy import ndarray
from scipy.spatial.transform import Rotation
from torch import Tensor

from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
from scenecode.optim.geometry.occlusion import behind_edge
from scenecode.optim.imaging import image

#: Huber threshold on intensity.
HUBER = 0.05
#: Standard deviation of intensity where depth is certain.
_NOISE = 0.02
#: Relative step of inverse depth that makes an occluding edge.
_EDGE_TOLERANCE = 0.03
#: Largest correction of ln depth, in its standard deviations.
_MAX_CORRECTION = 2.0
#: Factor from level to level of the update that ends one: the result of a coarse level is only
#: where the next finer one begins.
_UPDATE_GROWTH = 2.0
#: Prior standard deviations of ln(gain) and of offset: they hold the brightness where an image
#: has no contrast to measure it.
_GAIN_SIGMA, _OFFSET_SIGMA = 0.5, 0.2


@dataclass(frozen=True)
class LucasKanadeConfig:
    """Parameters of ``align``."""

    #: iterations at each pyramid level, fine to coarse
    iterations: tuple[int, ...] = (4, 5, 5, 6)
    #: pixels left out at the border of the live image
    border: float = 1.0
    #: reference pixels kept at each level, those with the strongest gradient
    max_pixels: int = 3000
    #: an update below this (metres, radians) ends the finest level
    min_update: float = 4e-4


@dataclass(frozen=True)
class ReferenceLevel:
    """Chosen pixels of the reference at one resolution."""

    camera: PinholeCamera
    #: (3, M) points in the reference camera
    points: ndarray
    #: (M,)
    intensity: ndarray
    #: (8, M) derivative of ``-I_A[w(u; exp(xi))] - ln gain * I_A - offset`` at zero
    jacobian: ndarray
    #: (2, M) derivative of intensity by the pixel
    gradient: ndarray
    #: (M,) standard deviation of depth over depth
    relative_std: ndarray


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
    inlier_ratio: float


@dataclass(frozen=True)
class AlignmentResidual:
    """Residuals of a live image at one pose, exposure and depth correction."""

    #: (M,)
    value: ndarray
    #: (8, M) derivative by (motion, ln gain, offset), without its rows' factors ``scale``
    unscaled_jacobian: ndarray
    #: (8,) factors of its rows: the gain, and 1 for the offset
    scale: ndarray
    #: (M,) derivative by ln depth
    by_depth: ndarray
    #: (M,) bool
    valid: ndarray


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
    usable = (depth > 0) & ~behind_edge(depth, _EDGE_TOLERANCE)
    usable = usable.reshape(-1) & image.inside(grid, camera.width, camera.height, 1.0)
    strength = gradient.norm(dim=1) * usable
    count = min(config.max_pixels, strength.numel())
    chosen = strength.topk(count, sorted=False).indices.sort().values
    chosen = chosen[strength[chosen] > 0]
    chosen_depth = depth.reshape(-1)[chosen]
    points, _ = camera.backproject(grid[chosen], chosen_depth)
    _, pixel_J_x = camera.project(points)
    by_x = (gradient[chosen, None] @ pixel_J_x)[:, 0]
    chosen_intensity = intensity.reshape(-1)[chosen]
    J = -torch.cat([by_x, torch.linalg.cross(points, by_x), chosen_intensity[:, None],
                    torch.ones_like(chosen_intensity)[:, None]], 1)
    relative_std = torch.zeros_like(chosen_depth) if depth_std is None \
        else depth_std.reshape(-1)[chosen] / chosen_depth

    def rows(values: Tensor) -> ndarray:
        return np.ascontiguousarray(values.numpy(force=True).T)

    return ReferenceLevel(camera=camera, points=rows(points), intensity=rows(chosen_intensity),
                          jacobian=rows(J), gradient=rows(gradient[chosen]),
                          relative_std=rows(relative_std))


def residual(reference: ReferenceLevel, live: ndarray, T_ba: ndarray, gain: float, offset: float,
             config: LucasKanadeConfig, correction: ndarray | None = None) -> AlignmentResidual:
    """Residuals of a live image (H, W) with their derivatives; ``correction`` (M,) is added to
    ln depth.

    The motion acts as ``T_ba exp(xi)^-1``: to first order that moves the reference's
    samples by +xi, hence the sign of the Jacobian.
    """
    camera, points, J = reference.camera, reference.points, reference.jacobian
    if correction is not None:
        factor = np.exp(correction)
        points = points * factor
        J = J.copy()
        J[:3] /= factor
    focal = np.array([camera.fx, camera.fy, 1.0])
    P = (focal[:, None] * T_ba[:3]).astype(points.dtype)
    a, b, z = P[:, :3] @ points + P[:, 3:]
    inverse = 1 / np.maximum(z, MIN_DEPTH)
    a *= inverse
    b *= inverse
    u, v = a + camera.cx, b + camera.cy
    height, width = live.shape
    border = config.border
    valid = ((z > MIN_DEPTH) & (u >= border) & (u <= width - 1 - border)
             & (v >= border) & (v <= height - 1 - border))
    value = _sample(live, u, v) - (gain * reference.intensity + offset)
    # d x_b / d ln depth = x_b - t, of which x_b itself does not move the pixel
    by_depth = (reference.gradient[0] * (P[0, 3] - P[2, 3] * a)
                + reference.gradient[1] * (P[1, 3] - P[2, 3] * b)) * (-gain * inverse)
    return AlignmentResidual(value=value, unscaled_jacobian=J,
                             scale=np.array([gain] * 7 + [1.0]), by_depth=by_depth, valid=valid)


def align(levels: Sequence[ReferenceLevel], live: Sequence[Tensor], T_ba: Tensor,
          config: LucasKanadeConfig, gain: float = 1.0, offset: float = 0.0) -> Alignment:
    """Align a live pyramid (full resolution first, (H, W) each) to a reference, coarse to
    fine, from the pose ``T_ba`` (4, 4)."""
    T = T_ba.double().numpy(force=True).copy()
    # rounding adds up from frame to frame
    T[:3, :3] = Rotation.from_matrix(T[:3, :3]).as_matrix()
    for level in reversed(range(len(levels))):
        live_level = live[level].numpy(force=True)
        correction = np.zeros_like(levels[level].intensity)
        for _ in range(config.iterations[level]):
            step, correction = _step(levels[level], live_level, T, gain, offset, correction,
                                     config)
            if step is None:
                break
            # to first order the same as the exponential, which is all that converging needs
            T[:3, 3] -= T[:3, :3] @ step[:3]
            T[:3, :3] = T[:3, :3] @ Rotation.from_rotvec(-step[3:6]).as_matrix()
            gain, offset = gain * exp(step[6]), offset + float(step[7])
            if np.linalg.norm(step[:6]) < config.min_update * _UPDATE_GROWTH ** level:
                break
    return assess(levels[0], live[0], torch.from_numpy(T).to(T_ba), config, gain, offset)


def assess(reference: ReferenceLevel, live: Tensor, T_ba: Tensor, config: LucasKanadeConfig,
           gain: float = 1.0, offset: float = 0.0) -> Alignment:
    """How well a pose (4, 4) explains a live image (H, W), without moving it."""
    found = residual(reference, live.numpy(force=True), T_ba.numpy(force=True), gain, offset,
                     config)
    error = np.abs(found.value[found.valid])
    if not len(error):
        return Alignment(T_ba=T_ba, gain=gain, offset=offset, error=inf, overlap=0.0,
                         inlier_ratio=0.0)
    return Alignment(T_ba=T_ba, gain=gain, offset=offset,
                     error=float(np.minimum(error, HUBER).mean()),
                     overlap=len(error) / len(found.valid),
                     inlier_ratio=float((error < HUBER).mean()))


def ncc(reference: ReferenceLevel, live: Tensor, T_ba: Tensor,
        config: LucasKanadeConfig) -> float:
    """The correlation of a live image (H, W), looked up from a pose (4, 4), with the reference,
    times the share of the reference that is seen; -1 to 1, whatever the exposure."""
    found = residual(reference, live.numpy(force=True), T_ba.numpy(force=True), 1.0, 0.0, config)
    if not found.valid.any():
        return 0.0
    ours = reference.intensity[found.valid]
    theirs = found.value[found.valid] + ours
    ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    length = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    return len(ours) / len(found.valid) * float(ours @ theirs) / max(length, 1e-9)


def _step(reference: ReferenceLevel, live: ndarray, T_ba: ndarray, gain: float, offset: float,
          correction: ndarray, config: LucasKanadeConfig) -> tuple[ndarray | None, ndarray]:
    """One Gauss-Newton step (8,), None when there is none, and the depth corrections after it.

    Each pixel's ln depth is a nuisance parameter with the standard deviation that the network
    predicts, eliminated pixel by pixel.  Exact depth would be a regression on a noisy variable:
    translation comes out too short, and rotation compensates for it.
    """
    found = residual(reference, live, T_ba, gain, offset, config, correction)
    # the residual that the uncorrected depth would have, and its variance
    value = found.value - found.by_depth * correction
    by_std = found.by_depth * reference.relative_std
    variance = np.square(by_std) + _NOISE ** 2
    weighted = _weighted(found, value, variance)
    H = np.outer(found.scale, found.scale) * (weighted @ found.unscaled_jacobian.T)
    g = found.scale * (weighted @ value)
    precision = HUBER ** 2
    # priors of an unchanged exposure
    g[6] += precision / _GAIN_SIGMA ** 2 * log(max(gain, 1e-6))
    H[6, 6] += precision / _GAIN_SIGMA ** 2
    H[7, 7] += precision / _OFFSET_SIGMA ** 2
    g[7] += precision / _OFFSET_SIGMA ** 2 * offset
    try:
        np.linalg.cholesky(H)
    except np.linalg.LinAlgError:
        return None, correction
    step = -np.linalg.solve(H, g)
    remaining = value + (found.scale * step).astype(value.dtype) @ found.unscaled_jacobian
    limit = _MAX_CORRECTION * reference.relative_std
    correction = -reference.relative_std * by_std * remaining / variance
    return step, np.minimum(np.maximum(correction, -limit), limit)


def _weighted(found: AlignmentResidual, value: ndarray, variance: ndarray) -> ndarray:
    """The unscaled Jacobian (8, M), each pixel times its weight: 1 where it errs by the noise
    alone."""
    # in terms of the noise, of which the threshold is a multiple
    deviation = np.sqrt(variance) / _NOISE
    weight = HUBER / np.maximum(np.abs(value), HUBER * deviation) / deviation
    return found.unscaled_jacobian * (weight * found.valid)


def _sample(values: ndarray, u: ndarray, v: ndarray) -> ndarray:
    """An image (H, W) at columns (M,) and rows (M,), bilinearly; outside it, any finite value.

    As ``scenecode.optim.imaging.lookup``, in NumPy, for the speed of small operations.
    """
    width = values.shape[1]
    column, row = u.astype(np.intp), v.astype(np.intp)
    # less an integer they would be doubles
    right, down = u - column.astype(u.dtype), v - row.astype(v.dtype)
    flat, index = values.reshape(-1), row * width + column
    a, b, c, d = (flat[to:].take(index, mode="clip") for to in (0, 1, width, width + 1))
    top = a + right * (b - a)
    return top + down * (c + right * (d - c) - top)
