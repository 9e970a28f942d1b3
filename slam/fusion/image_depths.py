"""Depth of keyframes from the images of others, kept as long as their poses hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scenecode.networks.prediction import resize_maps
from scenecode.optim.geometry.proximity import proximity_scale
from scenecode.slam.config.fusion import RefinementConfig
from scenecode.slam.dense.multi_view_depth import depth_in_pieces
from scenecode.slam.fusion.depth_refinement import log_depth_corrections
from scenecode.slam.fusion.fusion_inputs import (
    RelativeViews,
    are_similar,
    same_objects,
    sources_of,
)
from scenecode.slam.fusion.packed_maps import IMAGE_CORRECTIONS, IMAGE_LOG_B, PackedMap
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.map.stored_image import StoredImage
from scenecode.slam.map.working_memory import UNKNOWN_B

#: Part of the image's size at which the uncertainty is kept.
_STD_SIZE = 0.5


@dataclass(frozen=True, eq=False)
class ImageDepth:
    """A keyframe's depth as images show it, compressed."""

    #: ln of the factor from the depth of its code, at the size of the image
    log_factor: PackedMap
    #: ln b of the Laplace scale of proximity
    log_b: PackedMap


@dataclass(frozen=True, eq=False)
class MatchedDepth:
    """What matching found for a keyframe, and what it depends on."""

    #: the keyframe's own image: a map that is begun anew uses its numbers again
    image: StoredImage
    #: None where no view has enough parallax
    depth: ImageDepth | None
    #: (Kd,) its depth code then
    code_depth: Tensor
    #: the keyframes that it was compared with, as they were then
    views: RelativeViews
    #: all keyframes that it was linked to
    linked: frozenset[int]


class ImageDepths:
    """The depths of all keyframes that were matched so far.  Owned by the thread of fusion."""

    def __init__(self, config: RefinementConfig,
                 matched: Mapping[int, MatchedDepth] | None = None):
        """``matched``: what is known already, by number."""
        self._config = config
        self._graph = KeyframeGraph()
        self._poses: Mapping[int, np.ndarray] = {}
        self._linked: Mapping[int, frozenset[int]] = {}
        #: all that is known, by number; replaced whole
        self.matched: Mapping[int, MatchedDepth] = {} if matched is None else matched
        #: by number: the objects that what is known, or would be found now, is computed from
        self._sources: dict[int, tuple[Any, ...]] = {}
        #: keyframes to be matched, the newest first
        self.outdated: list[int] = []

    def set_map(self, graph: KeyframeGraph, poses: Mapping[int, np.ndarray],
                linked: Mapping[int, frozenset[int]], settled: bool) -> None:
        """Take over a map with its ``poses`` T_world_cam and links by number.  Active keyframes
        wait until all are ``settled``."""
        self._graph, self._poses, self._linked = graph, poses, linked
        gone = [n for n, known in self.matched.items() if not self._is_usable(n, known)]
        if gone:
            self.matched = {n: known for n, known in self.matched.items() if n not in set(gone)}
        for number in self._sources.keys() - self.matched.keys():
            del self._sources[number]
        if self._config.method == "images":
            waiting = () if settled else graph.active
            self.outdated = [n for n in sorted(graph.keyframes, reverse=True)
                             if n not in waiting and not self._is_current(n)]

    def get(self, number: int) -> ImageDepth | None:
        """What is known of a keyframe; the same object until that changes."""
        known = self.matched.get(number) if self._config.method == "images" else None
        return None if known is None else known.depth

    def match(self, number: int) -> Iterator[None]:
        """Compare the images of others with a keyframe's, in pieces; of the map as it is at the
        first of them."""
        graph, poses, linked = self._graph, self._poses, self._linked
        keyframe = graph.keyframes[number]
        corrections = log_depth_corrections(graph, number, self._config)
        found = yield from depth_in_pieces(graph, number, corrections)
        views = () if found is None else found.views
        depth = None
        if found is not None:
            depth = ImageDepth(log_factor=IMAGE_CORRECTIONS.pack(found.log_factor),
                               log_b=_packed_log_b(keyframe, graph.states[number].code_depth,
                                                   found.log_factor, found.log_std))
        known = MatchedDepth(
            image=keyframe.image, depth=depth, linked=linked[number],
            code_depth=graph.states[number].code_depth,
            views=RelativeViews.of(graph, number, views, poses))
        if not self._is_usable(number, known):
            return
        self.matched = {**self.matched, number: known}
        self._sources[number] = sources_of(graph, number, views)
        if number in self.outdated and self._is_current(number):
            self.outdated.remove(number)

    def _is_usable(self, number: int, known: MatchedDepth) -> bool:
        """Whether a depth still is of the keyframe and of a code that is similar."""
        keyframe = self._graph.keyframes.get(number)
        return keyframe is not None and keyframe.image is known.image \
            and are_similar(known.code_depth, self._graph.states[number].code_depth)

    def _is_current(self, number: int) -> bool:
        known = self.matched.get(number)
        # a link that is no more leads to no better view
        if known is None or not self._linked[number] <= known.linked \
                or not self._graph.keyframes.keys() >= set(known.views.numbers):
            return False
        views = known.views.numbers
        sources = sources_of(self._graph, number, views)
        if same_objects(self._sources.get(number, ()), sources):
            return True
        if not known.views.is_near(RelativeViews.of(self._graph, number, views, self._poses)):
            return False
        # not compared again until something is replaced
        self._sources[number] = sources
        return True


def _packed_log_b(keyframe: Keyframe, code_depth: Tensor, log_factor: Tensor,
                  log_std: Tensor) -> PackedMap:
    depth = keyframe.depth(code_depth) * log_factor.exp()
    b = proximity_scale(log_std * depth, depth, keyframe.prediction.average_depth)
    moving = keyframe.moving()
    if moving is not None:
        b = torch.where(moving, UNKNOWN_B, b)
    height, width = (max(1, round(_STD_SIZE * n)) for n in depth.shape)
    return IMAGE_LOG_B.pack(resize_maps(b.clamp(min=1e-6).log()[None], width, height)[0])
