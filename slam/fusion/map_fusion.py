"""Fusion: keyframes to one labelled cloud of points that several views agree on.

A keyframe's result depends on its codes and on those and the relative poses of its neighbours
(``fusion_inputs``); where it is in the world decides only where its points are.  So what is made
again is what changed: a result when its inputs did, points when their keyframe moved.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scenecode.networks.prediction import resize_maps
from scenecode.optim.crf import SurfaceConfig
from scenecode.optim.geometry.proximity import depth_std
from scenecode.optim.geometry.surface import surface_cosine
from scenecode.optim.warp import ViewState
from scenecode.slam.config.fusion import FusionConfig
from scenecode.slam.fusion.fusion_inputs import (
    FusionInputs,
    same_objects,
    sources_of,
)
from scenecode.slam.fusion.image_depths import ImageDepth, ImageDepths, MatchedDepth
from scenecode.slam.fusion.label_fusion import LabelFusion, LabelFusionConfig
from scenecode.slam.fusion.label_views import LabelView
from scenecode.slam.fusion.own_views import LandmarkCorrections, OwnView, OwnViews
from scenecode.slam.fusion.packed_maps import LOG_B, PackedMap
from scenecode.slam.fusion.placed_points import PlacedPoints, Placement
from scenecode.slam.fusion.resting_result import RestingResult
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.records.snapshot import FusedCloud, KeyframeView

#: Surfaces seen at a smaller cosine between ray and normal give no points.
MIN_COSINE = 0.1
#: Neighbours that a keyframe is fused with at most: those that show most of what it shows.
MAX_NEIGHBOURS = 10
#: How labels are smoothed along surfaces of estimated depth: its errors bend planes, so that
#: colour decides more than where depth is measured.
ESTIMATED_SURFACES = SurfaceConfig(strength=4.0, plane=0.1, colour=0.05)


@dataclass(frozen=True)
class FusedLabels:
    """Labels of a keyframe's pixels from itself and its neighbours, at the level of fusion."""

    #: (C, H, W)
    probabilities: Tensor
    #: (H * W,) whether enough views see the pixel's surface
    confirmed: Tensor

    def stated(self, labels: np.ndarray) -> "FusedLabels":
        """With the labels (H, W) that are stated, which are certain; negative where none is."""
        stated = torch.from_numpy(labels.astype(np.int64))
        known = stated >= 0
        certain = torch.zeros_like(self.probabilities)
        certain.scatter_(0, stated.clamp(min=0)[None], 1.0)
        return replace(self, probabilities=torch.where(known, certain, self.probabilities))


@dataclass
class _Fused:
    """What is known of one keyframe."""

    frame_index: int
    #: of the fusion, and the objects that they were computed from
    inputs: FusionInputs
    sources: tuple[Any, ...]
    #: what images showed of its depth
    image_depth: ImageDepth | None
    #: at the present scale, and the scale that it is at
    result: RestingResult
    scale: float
    view: KeyframeView


@dataclass(frozen=True)
class _Matching:
    """A keyframe that is being matched."""

    number: int
    pieces: Iterator[None]


@dataclass
class _Changes:
    """What of the map is newer than the fused results; numbers in the order of urgency."""

    never_fused: list[int] = field(default_factory=list)
    fuse_again: list[int] = field(default_factory=list)


class Fusion:
    """Fuses a growing and changing map.  Owned by one thread.

    ``set_map`` finds out what changed; ``fuse`` and ``place`` then do the work in pieces, or
    ``update`` does all of it.
    """

    def __init__(self, config: FusionConfig,
                 matched: Mapping[int, MatchedDepth] | None = None):
        """``matched``: depths that images gave already, by number of a keyframe."""
        self._config = config
        self._graph = KeyframeGraph()
        self._exactly = False
        #: (4, 4) T_world_cam, by number
        self._poses: dict[int, np.ndarray] = {}
        self._median_depth = 1.0
        #: by number: the keyframes that each is fused with, in order
        self._neighbours: dict[int, tuple[int, ...]] = {}
        #: by number: all that it is linked to
        self._linked: dict[int, frozenset[int]] = {}
        self._changes = _Changes()
        self._image_depths = ImageDepths(config.refinement, matched)
        #: what ``match_a_piece`` has begun
        self._matching: _Matching | None = None
        #: by number, see ``set_map``
        self._stated: dict[int, np.ndarray] = {}
        #: by number
        self._fused: dict[int, _Fused] = {}
        self._own_views = OwnViews(config)
        self._points = PlacedPoints()
        self._class_count = 0

    def update(self, graph: KeyframeGraph, stated: Mapping[int, np.ndarray] | None = None,
               restated: Collection[int] = (), settled: bool = True) -> None:
        """Bring all results and the cloud up to date with a map, exactly: only resting keyframes
        may differ by the tolerances of ``fusion_inputs``.  ``stated`` and ``restated`` as for
        ``set_map``; images are compared where the map is ``settled``."""
        self.set_map(graph, exactly=True, stated=stated, restated=restated, settled=settled)
        for number in self.unmatched if settled else ():
            self.match(number)
        for number in (*self.never_fused, *self.fuse_again):
            self.fuse(number)
        while self.place():
            pass

    def set_map(self, graph: KeyframeGraph, exactly: bool = False,
                stated: Mapping[int, np.ndarray] | None = None,
                restated: Collection[int] = (), settled: bool = False) -> None:
        """Take over a map, which must not change any more.

        Small changes of active keyframes, too, wait until they add up, and so do small moves of
        points, unless it is to be followed ``exactly``.

        ``stated``: by number, (h, w) labels at the level of fusion that pixels have whatever the
        codes say, negative where none is stated.  However little the codes of ``restated``
        keyframes changed, they and those fused with them are fused again.  Images are compared
        with those of active keyframes only when the map is ``settled``.
        """
        self._graph = graph
        changed = self._take_stated(stated or {}) | set(restated)
        self._exactly = exactly
        self._poses = {number: _pose(state) for number, state in graph.states.items()}
        self._median_depth = float(np.median(
            [graph.median_depth(number) for number in graph.keyframes] or [1.0]))
        self._choose_neighbours()
        self._image_depths.set_map(graph, self._poses, self._linked, settled)
        for number in [n for n, known in self._fused.items() if n not in graph.keyframes
                       or known.frame_index != graph.keyframes[n].frame_index]:
            del self._fused[number]
            self._own_views.forget(number)
            self._points.forget(number)
        active = set(graph.active)
        self._own_views.keep_only(active.union(*(self._neighbours[n] for n in active)))
        newest_first = sorted(graph.keyframes, reverse=True)
        self._changes = _Changes(
            never_fused=[n for n in newest_first if n not in self._fused],
            fuse_again=[n for n in newest_first if n in self._fused
                        and (n in changed or self._must_be_fused_again(
                            n, (exactly and n in active)
                            or not changed.isdisjoint(self._neighbours[n])))])
        for number, known in self._fused.items():
            self._follow(number, known)

    @property
    def never_fused(self) -> Sequence[int]:
        """Numbers of keyframes without a result, the newest first."""
        return tuple(self._changes.never_fused)

    @property
    def fuse_again(self) -> Sequence[int]:
        """Numbers of keyframes whose result is out of date, the newest first."""
        return tuple(self._changes.fuse_again)

    @property
    def unmatched(self) -> Sequence[int]:
        """Numbers of keyframes whose depth can be improved by images, the newest first."""
        return tuple(self._image_depths.outdated)

    @property
    def matched(self) -> Mapping[int, MatchedDepth]:
        """By number, what images gave for keyframes; another object when it changes."""
        return self._image_depths.matched

    def unmatched_around(self, number: int) -> Sequence[int]:
        """Those of ``unmatched`` on which the result of a keyframe depends."""
        involved = {number, *self._neighbours[number]}
        return tuple(n for n in self.unmatched if n in involved)

    def match(self, number: int) -> None:
        """Estimate the depth of a keyframe from the images of others; its result is out of date
        then, and so are those of its neighbours by as much as their labels depend on it."""
        for _ in self._image_depths.match(number):
            pass
        self._note_matched(number)

    def match_a_piece(self) -> None:
        """As ``match``, a piece of it: of the keyframe that was begun, or else of the first one in
        ``unmatched``, which must not be empty."""
        unmatched = self._image_depths.outdated
        if self._matching is None or self._matching.number not in unmatched:
            self._matching = _Matching(number=unmatched[0],
                                       pieces=self._image_depths.match(unmatched[0]))
        number = self._matching.number
        try:
            next(self._matching.pieces)
        except StopIteration:
            self._matching = None
            self._note_matched(number)

    def _note_matched(self, number: int) -> None:
        changes = self._changes
        if number in self._fused and number not in changes.fuse_again \
                and self._image_depths.get(number) is not self._fused[number].image_depth:
            changes.fuse_again = sorted([*changes.fuse_again, number], reverse=True)

    def fuse(self, number: int) -> None:
        """Make the result of a keyframe."""
        keyframe, state = self._graph.keyframes[number], self._graph.states[number]
        own = self._own_view(number, exactly=True)
        labels = self._fused_labels(number, own)
        result = resting_result(keyframe, state, own.label_view, labels, own.corrections,
                                own.image_depth, self._config)
        self._class_count = len(labels.probabilities)
        self._fused[number] = _Fused(
            frame_index=keyframe.frame_index, inputs=self._inputs(number),
            sources=self._sources(number), image_depth=own.image_depth, result=result,
            scale=keyframe.scale, view=self._view(number, result))
        for waiting in (self._changes.never_fused, self._changes.fuse_again):
            if number in waiting:
                waiting.remove(number)

    def place(self, at_most: int | None = None) -> bool:
        """Move the points of changed keyframes in the cloud, ``at_most`` so many, the newest
        first; whether any are left to be moved.  All are where cells get another size."""
        wanted = {n: Placement(result=self._fused[n].result,
                               T_world_cam=self._fused[n].view.T_world_cam,
                               median_depth=self._graph.median_depth(n))
                  for n in reversed(self._graph.keyframes) if n in self._fused}
        return self._points.place(wanted, self._config.voxel * self._median_depth,
                                  self._class_count, self._exactly, at_most)

    def probabilities(self, number: int) -> np.ndarray:
        """(C, H, W) float32, the fused class probabilities of a keyframe, computed at every call
        and resized bilinearly to its image."""
        camera = self._graph.keyframes[number].camera
        own = self._own_view(number, exactly=True)
        probabilities = self._fused_labels(number, own).probabilities
        return resize_maps(probabilities, camera.width, camera.height).numpy(force=True)

    def keyframe_views(self) -> Mapping[int, KeyframeView]:
        """By number, every keyframe that has a result, in order; an unchanged one is the same
        object as before."""
        return {n: self._fused[n].view for n in self._graph.keyframes if n in self._fused}

    @property
    def cloud(self) -> FusedCloud:
        """The points of all keyframes, one for each occupied voxel."""
        return self._points.cloud

    def _fused_labels(self, number: int, own: OwnView) -> FusedLabels:
        others = [self._own_view(n, self._exactly).label_view for n in self._neighbours[number]]
        labels = fused_labels(own.label_view, others, self._config)
        return labels if number not in self._stated else labels.stated(self._stated[number])

    def _take_stated(self, stated: Mapping[int, np.ndarray]) -> set[int]:
        """Take over stated labels; the numbers of keyframes for which they changed."""
        before, self._stated = self._stated, dict(stated)
        changed = before.keys() ^ stated.keys()
        return changed | {n for n in before.keys() & stated.keys()
                          if not np.array_equal(before[n], stated[n])}

    def _inputs(self, number: int) -> FusionInputs:
        return FusionInputs.of(self._graph, number, self._neighbours[number], self._poses)

    def _sources(self, number: int) -> tuple[Any, ...]:
        return sources_of(self._graph, number, self._neighbours[number])

    def _must_be_fused_again(self, number: int, exactly: bool) -> bool:
        known, sources = self._fused[number], self._sources(number)
        if known.image_depth is not self._image_depths.get(number):
            return True
        if same_objects(known.sources, sources):
            return False
        if exactly:
            return True
        if not known.inputs.is_near(self._inputs(number)):
            return True
        # not compared again until something is replaced
        known.sources = sources
        return False

    def _follow(self, number: int, known: _Fused) -> None:
        """Give a result the present pose and scale of its keyframe."""
        scale = self._graph.keyframes[number].scale
        if scale != known.scale:
            known.result = known.result.rescaled(scale / known.scale)
            known.scale = scale
        if known.view.maps is not known.result \
                or not np.array_equal(known.view.T_world_cam, self._poses[number]):
            known.view = self._view(number, known.result)

    def _view(self, number: int, result: RestingResult) -> KeyframeView:
        keyframe = self._graph.keyframes[number]
        return KeyframeView(frame_index=keyframe.frame_index, timestamp=keyframe.timestamp,
                            T_world_cam=self._poses[number], camera=keyframe.camera, maps=result)

    def _own_view(self, number: int, exactly: bool) -> OwnView:
        known, earlier = self._fused.get(number), None
        if known is not None and known.image_depth is None:
            earlier = LandmarkCorrections(code=known.inputs.own_depth_code,
                                          corrections=known.result.corrections)
        return self._own_views.get(self._graph, number, self._image_depths.get(number), earlier,
                                   exactly)

    def _choose_neighbours(self) -> None:
        graph = self._graph
        linked: dict[int, set[int]] = {number: set() for number in graph.keyframes}
        for a, b in graph.links:
            linked[a].add(b)
        before, self._linked = self._linked, {n: frozenset(o) for n, o in linked.items()}
        chosen = {}
        for number, others in self._linked.items():
            if len(others) <= MAX_NEIGHBOURS:
                chosen[number] = tuple(sorted(others))
            elif others == before.get(number):
                chosen[number] = self._neighbours[number]
            else:
                by_overlap = sorted(others, key=lambda n: graph.coarse_overlap(number, n))
                chosen[number] = tuple(sorted(by_overlap[-MAX_NEIGHBOURS:]))
        self._neighbours = chosen


def fused_labels(own: LabelView, others: Sequence[LabelView], config: FusionConfig) -> FusedLabels:
    """A view labelled by all that see its surfaces, by the method ``config.labels``."""
    fusion = LabelFusion([own, *others], LabelFusionConfig(
        tolerance=config.depth_tolerance, surfaces=ESTIMATED_SURFACES))
    confirmed = fusion.view_counts() >= 1 + min(config.min_views, len(others))
    return FusedLabels(probabilities=fusion.fuse(config.labels), confirmed=confirmed)


def resting_result(keyframe: Keyframe, state: ViewState, own: LabelView, labels: FusedLabels,
                   corrections: PackedMap | None, image_depth: ImageDepth | None,
                   config: FusionConfig) -> RestingResult:
    """The result of a keyframe: its pixels give points where its depth is certain, confirmed by
    other views and not seen at a grazing angle."""
    camera, depth = own.camera, own.depth
    points, _ = camera.backproject(camera.pixel_grid(device=depth.device), depth.reshape(-1))
    cosine = surface_cosine(points.reshape(camera.height, camera.width, 3))
    prediction = own.prediction
    log_b = LOG_B.pack(prediction.prox_b.clamp(min=1e-9).log()) if image_depth is None \
        else image_depth.log_b
    b = resize_maps(log_b.values().exp().to(depth)[None], camera.width, camera.height)[0]
    certain = depth_std(depth, b, prediction.average_depth) < config.max_relative_std * depth
    return RestingResult.packed(
        keyframe.camera, keyframe.image, prediction.average_depth,
        proximity=prediction.proximity(state.code_depth), log_b=log_b, corrections=corrections,
        probabilities=labels.probabilities,
        reliable=certain & (cosine > MIN_COSINE) & labels.confirmed.reshape(depth.shape))


def _pose(state: ViewState) -> np.ndarray:
    return state.T_world_cam.double().cpu().numpy().copy()
