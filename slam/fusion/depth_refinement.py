"""Depth of finer detail than the codes can express: a smooth field of corrections, constrained by
triangulated landmarks.

Landmarks have a depth of their own in the window's Gauss-Newton.  Where it differs from that of
the code, the difference is spread over the image by weighted least squares: neighbouring pixels
get similar corrections unless depth or colour separates them, and a weak prior keeps corrections
at zero elsewhere.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy import ndarray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

from scenecode.networks.prediction import resize_maps
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH
from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.solvers.sparse_factor import symmetric_factor
from scenecode.slam.config.fusion import RefinementConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe

#: Standard deviation of a landmark's ln depth: a part that remains at any parallax, and pixels of
#: its position over pixels of parallax.
LOG_DEPTH_SIGMA, PIXEL_SIGMA = 0.03, 0.5
#: Scale of Cauchy's loss in standard deviations, and iterations of reweighting.
CAUCHY_SCALE, ITERATIONS = 3.0, 3
#: Residual of a solution over the right-hand side.
_TOLERANCE = 1e-6
#: Weight of the prior that corrections are zero.
ZERO_WEIGHT = 0.3
#: Standard deviation of ln depth and of colour (0-1) between neighbours with similar corrections.
DEPTH_STEP, COLOUR_STEP = 0.04, 0.4
#: Least coupling of neighbours, so that the system of equations has no separate parts.
_MIN_COUPLING = 1e-4


@dataclass(frozen=True)
class LandmarkDepths:
    """Landmarks that a keyframe observes, its own and others', with their depth in it."""

    #: (M, 2)
    pixels: Tensor
    #: (M,) ln metres
    log_depth: Tensor
    #: (M,) the largest of all keyframes that observe it, in pixels
    parallax: Tensor
    #: (M,) keyframes that observe it, other than the one that introduced it
    views: Tensor


def log_depth_corrections(graph: KeyframeGraph, number: int, config: RefinementConfig) -> Tensor:
    """(h, w) at the prediction's resolution: ln of the factor that corrects a keyframe's depth;
    zero where no landmark differs from it."""
    keyframe = graph.keyframes[number]
    h, w = keyframe.prediction.prox_zero.shape
    none = keyframe.prediction.prox_zero.new_zeros(h, w)
    landmarks = None if config.method == "none" else landmark_depths(graph, number)
    if landmarks is None:
        return none
    reliable = (landmarks.parallax > config.min_parallax) & (landmarks.views >= config.min_views)
    if not bool(reliable.any()):
        return none
    pixels = landmarks.pixels[reliable]
    depth = keyframe.depth(graph.states[number].code_depth)
    predicted = sample_view(depth[..., None], pixels)[:, 0].log()
    scale = pixels.new_tensor([w / depth.shape[1], h / depth.shape[0]])
    interpolation = _interpolation(_array((pixels + 0.5) * scale - 0.5), h, w)
    laplacian = _laplacian(_array(resize_maps(depth[None].log(), w, h)[0]),
                           _array(resize_maps(keyframe.rgb, w, h)))
    sigma = np.hypot(LOG_DEPTH_SIGMA, PIXEL_SIGMA / _array(landmarks.parallax[reliable]))
    residual = _array(landmarks.log_depth[reliable] - predicted)
    field = _solve(interpolation, residual, sigma, laplacian, config.smoothness)
    return torch.from_numpy(field.reshape(h, w)).to(depth)


def refined_depth(keyframe: Keyframe, code_depth: Tensor, corrections: Tensor | None,
                  level: int = 0) -> Tensor:
    """(H, W) metres at a pyramid level: the code's depth with ``log_depth_corrections`` (h, w)."""
    depth = keyframe.depth(code_depth, level)
    if corrections is None:
        return depth
    return depth * resize_maps(corrections[None], depth.shape[1], depth.shape[0])[0].exp()


def landmark_depths(graph: KeyframeGraph, number: int) -> LandmarkDepths | None:
    """The landmarks that a keyframe introduced or observes; None without any."""
    observers: dict[int, list[int]] = {}
    for home, view in graph.observations:
        observers.setdefault(home, []).append(view)
    parts: list[LandmarkDepths] = []
    for home, views in observers.items():
        if home != number and number not in views:
            continue
        landmarks, T = graph.landmarks[home], graph.relative(home, number)
        parallax, count = torch.zeros(2, len(landmarks.log_depth)).to(landmarks.log_depth)
        for view in views:
            index = graph.observations[home, view].index
            baseline = graph.relative(home, view)[:3, 3].norm()
            focal = graph.keyframes[home].camera.focal
            parallax[index] = parallax[index].maximum(
                focal * baseline / landmarks.log_depth[index].exp())
            count[index] += 1
        if home == number:
            parts.append(LandmarkDepths(pixels=landmarks.pixels, log_depth=landmarks.log_depth,
                                        parallax=parallax, views=count))
            continue
        observation = graph.observations[home, number]
        x = landmarks.rays[observation.index] \
            * landmarks.log_depth[observation.index].exp()[:, None]
        z = se3.act(T, x)[:, 2]
        ahead = z > MIN_DEPTH
        index = observation.index[ahead]
        parts.append(LandmarkDepths(pixels=observation.pixels[ahead], log_depth=z[ahead].log(),
                                    parallax=parallax[index], views=count[index]))
    if not parts:
        return None
    return LandmarkDepths(pixels=torch.cat([p.pixels for p in parts]),
                          log_depth=torch.cat([p.log_depth for p in parts]),
                          parallax=torch.cat([p.parallax for p in parts]),
                          views=torch.cat([p.views for p in parts]))


def _array(values: Tensor) -> ndarray:
    return values.double().cpu().numpy()


def _interpolation(pixels: ndarray, h: int, w: int) -> sparse.csr_matrix:
    """(M, h * w) that samples a field at pixels (M, 2), bilinearly."""
    x, y = np.clip(pixels, 0, [w - 1, h - 1]).T
    left, top = np.minimum(x.astype(int), w - 2), np.minimum(y.astype(int), h - 2)
    x, y, first, rows = x - left, y - top, top * w + left, np.arange(len(pixels))
    weights = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]
    columns = [first, first + 1, first + w, first + w + 1]
    return sparse.csr_matrix((np.concatenate(weights),
                              (np.tile(rows, 4), np.concatenate(columns))),
                             (len(pixels), h * w))


def _laplacian(log_depth: ndarray, image: ndarray) -> sparse.csr_matrix:
    """(h * w, h * w): its quadratic form is the squared differences of neighbouring pixels,
    weighted by the similarity of their depth (h, w) and colours (3, h, w)."""
    number = np.arange(log_depth.size).reshape(log_depth.shape)
    starts, ends, weights = [], [], []
    for axis in (0, 1):
        step = np.diff(log_depth, axis=axis) / DEPTH_STEP
        colour = np.linalg.norm(np.diff(image, axis=axis + 1), axis=0) / COLOUR_STEP
        weights.append(np.exp(-step ** 2 - colour ** 2).ravel() + _MIN_COUPLING)
        ends.append(np.split(number, [1], axis)[1].ravel())
        starts.append(np.split(number, [-1], axis)[0].ravel())
    coupling = sparse.coo_matrix((np.concatenate(weights),
                                  (np.concatenate(starts), np.concatenate(ends))),
                                 (number.size, number.size))
    coupling = coupling + coupling.T
    return sparse.diags(np.asarray(coupling.sum(1))[:, 0]) - coupling


def _solve(interpolation: sparse.csr_matrix, residual: ndarray, sigma: ndarray,
           laplacian: sparse.csr_matrix, smoothness: float) -> ndarray:
    """The field (h * w,) that fits the residuals (M,) of standard deviation ``sigma`` (M,) at
    their pixels, by iteratively reweighted least squares with Cauchy's loss."""
    prior = smoothness * laplacian + ZERO_WEIGHT * sparse.identity(interpolation.shape[1])
    field, inverse = np.zeros(interpolation.shape[1]), None
    weight = sigma ** -2
    for _ in range(ITERATIONS):
        weighted = interpolation.T.multiply(weight).tocsr()
        system, right = weighted @ interpolation + prior, weighted @ residual
        if inverse is None:
            inverse = LinearOperator(system.shape, symmetric_factor(system).solve)
        # other weights change few of its eigenvalues: a factorisation takes ten times as long
        field, _ = cg(system, right, x0=field, rtol=_TOLERANCE, M=inverse)
        error = (interpolation @ field - residual) / sigma
        weight = sigma ** -2 / (1 + (error / CAUCHY_SCALE) ** 2)
    return field
