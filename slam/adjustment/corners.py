"""Corners of keyframes, and in which other keyframes they are seen.

A patch looks different in another keyframe: turned, nearer, slanted.  Where the depth of a
keyframe is known well, or matters little for want of parallax, the other image is first resampled
to what it looks like from this keyframe, so that a patch is only shifted, by as much as poses are
wrong.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import log
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.slam.adjustment.resampling import Resampling
from scenecode.slam.features.klt import KltConfig, epipolar_inliers, track_corners
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.landmarks import Observation, keyframe_corners, make_landmarks
from scenecode.slam.map.stored_image import StoredImage
from scenecode.slam.places.view_overlap import CoarseViews

#: Corners of a keyframe.  More of them, and a stricter test of the way back, than where a new
#: keyframe is matched: they are seen from many others, and found from poses that are known.
_KLT = KltConfig(max_corners=800, min_distance=4, quality=0.003, window=11, max_return_error=0.3)
#: The same in resampled images, where patches only shift: stricter still.
_RESAMPLED_KLT = replace(_KLT, max_return_error=0.15)
#: Share of the images of two keyframes that must be in view of the other.
_MIN_OVERLAP = 0.3
#: Keyframes that one is matched with, at most.
_MAX_PARTNERS = 24
#: Corners of a pair that must fit one essential matrix, and their share of those that were
#: tracked.
_MIN_INLIERS, _MIN_INLIER_SHARE = 10, 0.5
#: Changes of a relative pose, over median depth, beyond which a pair is matched again: corners are
#: searched where the map says that they are.
_MAX_SHIFT = 0.1


@dataclass(frozen=True)
class KeyframeCorners:
    """The corners of a keyframe, with the depth that the network gives them."""

    #: (M, 2), and (M, 3) points at depth 1
    pixels: Tensor
    rays: Tensor
    #: (M,) ln depth at scale 1, and its standard deviation
    log_depth: Tensor
    log_std: Tensor
    #: the code that the depth is at
    code_depth: Tensor


@dataclass(frozen=True)
class _MatchedPair:
    """The corners of one keyframe that another one sees, None where it sees too few."""

    observation: Observation | None
    #: (4, 4) where they were searched
    T_ba: Tensor
    #: the depth by which the other image was resampled
    depth: Tensor | None


def track_resampled(image_a: np.ndarray, image_b: np.ndarray, pixels: Tensor,
                    resampling: Resampling) -> tuple[Tensor, Tensor]:
    """Where pixels (N, 2) of A are in B, images of bytes (H, W), found in B as A sees it; and a
    mask (N,) of those that were found."""
    shifted, kept = track_corners(image_a, resampling.resampled(image_b), pixels, pixels,
                                  _RESAMPLED_KLT)
    found, inside = resampling.at(shifted)
    return found, kept & inside


class CornerMatches:
    """Corners of all keyframes of a map and their observations; what was matched is kept.  Owned
    by the mapping thread."""

    def __init__(self) -> None:
        self._views = CoarseViews()
        #: by image, which stays the same when keyframes are numbered anew
        self._corners: dict[StoredImage, KeyframeCorners] = {}
        self._pairs: dict[tuple[StoredImage, StoredImage], _MatchedPair] = {}

    def update(self, graph: KeyframeGraph, numbers: list[int],
               depths: Mapping[int, Tensor] = MappingProxyType({})) -> Iterator[None]:
        """Find and match the corners of the keyframes ``numbers`` as far as that was not done, or
        the map has moved since; yields between pieces of work, during which keyframes may be
        culled.  Those of keyframes whose ``depths`` (H, W) in metres are known are matched with
        resampled images."""
        present = {keyframe.image for keyframe in graph.keyframes.values()}
        self._corners = {i: corners for i, corners in self._corners.items() if i in present}
        self._pairs = {pair: matched for pair, matched in self._pairs.items()
                       if present.issuperset(pair)}
        for number in numbers:
            if number in graph.keyframes:
                self._update_corners(graph, number)
                yield
        images: dict[int, np.ndarray] = {}
        partners_of = self._partners(graph, [n for n in numbers if n in graph.keyframes])
        for a, partners in partners_of.items():
            for b in partners:
                if {a, b} <= graph.keyframes.keys() \
                        and self._match(graph, a, b, images, depths.get(a)):
                    yield
            # partners are near: the images of the last keyframes are used again
            while len(images) > 2 * _MAX_PARTNERS:
                images.pop(next(iter(images)))

    def knows(self, graph: KeyframeGraph, number: int) -> bool:
        """Whether ``update`` has found the corners of a keyframe."""
        return graph.keyframes[number].image in self._corners

    def corners(self, graph: KeyframeGraph, number: int) -> KeyframeCorners:
        """Of a keyframe that it ``knows``."""
        return self._corners[graph.keyframes[number].image]

    def observations(self, graph: KeyframeGraph, numbers: list[int]
                     ) -> dict[tuple[int, int], Observation]:
        """By pairs (a, b) of keyframes of ``numbers``: b's observations of a's corners."""
        number_of = {graph.keyframes[n].image: n for n in numbers}
        return {(number_of[a], number_of[b]): matched.observation
                for (a, b), matched in self._pairs.items()
                if matched.observation is not None and a in number_of and b in number_of}

    def _update_corners(self, graph: KeyframeGraph, number: int) -> None:
        keyframe, code = graph.keyframes[number], graph.states[number].code_depth
        known = self._corners.get(keyframe.image)
        if known is not None and known.code_depth is code:
            return
        pixels = keyframe_corners(keyframe, torch.zeros(0, 2), _KLT) if known is None \
            else known.pixels
        found = make_landmarks(keyframe, code, pixels)
        self._corners[keyframe.image] = KeyframeCorners(
            pixels=pixels, rays=found.rays, log_std=found.log_std, code_depth=code,
            log_depth=found.log_depth - log(keyframe.scale))

    def _partners(self, graph: KeyframeGraph, numbers: list[int]) -> dict[int, list[int]]:
        """By keyframe of ``numbers``: the others to match it with."""
        self._views.update(graph, numbers)
        partners: dict[int, list[int]] = {}
        for number in numbers:
            found = self._views.overlaps(graph.states[number].T_world_cam,
                                         graph.keyframes[number].camera)
            enough = (found.overlap >= _MIN_OVERLAP) & (found.numbers != number)
            order = found.overlap[enough].argsort(descending=True)
            others = found.numbers[enough][order]
            if len(others) > _MAX_PARTNERS:
                # near ones and far ones: the latter hold the map together
                spread = torch.linspace(0, len(others) - 1, _MAX_PARTNERS).round().long()
                others = others[spread]
            partners[number] = others.tolist()
        return partners

    def _match(self, graph: KeyframeGraph, a: int, b: int, images: dict[int, np.ndarray],
               depth: Tensor | None) -> bool:
        """Track a's corners into b, if that has to be done."""
        keyframe, other = graph.keyframes[a], graph.keyframes[b]
        T_ba, pair = graph.relative(a, b), (keyframe.image, other.image)
        known = self._pairs.get(pair)
        if known is not None and (depth is None or depth is known.depth):
            shift = (se3.inverse(known.T_ba) @ T_ba)[:3, 3].norm()
            if float(shift) < _MAX_SHIFT * graph.median_depth(a):
                return False
        for number in (a, b):
            if number not in images:
                images[number] = graph.keyframes[number].sharp_grey
        corners = self._corners[keyframe.image]
        if depth is None:
            depths = keyframe.scale * corners.log_depth.exp()
            x_b = se3.act(T_ba, corners.rays * depths[:, None])
            guess, _ = other.camera.project(x_b)
            found, kept = track_corners(images[a], images[b], corners.pixels, guess, _KLT)
            kept = kept & (x_b[:, 2] > 0)
        else:
            found, kept = track_resampled(
                images[a], images[b], corners.pixels,
                Resampling.of(depth, keyframe.camera, other.camera, T_ba))
        index = kept.nonzero()[:, 0]
        inlier = epipolar_inliers(corners.rays[index], found[index], other.camera, _KLT)
        tracked, index = len(index), index[inlier]
        enough = len(index) >= max(_MIN_INLIERS, _MIN_INLIER_SHARE * tracked)
        observation = Observation(index=index, pixels=found[index]) if enough else None
        self._pairs[pair] = _MatchedPair(observation=observation, T_ba=T_ba, depth=depth)
        return True
