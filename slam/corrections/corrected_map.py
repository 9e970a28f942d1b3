"""Semantic codes at which the labels of a map agree with what a user stated.

Each correction is a label factor (cross-entropy) on the semantic code of its keyframe.  Through
depth and poses its region is found in the other keyframes that see it, and is a weaker label
factor there.  All semantic codes of these keyframes are then optimised jointly: label factors,
semantic residuals between linked keyframes (equation 8), the zero-code prior, and the labels that
the map had elsewhere.  These are evidence, too: a code that explains a region at the cost of many
confident labels elsewhere is not what the user meant, and the region is then overridden pixel by
pixel.  Labels of a class that a correction took away somewhere count less than others, since the
same mistake is likely to be made there.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig, minimise
from scenecode.slam.config.fusion import FusionConfig
from scenecode.slam.corrections.correction import Correction, CorrectionList
from scenecode.slam.fusion.code_fusion import (
    CodeFusionConfig,
    KeptLabels,
    LabelFactor,
    SemanticAgreement,
    coded_logits,
    coded_maps,
    compare,
    downsized,
)
from scenecode.slam.fusion.label_views import LabelView, project_view
from scenecode.slam.fusion.own_views import keyframe_label_view
from scenecode.slam.map.graph import KeyframeGraph

#: No label is stated for a pixel.
UNSTATED = -1
#: Keyframes of which a coarse grid shows less of a corrected one are not looked at.
_MIN_OVERLAP = 0.02
#: Pixels of a region in another keyframe at least.
_MIN_PIXELS = 6
#: Part of a region that a class has at least that counts as taken away by its correction.
_MIN_SHARE = 0.25
#: Pixels of a region that a label factor is computed at, at most.
_MAX_PIXELS = 150
#: Label views that are kept for the next time, at most.
_MAX_VIEWS = 64


@dataclass(frozen=True)
class SpreadConfig:
    """By what a correction changes labels."""

    #: label factors on codes
    codes: bool = True
    #: what other keyframes see of the region gets label factors and stated labels, too
    transport: bool = True
    #: pixels of regions have the stated label, also where codes do not express it
    elements: bool = True
    #: weight of a transported label factor over that of the correction
    transported_weight: float = 0.5
    #: weight of the labels that the map had, over that of a comparison of two views
    kept: float = 4.0
    #: the same of labels of a class that corrections took away from a region
    doubted: float = 1.0
    #: relative difference of depth up to which two keyframes see the same surface
    tolerance: float = 0.05
    agreement: CodeFusionConfig = field(default_factory=lambda: CodeFusionConfig(
        step=8, gauss_newton=GaussNewtonConfig(iterations=8, tolerance=1e-3)))


@dataclass(frozen=True)
class CorrectedMap:
    """A map with its corrections."""

    #: the map's own graph, or a copy with other semantic codes
    graph: KeyframeGraph
    #: by number of a keyframe: (h, w) int16 labels that are stated for its pixels at the level of
    #: fusion, ``UNSTATED`` elsewhere
    stated: Mapping[int, np.ndarray] = field(default_factory=dict)
    #: by number of a correction: the share of its region that codes alone label as stated
    expressed: Mapping[int, float] = field(default_factory=dict)
    #: numbers of the keyframes that corrections take part in
    involved: frozenset[int] = frozenset()


@dataclass(frozen=True)
class _Place:
    """What a keyframe sees of a corrected region."""

    keyframe: int
    correction: Correction
    #: (h, w) bool at the level of fusion
    mask: np.ndarray

    @property
    def is_own(self) -> bool:
        return self.keyframe == self.correction.keyframe

    def pixels(self) -> Tensor:
        """(N, 2), spread evenly over the region."""
        v, u = np.nonzero(self.mask)
        chosen = np.linspace(0, len(u) - 1, min(len(u), _MAX_PIXELS)).astype(int)
        return torch.from_numpy(np.stack([u[chosen], v[chosen]], 1).astype(np.float32))


class Corrector:
    """Applies corrections to a growing and changing map.  Owned by one thread."""

    def __init__(self, config: FusionConfig, spread: SpreadConfig = SpreadConfig()):
        self._config, self._spread = config, spread
        #: by number, least recently used first, with the objects that each was made of
        self._views: OrderedDict[int, tuple[tuple[object, ...], LabelView]] = OrderedDict()

    def apply(self, graph: KeyframeGraph, corrections: CorrectionList) -> CorrectedMap:
        """The map with all corrections that count; those of keyframes that it does not have, or
        that are of another size, have no influence."""
        usable = [entry for entry in corrections.active if _fits(graph, entry)]
        if not usable:
            return CorrectedMap(graph)
        places = self._places(graph, usable)
        stated = _stated_labels(places) if self._spread.elements else \
            _stated_labels([p for p in places if p.correction.kind == "override"])
        coded = [place for place in places if place.correction.kind == "code"]
        if not coded or not self._spread.codes \
                or not graph.keyframes[coded[0].keyframe].prediction.semantic_code_size:
            return CorrectedMap(graph, stated, involved=frozenset(stated))
        corrected = self._optimised(graph, coded)
        changed = (n for n, state in corrected.states.items() if state is not graph.states[n])
        return CorrectedMap(graph=corrected, stated=stated,
                            expressed=self._expressed(corrected, coded),
                            involved=frozenset({*stated, *changed}))

    def _places(self, graph: KeyframeGraph, corrections: Sequence[Correction]) -> list[_Place]:
        """Where the regions are seen, in the order of the corrections."""
        found = []
        for correction in corrections:
            own = correction.keyframe
            mask = _at_level(correction.region.mask, self._view(graph, own))
            found.append(_Place(keyframe=own, correction=correction, mask=mask))
            if not self._spread.transport:
                continue
            for other in graph.keyframes:
                if other == own or graph.part(other) != graph.part(own) \
                        or graph.coarse_overlap(own, other) < _MIN_OVERLAP:
                    continue
                seen = self._transported(graph, own, mask, other)
                if np.count_nonzero(seen) >= _MIN_PIXELS:
                    found.append(_Place(keyframe=other, correction=correction, mask=seen))
        return found

    def _transported(self, graph: KeyframeGraph, own: int, mask: np.ndarray,
                     other: int) -> np.ndarray:
        """(h, w) bool: the pixels of another keyframe whose surface lies in a region."""
        a, b = self._view(graph, other), self._view(graph, own)
        projection = project_view(a, b, self._spread.tolerance)
        at = projection.pixels.round().long()
        inside = projection.visible & (at >= 0).all(1) & (at[:, 0] < mask.shape[1]) \
            & (at[:, 1] < mask.shape[0])
        seen = torch.zeros(len(at), dtype=torch.bool)
        seen[inside] = torch.from_numpy(mask)[at[inside, 1], at[inside, 0]]
        return seen.reshape(a.depth.shape).numpy()

    def _optimised(self, graph: KeyframeGraph, places: Sequence[_Place]) -> KeyframeGraph:
        """The graph at the semantic codes that fit the label factors."""
        own = {place.correction.keyframe for place in places}
        involved = sorted({place.keyframe for place in places}
                          | {n for number in own for n in graph.neighbours(number)})
        row = {number: i for i, number in enumerate(involved)}
        config, spread = self._spread.agreement, self._spread
        views = [self._view(graph, number) for number in involved]
        small = [downsized(view, config.step) for view in views]
        maps = [coded_maps(view) for view in small]
        comparisons = [compare(small, maps, row[a], row[b], spread.tolerance)
                       for a, b in sorted(graph.links) if a in row and b in row]
        doubted = self._doubted(graph, places)
        kept = [self._kept(row[n], small[row[n]], maps[row[n]],
                           [p.mask for p in places if p.keyframe == n], doubted)
                for n in involved]
        fine = {n: _coded_maps_of_network(views[row[n]]) for n in {p.keyframe for p in places}}
        factors = [self._factor(row[place.keyframe], views[row[place.keyframe]],
                                fine[place.keyframe], place) for place in places]
        codes = torch.stack([view.start_code() for view in views])
        problem = SemanticAgreement(comparisons, len(involved), codes.shape[1], config, factors,
                                    kept, start=codes)
        solved = minimise(codes, problem.linearise, problem.retract, config.gauss_newton).state
        corrected = graph.frozen()
        for number, code in zip(involved, solved):
            corrected.states[number] = replace(graph.states[number], code_semantic=code)
        return corrected

    def _doubted(self, graph: KeyframeGraph, places: Sequence[_Place]) -> Tensor:
        """(D,) the classes that a considerable part of a region had before it was corrected."""
        found = set()
        for place in places:
            if place.is_own:
                labels = self._view(graph, place.keyframe).own_probabilities.argmax(0).numpy()
                counts = np.bincount(labels[place.mask], minlength=place.correction.label + 1)
                counts[place.correction.label] = 0
                found.update(np.flatnonzero(counts > _MIN_SHARE * place.mask.sum()).tolist())
        return torch.tensor(sorted(found), dtype=torch.int64)

    def _kept(self, view: int, small: LabelView, maps: Tensor, regions: Sequence[np.ndarray],
              doubted: Tensor) -> KeptLabels:
        """The labels that a view has outside of corrected regions."""
        height, width = small.depth.shape
        free = np.ones((height, width), bool)
        for region in regions:
            free &= cv2.resize(region.astype(np.float32), (width, height),
                               interpolation=cv2.INTER_AREA) < 0.2
        chosen = torch.from_numpy(free.ravel())
        logits = coded_logits(view, maps.flatten(0, 1)[chosen], len(small.prediction.classes))
        probabilities, _ = logits.probabilities(small.start_code())
        weights = torch.where(torch.isin(probabilities.argmax(1), doubted),
                              self._spread.doubted, self._spread.kept)
        return KeptLabels(logits=logits, probabilities=probabilities, weights=weights
                          * (self._spread.agreement.effective_pixels / len(chosen)))

    def _factor(self, view: int, of: LabelView, maps: Tensor, place: _Place) -> LabelFactor:
        height, width = maps.shape[:2]
        scale = torch.tensor([width / of.camera.width, height / of.camera.height])
        values = sample_view(maps, (place.pixels() + 0.5) * scale - 0.5)
        weight = place.correction.weight
        return LabelFactor(
            logits=coded_logits(view, values, len(of.prediction.classes)),
            label=place.correction.label,
            weight=weight if place.is_own else weight * self._spread.transported_weight)

    def _expressed(self, graph: KeyframeGraph, places: Sequence[_Place]) -> dict[int, float]:
        shares = {}
        for place in places:
            if place.is_own:
                labels = self._view(graph, place.keyframe).own_probabilities.argmax(0).numpy()
                right = labels[place.mask] == place.correction.label
                shares[place.correction.number] = float(right.mean()) if len(right) else 0.0
        return shares

    def _view(self, graph: KeyframeGraph, number: int) -> LabelView:
        keyframe, state = graph.keyframes[number], graph.states[number]
        sources = (keyframe, state)
        known = self._views.get(number)
        if known is None or any(a is not b for a, b in zip(known[0], sources)):
            known = sources, keyframe_label_view(keyframe, state, self._config.level)
            self._views[number] = known
            while len(self._views) > _MAX_VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(number)
        return known[1]


def _fits(graph: KeyframeGraph, correction: Correction) -> bool:
    if correction.keyframe not in graph.keyframes or not len(correction.region):
        return False
    camera, region = graph.keyframes[correction.keyframe].camera, correction.region
    return (camera.width, camera.height) == (region.width, region.height)


def _coded_maps_of_network(view: LabelView) -> Tensor:
    """As ``coded_maps``, at the size of the prediction."""
    height, width = view.prediction.logits_zero.shape[1:]
    return coded_maps(replace(view, camera=view.camera.resized(width, height)))


def _at_level(mask: np.ndarray, view: LabelView) -> np.ndarray:
    """A mask at the size of a view: pixels of which at least half are in it, or if there are none
    the one that has most of it."""
    size = view.camera.width, view.camera.height
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return share >= min(0.5, float(share.max()))


def _stated_labels(places: Sequence[_Place]) -> dict[int, np.ndarray]:
    """By keyframe: later corrections replace earlier ones, and a keyframe's own those that are
    transported to it from an earlier one."""
    stated: dict[int, np.ndarray] = {}
    for place in places:
        labels = stated.setdefault(place.keyframe, np.full(place.mask.shape, UNSTATED, np.int16))
        labels[place.mask] = place.correction.label
    return stated
