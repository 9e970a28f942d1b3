"""Two parts of a map that share no world frame become one: places of one part that are recognised
in the other give the similarity between them, and loops that are closed between both."""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import exp, radians

import numpy as np
import torch
from torch import Tensor

from scenecode.core.errors import ScenecodeError
from scenecode.optim.geometry import se3
from scenecode.slam.config.mapping import MappingConfig
from scenecode.slam.features.orb import match as match_descriptors
from scenecode.slam.loops.closure import verify_and_close
from scenecode.slam.map.graph import KeyframeGraph, Loop
from scenecode.slam.places.confirmation import ImageQuery, PlaceMatch
from scenecode.slam.places.known_places import KnownPlaces

#: Recognised places that have to agree on a similarity.
MIN_AGREEING = 3
#: How far a recognised place may be from where the similarity puts it: distance over median depth,
#: angle, and ln scale, in which both parts drift.
_MAX_SHIFT, _MAX_TURN, _MAX_LOG_SCALE = 0.3, radians(10), 0.35
#: Extent of the recognised places over median depth, from which it gives the scale better than
#: their depths do.
_MIN_EXTENT = 1.0
#: Lowe's ratio below which features match, and pixels within which they fit a pose.
_MAX_RATIO, _FITTING_PIXELS = 0.8, 4.0
#: Recognised places, those with most matches, at which a loop is closed.
_MAX_LOOPS = 8

_log = logging.getLogger(__name__)


class JoiningError(ScenecodeError):
    """Two parts of a map do not show one place."""


@dataclass(frozen=True)
class PartMatch:
    """A keyframe of one part that shows the place of a keyframe of another."""

    #: number in the part that is to be moved
    keyframe: int
    place: PlaceMatch
    #: ln of units of the place's keyframe per unit of the part's
    log_scale: float


@dataclass(frozen=True)
class Similarity:
    """``x -> scale R x + t``, from the world frame of a part into that of the others."""

    #: (3, 3) and (3,) float64
    R: np.ndarray
    t: np.ndarray
    log_scale: float

    def moved(self, T: np.ndarray) -> np.ndarray:
        """Poses (..., 4, 4) of cameras of the part in the world frame of the others."""
        moved = T.copy()
        moved[..., :3, :3] = self.R @ T[..., :3, :3]
        moved[..., :3, 3] = exp(self.log_scale) * T[..., :3, 3] @ self.R.T + self.t
        return moved


def recognise(graph: KeyframeGraph, part: Collection[int], numbers: Sequence[int],
              places: KnownPlaces) -> Iterator[PartMatch | None]:
    """For each of ``numbers``, keyframes of a part, its match with a keyframe outside the part."""
    for number in numbers:
        keyframe = graph.keyframes[number]
        place = places.search(graph, ImageQuery.of_keyframe(keyframe), exclude=part)
        scale = None if place is None else _log_scale(graph, number, place)
        yield None if place is None or scale is None else \
            PartMatch(keyframe=number, place=place, log_scale=scale)


def _log_scale(graph: KeyframeGraph, number: int, place: PlaceMatch) -> float | None:
    """ln of units of the place's keyframe per unit of a keyframe's depth: the median over matched
    features that fit the relative pose; None without any."""
    keyframe, reference = graph.keyframes[number], place.reference
    known, own, _ = match_descriptors(reference.features.descriptors,
                                      keyframe.features.descriptors, _MAX_RATIO)
    x = se3.act(place.alignment.T_ba.cpu(), reference.points[torch.from_numpy(known)].cpu())
    expected, _ = keyframe.camera.project(x)
    seen = torch.from_numpy(keyframe.features.pixels[own])
    fits = (expected - seen).norm(dim=1) < _FITTING_PIXELS
    depths = graph.geometry(number).feature_depths.cpu()[torch.from_numpy(own)]
    ratio = (x[:, 2] / depths)[fits & (x[:, 2] > 0)]
    return float(ratio.log().median()) if len(ratio) else None


def agreeing(graph: KeyframeGraph, matches: Sequence[PartMatch], min_agreeing: int = MIN_AGREEING
             ) -> tuple[Similarity, list[PartMatch]]:
    """The similarity on which most matches agree, and these.

    Every match alone gives one: the relative pose of two cameras, and the ratio of two depths.
    Raises ``JoiningError`` when fewer than ``min_agreeing`` agree.
    """
    poses = _Poses(graph, matches)
    best = np.zeros(len(matches), bool)
    for i in range(len(matches)):
        for log_scale in {float(poses.log_scale[i]), float(np.median(poses.log_scale))}:
            near = poses.fits(poses.similarity(np.arange(len(matches)) == i, log_scale))
            best = near if near.sum() > best.sum() else best
    if best.sum() < min_agreeing:
        raise JoiningError(
            f"{len(matches)} keyframes of one map look like keyframes of the other, of which "
            f"{int(best.sum())} agree on how the maps lie to each other, {min_agreeing} are "
            "needed; maps can be joined that show one place from similar points of view")
    # better estimates may be fitted by more
    for _ in range(2):
        found = poses.similarity(best, poses.common_log_scale(best))
        near = poses.fits(found)
        best = near if near.sum() >= best.sum() else best
    return found, [match for match, fits in zip(matches, best, strict=True) if fits]


class _Poses:
    """The cameras of N matches in both world frames."""

    def __init__(self, graph: KeyframeGraph, matches: Sequence[PartMatch]):
        def stacked(poses: list[Tensor]) -> np.ndarray:
            return torch.stack(poses).double().numpy(force=True) if poses \
                else np.zeros((0, 4, 4))

        known = stacked([graph.states[m.place.keyframe].T_world_cam for m in matches])
        #: (N, 4, 4) in the world frame of the others, and in that of the part
        self.there = known @ stacked([m.place.T_key_frame for m in matches])
        self.here = stacked([graph.states[m.keyframe].T_world_cam for m in matches])
        #: (N,)
        self.log_scale = np.array([m.log_scale for m in matches])
        self.depth = np.array([m.place.reference.median_depth for m in matches])

    def similarity(self, chosen: np.ndarray, log_scale: float) -> Similarity:
        """The mean of some matches (N,) bool, at a scale."""
        there, here = self.there[chosen], self.here[chosen]
        U, _, Vt = np.linalg.svd((there[:, :3, :3] @ here[:, :3, :3].transpose(0, 2, 1)).sum(0))
        R = U @ np.diag([1, 1, np.linalg.det(U @ Vt)]) @ Vt
        t = (there[:, :3, 3] - exp(log_scale) * here[:, :3, 3] @ R.T).mean(0)
        return Similarity(R=R, t=t, log_scale=log_scale)

    def common_log_scale(self, chosen: np.ndarray) -> float:
        """Of some matches: the ratio of the extents of their positions, where these are far
        enough apart, else the median of the depths' ratios."""
        there, here = self.there[chosen][:, :3, 3], self.here[chosen][:, :3, 3]
        extents = [float(np.linalg.norm(p - p.mean(0), axis=1).mean()) for p in (there, here)]
        if extents[0] > _MIN_EXTENT * float(np.median(self.depth[chosen])) and extents[1] > 0:
            return float(np.log(extents[0] / extents[1]))
        return float(np.median(self.log_scale[chosen]))

    def fits(self, similarity: Similarity) -> np.ndarray:
        """(N,) bool: matches whose camera the similarity puts near to where it was seen."""
        moved = similarity.moved(self.here)
        shift = np.linalg.norm(moved[:, :3, 3] - self.there[:, :3, 3], axis=1) / self.depth
        trace = np.einsum("nij,nij->n", moved[:, :3, :3], self.there[:, :3, :3])
        turn = np.arccos(((trace - 1) / 2).clip(-1, 1))
        return (shift <= _MAX_SHIFT) & (turn <= _MAX_TURN) \
            & (np.abs(self.log_scale - similarity.log_scale) <= _MAX_LOG_SCALE)


def join(graph: KeyframeGraph, part: Collection[int], matches: Sequence[PartMatch],
         config: MappingConfig, min_agreeing: int = MIN_AGREEING) -> Iterator[None]:
    """Move a part of the map to where its ``matches`` with the rest put it, and close loops
    between both; yields between pieces of work, the first time after the move.

    Keyframes are matched before (``recognise``); the part's numbers should be the larger ones.

    Raises ``JoiningError``, and leaves the map as it was, when fewer than ``min_agreeing`` matches
    agree.
    """
    # some may have been culled since they were matched
    remaining = [match for match in matches if _is_in(graph, match)]
    similarity, found = agreeing(graph, remaining, min_agreeing)
    _move(graph, set(part), similarity, graph.part(found[0].place.keyframe))
    yield
    found.sort(key=lambda match: match.place.num_inliers, reverse=True)
    closed = 0
    for match in _spread(found):
        closed += yield from verify_and_close(graph, match.place.keyframe, match.keyframe, config)
        yield
    _log.info("%d places recognised, %d agree, %d loops closed between the parts", len(matches),
              len(found), closed)
    remaining = [match for match in found if _is_in(graph, match)]
    if not closed and remaining:
        _connect(graph, remaining[0], similarity)


def _is_in(graph: KeyframeGraph, match: PartMatch) -> bool:
    return {match.place.keyframe, match.keyframe} <= graph.keyframes.keys()


def _connect(graph: KeyframeGraph, match: PartMatch, similarity: Similarity) -> None:
    """Close the loop of a match as it was measured by features and pixels alone."""
    place = match.place
    graph.loops.append(Loop(
        older=place.keyframe, newer=match.keyframe, T_older_newer=place.T_key_frame,
        log_scale=match.log_scale - similarity.log_scale, num_landmarks=place.num_inliers))
    graph.link(place.keyframe, match.keyframe)


def _spread(matches: list[PartMatch]) -> list[PartMatch]:
    """The best matches of keyframes that are no neighbours, best first."""
    chosen: list[PartMatch] = []
    for match in matches:
        if len(chosen) < _MAX_LOOPS and all(abs(match.keyframe - other.keyframe) > 1
                                            for other in chosen):
            chosen.append(match)
    return chosen


def _move(graph: KeyframeGraph, part: set[int], similarity: Similarity, target: int) -> None:
    """Move the keyframes of a part into the world frame of a ``target``, whose part they are then.
    """
    poses, log_scales = [], []
    for number, state in graph.states.items():
        T = state.T_world_cam.double().cpu()
        moves = number in part
        poses.append(torch.from_numpy(similarity.moved(T.numpy())) if moves else T)
        log_scales.append(similarity.log_scale if moves else 0.0)
    graph.correct(torch.stack(poses), torch.tensor(log_scales, dtype=torch.float64))
    staying = {n: one for n, one in graph.part_of.items() if n not in part}
    graph.part_of = staying | (dict.fromkeys(part, target) if target else {})
