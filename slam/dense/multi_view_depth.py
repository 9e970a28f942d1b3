"""Dense depth of a keyframe from the images of others, fused with the depth of its code.

The code gives a surface's shape, images give its place: the hypotheses of a plane sweep are
multiples of the code's depth, and semi-global matching prefers neighbours with one factor unless
colour or depth have an edge.  The network's depth is a prior on the factor, so that it remains
where images have no texture; where the camera did not move, it remains as a whole.  A second sweep
in small steps around what was found, whose windows have the slant that was found, makes it exact.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.networks.prediction import resize_maps
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging import image as imaging
from scenecode.slam.dense.edges import smoothed, step_penalties
from scenecode.slam.dense.plane_sweep import SweepView, matching_costs
from scenecode.slam.dense.semi_global import mean_and_std, min_marginals
from scenecode.slam.dense.shutter import exposed_at_once
from scenecode.slam.dense.view_choice import choose_views
from scenecode.slam.map.graph import KeyframeGraph

#: Hypotheses of ln of the factor: the outermost one, and their number.
LARGEST_FACTOR, HYPOTHESES = 0.45, 46
_FACTORS = np.linspace(-LARGEST_FACTOR, LARGEST_FACTOR, HYPOTHESES, dtype=np.float32)
#: The same of the second sweep, around the depth that the first one found.
LARGEST_FINE_FACTOR, FINE_HYPOTHESES = 0.06, 13
_FINE_FACTORS = np.linspace(-LARGEST_FINE_FACTOR, LARGEST_FINE_FACTOR, FINE_HYPOTHESES,
                            dtype=np.float32)
#: Hypotheses in a piece of work: 40 ms of a core for a keyframe with eight views.
_PIECE = 6
#: Standard deviation of ln of the factor before images are compared: that of the network's depth,
#: times how much too certain it is, within limits; and the largest energy of this prior.
PRIOR_FACTOR, PRIOR_LIMITS, MAX_PRIOR = 1.3, (0.02, 0.25), 6.0
#: Inverse temperature at which energies are negative logarithms of probabilities.
INVERSE_TEMPERATURE = 8.0
#: Penalty of an unlimited change of the factor between neighbours.
LARGE_STEP = 2.0
#: Window in which the range of ln depth tells how near an edge of the surface is, and the smallest
#: range.
EDGE_WINDOW, LEAST_RANGE = 9, 0.005
#: Odds that a depth is right within a tenth: exp of a constant, of weights of the logarithms of
#: its standard deviation and of the range of ln depth around it.  Logistic regression on errors of
#: three per cent in built-in rooms: where poses and cameras are measured rather than rendered,
#: errors are that much larger.  The margin is that of ``snapshot.depth_confidence``.
ODDS_CONSTANT, ODDS_STD, ODDS_RANGE, ODDS_MARGIN = -12.4, -2.6, -1.4, 1.6
#: Error of a view's position in pixels, and the largest standard deviation of ln depth.
PIXEL_STD, LARGEST_STD = 0.5, 1.0


@dataclass(frozen=True)
class MultiViewDepth:
    """What images say about a keyframe's depth."""

    #: the keyframes that it was compared with
    views: tuple[int, ...]
    #: (H, W) at the size of the pyramid level: ln of the factor from the depth of the code
    log_factor: Tensor
    #: (H, W) standard deviation of ln depth
    log_std: Tensor


def multi_view_depth(graph: KeyframeGraph, number: int, corrections: Tensor, level: int = 0
                     ) -> MultiViewDepth | None:
    """The depth of a keyframe from others of the map, at a pyramid level; ``corrections`` (h, w)
    are ln of factors of the code's depth that the sweep begins with.  None where no other keyframe
    has enough parallax."""
    pieces = depth_in_pieces(graph, number, corrections, level)
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


def depth_in_pieces(graph: KeyframeGraph, number: int, corrections: Tensor, level: int = 0
                    ) -> Generator[None, None, MultiViewDepth | None]:
    """``multi_view_depth`` for those who have other things to do in between; the graph must not
    change until the end."""
    chosen = choose_views(graph, number)
    if not chosen.numbers:
        return None
    keyframe = graph.keyframes[number]
    depth = keyframe.depth(graph.states[number].code_depth, level)
    base = resize_maps(corrections[None].to(depth), depth.shape[1], depth.shape[0])[0]
    start = (depth * base.exp()).double().cpu().numpy()
    prior_std = (keyframe.depth_std(depth) / depth).double().cpu().numpy()
    images = _Images.of(graph, number, chosen.numbers, level)
    cost = yield from images.costs(start, _FACTORS)
    found, std = estimate(images.rgb, start, prior_std, cost)
    yield
    std = np.hypot(calibrated_std(np.log(start) + found, std),
                   PIXEL_STD / float(chosen.parallax.max()))
    coarse = start * np.exp(found)
    cost = yield from images.costs(coarse, _FINE_FACTORS)
    found += fine_estimate(images.rgb, coarse, cost)
    yield
    return MultiViewDepth(views=chosen.numbers,
                          log_factor=torch.from_numpy(found).float().to(base.device) + base,
                          log_std=torch.from_numpy(std).float().to(base.device))


def finer_depth(graph: KeyframeGraph, number: int, depth: Tensor, views: Sequence[int],
                level: int = 0) -> Tensor:
    """A depth (H, W) in metres at a pyramid level, which is right to some per cent, made exact by
    the images of other keyframes."""
    images, start = _Images.of(graph, number, views, level), depth.double().cpu().numpy()
    costs = images.costs(start, _FINE_FACTORS)
    while True:
        try:
            next(costs)
        except StopIteration as end:
            found = fine_estimate(images.rgb, start, end.value)
            return depth * torch.from_numpy(found).to(depth).exp()


@dataclass(frozen=True)
class _Images:
    """What is compared: the images of a keyframe and of others at a pyramid level."""

    #: (H, W, 3) in [0, 1], and (H, W) intensity
    rgb: np.ndarray
    intensity: np.ndarray
    camera: PinholeCamera
    views: list[SweepView]

    @staticmethod
    def of(graph: KeyframeGraph, number: int, views: Sequence[int], level: int) -> "_Images":
        keyframe = graph.keyframes[number]
        rgb = resize_maps(keyframe.rgb, *keyframe.size_at(level))
        return _Images(rgb=np.moveaxis(rgb.cpu().numpy(), 0, -1),
                       intensity=_intensity(graph, number, level),
                       camera=keyframe.camera_at(level), views=_views(graph, views, number, level))

    def costs(self, depth: np.ndarray, factors: np.ndarray
              ) -> Generator[None, None, np.ndarray]:
        """(H, W, N) of N multiples of a depth (H, W), given as logarithms."""
        cost = np.empty((*depth.shape, len(factors)), np.float32)
        for i, of_factor in enumerate(matching_costs(
                self.intensity, self.camera, depth, self.views, factors)):
            cost[..., i] = of_factor
            if (i + 1) % _PIECE == 0:
                yield
        return cost


def estimate(image: np.ndarray, depth: np.ndarray, prior_std: np.ndarray,
             cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of ln of the factor of a depth (H, W), and the standard deviation of its probability.

    ``image`` (H, W, 3) in [0, 1]; ``prior_std`` (H, W) of ln depth, as the network predicts it;
    ``cost`` (H, W, N) is that of the hypotheses.
    """
    sigma = np.clip(PRIOR_FACTOR * prior_std, *PRIOR_LIMITS)[..., None].astype(np.float32)
    prior = np.minimum(_FACTORS ** 2 / (2 * sigma ** 2), MAX_PRIOR) / INVERSE_TEMPERATURE
    log_depth = np.log(depth)
    energies = min_marginals(cost + prior,
                             *step_penalties(image, log_depth, LARGE_STEP))
    mean, std = mean_and_std(energies, _FACTORS, INVERSE_TEMPERATURE)
    std = np.maximum(std, _FACTORS[1] - _FACTORS[0])
    return smoothed(image, log_depth + mean, std) - log_depth, std


def fine_estimate(image: np.ndarray, depth: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Mean of ln of the factor of a depth (H, W) that is nearly right: as ``estimate`` by the
    ``cost`` (H, W, N) of the hypotheses of the second sweep, without a prior."""
    log_depth = np.log(depth)
    energies = min_marginals(cost, *step_penalties(image, log_depth, LARGE_STEP))
    mean, std = mean_and_std(energies, _FINE_FACTORS, INVERSE_TEMPERATURE)
    std = np.maximum(std, _FINE_FACTORS[1] - _FINE_FACTORS[0])
    return smoothed(image, log_depth + mean, std) - log_depth


def calibrated_std(log_depth: np.ndarray, std: np.ndarray) -> np.ndarray:
    """(H, W) standard deviation of ln depth (H, W) that gives the confidence that errors show;
    ``std`` (H, W) is that of ``estimate``."""
    window, values = np.ones((EDGE_WINDOW, EDGE_WINDOW), np.uint8), log_depth.astype(np.float32)
    spread = np.maximum(cv2.dilate(values, window) - cv2.erode(values, window), LEAST_RANGE)
    odds = np.exp(ODDS_CONSTANT + ODDS_STD * np.log(std) + ODDS_RANGE * np.log(spread))
    # 1 - exp(-sqrt(2) 0.1 / std) is odds / (1 + odds)
    return np.minimum(sqrt(2) * 0.1 / (ODDS_MARGIN * np.log1p(odds)), LARGEST_STD)


def _views(graph: KeyframeGraph, numbers: Sequence[int], seen_from: int, level: int
           ) -> list[SweepView]:
    return [SweepView(intensity=_intensity(graph, n, level),
                      camera=graph.keyframes[n].camera_at(level),
                      T_view_ref=graph.relative(seen_from, n).double().cpu().numpy())
            for n in numbers]


def _intensity(graph: KeyframeGraph, number: int, level: int) -> np.ndarray:
    """(H, W) float32 in [0, 1] of a keyframe at a pyramid level, as if exposed at once."""
    keyframe = graph.keyframes[number]
    intensity = imaging.intensity(keyframe.image.tensor())
    return exposed_at_once(resize_maps(intensity[None], *keyframe.size_at(level))[0].numpy(),
                           graph, number)
