"""Inverse-compositional Lucas-Kanade on SE(3) with an affine brightness change.

A live image B is aligned to a reference A whose depth is known:
``r = I_B[w(u; T_ba)] - gain * I_A[u] - offset``.  The increment acts on the
reference side, so that its Jacobian is computed once per reference (Baker and
Matthews 2002); gain and offset are solved along with the motion.

Quantities of M pixels are contiguous rows (..., M) of NumPy arrays, and what is done with each
pixel is one compiled loop: the many small operations of a frame take a third more one by one in
NumPy, and several times that in PyTorch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt

import numpy as np
import torch
from numpy import ndarray
from scipy.linalg import lapack
from scipy.spatial.transform import Rotation
from torch import Tensor

from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
from scenecode.optim.geometry.occlusion import behind_edge
from scenecode.optim.imaging import image
from scenecode.optim.segmentation.compiled import compiled

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
#: Prior standard deviation of a step (metres, radians): where few pixels are in view rounding
#: alone would decide in some directions, and the pose leaves the scene.
_STEP_SIGMA = 0.5
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
    value, by_depth, valid = _residuals(points, reference.intensity, reference.gradient, live, P,
                                        camera.cx, camera.cy, gain, offset, config.border)
    return AlignmentResidual(value=value, unscaled_jacobian=J,
                             scale=np.array([gain] * 7 + [1.0]), by_depth=by_depth, valid=valid)


@compiled
def _residuals(points: ndarray, intensity: ndarray, gradient: ndarray, live: ndarray, P: ndarray,
               cx: float, cy: float, gain: float, offset: float,
               border: float) -> tuple[ndarray, ndarray, ndarray]:
    """The residual of each pixel, its derivative by ln depth and whether it is valid, (M,) each;
    ``P`` (3, 4) maps points to the live image, less its principal point.  A pixel outside the
    image is compared with its first one."""
    height, width = live.shape
    value, by_depth = np.empty_like(intensity), np.empty_like(intensity)
    valid = np.empty(len(intensity), np.bool_)
    for i in range(len(intensity)):
        x, y, z = points[0, i], points[1, i], points[2, i]
        a = P[0, 0] * x + P[0, 1] * y + P[0, 2] * z + P[0, 3]
        b = P[1, 0] * x + P[1, 1] * y + P[1, 2] * z + P[1, 3]
        depth = P[2, 0] * x + P[2, 1] * y + P[2, 2] * z + P[2, 3]
        inverse = 1 / max(depth, MIN_DEPTH)
        a, b = a * inverse, b * inverse
        u, v = a + cx, b + cy
        valid[i] = depth > MIN_DEPTH and border <= u <= width - 1 - border \
            and border <= v <= height - 1 - border
        # written so that a pose that is no number is outside
        if 0 <= u <= width - 1 and 0 <= v <= height - 1:
            column, row = min(int(u), width - 2), min(int(v), height - 2)
            right, down = u - column, v - row
        else:
            column, row, right, down = 0, 0, 0.0, 0.0
        top = live[row, column] + right * (live[row, column + 1] - live[row, column])
        bottom = live[row + 1, column] \
            + right * (live[row + 1, column + 1] - live[row + 1, column])
        value[i] = top + down * (bottom - top) - (gain * intensity[i] + offset)
        # d x_b / d ln depth = x_b - t, of which x_b itself does not move the pixel
        by_depth[i] = (gradient[0, i] * (P[0, 3] - P[2, 3] * a)
                       + gradient[1, i] * (P[1, 3] - P[2, 3] * b)) * (-gain * inverse)
    return value, by_depth, valid


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


def compile_alignment() -> None:
    """Compile what ``align`` calls, or load it where that was done before: the first image would
    otherwise wait for it."""
    camera = PinholeCamera.centred(8.0, 8, 8)
    intensity = camera.pixel_grid().sum(1).reshape(8, 8) / 16
    config = LucasKanadeConfig(iterations=(1,))
    reference = reference_level(camera, intensity, torch.ones(8, 8), config)
    align([reference], [intensity], torch.eye(4), config)


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
    value, by_std, variance, weight = _weights(found.value, found.by_depth, found.valid,
                                               correction, reference.relative_std)
    weighted = found.unscaled_jacobian * weight
    H = np.outer(found.scale, found.scale) * (weighted @ found.unscaled_jacobian.T)
    g = found.scale * (weighted @ value)
    precision = HUBER ** 2
    H[range(6), range(6)] += precision / _STEP_SIGMA ** 2
    # priors of an unchanged exposure
    g[6] += precision / _GAIN_SIGMA ** 2 * log(max(gain, 1e-6))
    H[6, 6] += precision / _GAIN_SIGMA ** 2
    H[7, 7] += precision / _OFFSET_SIGMA ** 2
    g[7] += precision / _OFFSET_SIGMA ** 2 * offset
    # by Cholesky's decomposition: a small system takes numpy.linalg several times as long
    _, step, failed = lapack.dposv(H, -g)
    if failed:
        return None, correction
    remaining = value + (found.scale * step).astype(value.dtype) @ found.unscaled_jacobian
    return step, _corrections(remaining, by_std, variance, reference.relative_std)


@compiled
def _weights(residuals: ndarray, by_depth: ndarray, valid: ndarray, correction: ndarray,
             relative_std: ndarray) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Of each pixel (M,): the residual that the uncorrected depth would have, its derivative by
    standard deviations of depth, its variance, and its weight: 1 where it errs by the noise
    alone."""
    value, by_std = np.empty_like(residuals), np.empty_like(residuals)
    variance, weight = np.empty_like(residuals), np.empty_like(residuals)
    for i in range(len(residuals)):
        value[i] = residuals[i] - by_depth[i] * correction[i]
        by_std[i] = by_depth[i] * relative_std[i]
        variance[i] = by_std[i] ** 2 + _NOISE ** 2
        # in terms of the noise, of which the threshold is a multiple
        deviation = sqrt(variance[i]) / _NOISE
        weight[i] = valid[i] * HUBER / (max(abs(value[i]), HUBER * deviation) * deviation)
    return value, by_std, variance, weight


@compiled
def _corrections(remaining: ndarray, by_std: ndarray, variance: ndarray,
                 relative_std: ndarray) -> ndarray:
    """What each pixel's ln depth (M,) is corrected by, given the residuals that remain."""
    correction = np.empty_like(remaining)
    for i in range(len(remaining)):
        limit = _MAX_CORRECTION * relative_std[i]
        wanted = -relative_std[i] * by_std[i] * remaining[i] / variance[i]
        correction[i] = min(max(wanted, -limit), limit)
    return correction
