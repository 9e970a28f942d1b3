"""Depth where 32 numbers cannot express it: a field of corrections, held by the corners that were
triangulated and smooth along surfaces.

Corners have a depth of their own in the window's Gauss-Newton.  What it differs by from the code's
is spread over the image by weighted least squares: neighbours are corrected alike unless depth or
colour parts them, and nothing is corrected without a reason.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy import ndarray
from scipy import sparse
from scipy.sparse.linalg import spsolve
from torch import Tensor

from scenecode.networks.prediction import resize_maps
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH
from scenecode.optim.imaging.lookup import sample_view
from scenecode.slam.config.slam_config import RefinementConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe

#: Of two elements that nothing else ties together, so that every one is tied to some corner.
_LEAST_TIE = 1e-4


@dataclass(frozen=True)
class SeenCorners:
    """Corners in a keyframe's image, its own and others', with the depth that they have there."""

    #: (M, 2) where they are seen
    pixels: Tensor
    #: (M,)
    log_depth: Tensor
    #: (M,) the largest under which any keyframe sees it, in pixels
    parallax: Tensor
    #: (M,) keyframes that see it beside its own
    views: Tensor


def corrections(graph: KeyframeGraph, number: int, config: RefinementConfig) -> Tensor:
    """(h, w) at the prediction's resolution: ln of what a keyframe's depth is to be multiplied
    by; zero where no corner says otherwise."""
    keyframe = graph.keyframes[number]
    h, w = keyframe.prediction.prox_zero.shape
    corners = seen_corners(graph, number) if config.enabled else None
    known = None if corners is None else \
        (corners.parallax > config.min_parallax) & (corners.views >= config.min_views)
    if known is None or not bool(known.any()):
        return keyframe.prediction.prox_zero.new_zeros(h, w)
    pixels, depth = corners.pixels[known], keyframe.depth(graph.states[number].code_depth)
    said = sample_view(depth[..., None], pixels)[:, 0].log()
    scale = pixels.new_tensor([w / depth.shape[1], h / depth.shape[0]])
    at = _interpolation(_array((pixels + 0.5) * scale - 0.5), h, w)
    ties = _ties(_array(resize_maps(depth[None].log(), w, h)[0]),
                 _array(resize_maps(keyframe.frame.image, w, h)), config)
    sigma = np.hypot(config.deviation, config.pixels / _array(corners.parallax[known]))
    field = _solve(at, _array(corners.log_depth[known] - said), sigma, ties, config)
    return torch.from_numpy(field.reshape(h, w)).to(depth)


def refined_depth(keyframe: Keyframe, code_depth: Tensor, field: Tensor | None,
                  level: int = 0) -> Tensor:
    """(H, W) metres at a pyramid level: the code's depth with its ``corrections`` (h, w)."""
    depth = keyframe.depth(code_depth, level)
    if field is None:
        return depth
    return depth * resize_maps(field[None], depth.shape[1], depth.shape[0])[0].exp()


def seen_corners(graph: KeyframeGraph, number: int) -> SeenCorners | None:
    """The corners that a keyframe sees; None without any."""
    views: dict[int, list[int]] = {}
    for home, view in graph.observations:
        views.setdefault(home, []).append(view)
    found = []
    for home, others in views.items():
        if home != number and number not in others:
            continue
        points, T = graph.landmarks[home], graph.relative(home, number)
        parallax, count = torch.zeros(2, len(points.log_depth)).to(points.log_depth)
        for view in others:
            index = graph.observations[home, view].index
            distance = graph.relative(home, view)[:3, 3].norm()
            seen = graph.keyframes[home].camera.focal * distance / points.log_depth[index].exp()
            parallax[index] = parallax[index].maximum(seen)
            count[index] += 1
        if home == number:
            found.append((points.pixels, points.log_depth, parallax, count))
            continue
        observation = graph.observations[home, number]
        x = points.rays[observation.index] * points.log_depth[observation.index].exp()[:, None]
        z = se3.act(T, x)[:, 2]
        ahead = z > MIN_DEPTH
        index = observation.index[ahead]
        found.append((observation.pixels[ahead], z[ahead].log(), parallax[index], count[index]))
    return SeenCorners(*(torch.cat(parts) for parts in zip(*found))) if found else None


def _array(values: Tensor) -> ndarray:
    return values.double().cpu().numpy()


def _interpolation(pixels: ndarray, h: int, w: int) -> sparse.csr_matrix:
    """(M, h * w) that looks a field up at pixels (M, 2), bilinearly."""
    x, y = np.clip(pixels, 0, [w - 1, h - 1]).T
    left, top = np.minimum(x.astype(int), w - 2), np.minimum(y.astype(int), h - 2)
    x, y, first, rows = x - left, y - top, top * w + left, np.arange(len(pixels))
    weights = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]
    columns = [first, first + 1, first + w, first + w + 1]
    return sparse.csr_matrix((np.concatenate(weights), (np.tile(rows, 4), np.concatenate(columns))),
                             (len(pixels), h * w))


def _ties(log_depth: ndarray, image: ndarray, config: RefinementConfig) -> sparse.csr_matrix:
    """(h * w, h * w) Laplacian whose quadratic form is the squared differences of neighbours,
    where (h, w) depth and (3, h, w) colours do not part them."""
    number = np.arange(log_depth.size).reshape(log_depth.shape)
    starts, ends, weights = [], [], []
    for axis in (0, 1):
        step = np.diff(log_depth, axis=axis) / config.step
        unlike = np.linalg.norm(np.diff(image, axis=axis + 1), axis=0) / config.colour
        weights.append(np.exp(-step ** 2 - unlike ** 2).ravel() + _LEAST_TIE)
        parts = np.split(number, [1], axis), np.split(number, [-1], axis)
        ends.append(parts[0][1].ravel())
        starts.append(parts[1][0].ravel())
    tied = sparse.coo_matrix((np.concatenate(weights),
                              (np.concatenate(starts), np.concatenate(ends))),
                             (number.size, number.size))
    tied = tied + tied.T
    return sparse.diags(np.asarray(tied.sum(1))[:, 0]) - tied


def _solve(at: sparse.csr_matrix, wanted: ndarray, sigma: ndarray, ties: sparse.spmatrix,
           config: RefinementConfig) -> ndarray:
    """The field (h * w,) that is best at corners (M,) of deviation ``sigma``, robustly (Cauchy)."""
    rest = config.smoothness * ties + config.pull * sparse.identity(at.shape[1])
    field = np.zeros(at.shape[1])
    weight = sigma ** -2
    for _ in range(config.iterations):
        weighted = at.T.multiply(weight).tocsr()
        field = spsolve((weighted @ at + rest).tocsc(), weighted @ wanted)
        error = (at @ field - wanted) / sigma
        weight = sigma ** -2 / (1 + (error / config.cauchy) ** 2)
    return field
