"""Global bundle adjustment: poses and scales of all keyframes from all that they see in common.

The window knows the chain of a keyframe's predecessors; what the keyframes of a place have in
common with each other over many steps, nobody uses there.  Chains drift, most of all in scale.
Corners of every keyframe are tracked into all others that look at the same place, over the widest
baselines at which they are still found, and all poses, the depths of all corners and a scale of
every keyframe are estimated at once (sparse Schur complement).  Codes stay as they are.

Owned by the mapping thread, which does the work in small pieces.
"""

import logging
from collections.abc import Collection, Generator
from dataclasses import dataclass, replace
from math import exp, log, radians

import torch
from torch import Tensor

from scenecode.networks.prediction import resize_maps
from scenecode.optim.geometry import se3
from scenecode.optim.solvers.gauss_newton import (
    GaussNewtonConfig,
    Solution,
    minimise_in_pieces,
)
from scenecode.optim.solvers.pose_graph import Edges
from scenecode.slam.adjustment.adjusted_map import AdjustedMap, ResamplingDepth
from scenecode.slam.adjustment.corners import CornerMatches
from scenecode.slam.adjustment.ground import scale_by_height
from scenecode.slam.adjustment.problem import (
    KNOWN_LENS_SIGMA,
    MEASURED_LENS_SIGMA,
    AdjustmentProblem,
    MapState,
    ObservedLandmarks,
)
from scenecode.slam.adjustment.reprojection import LENS, POSE, camera_values
from scenecode.slam.config.residuals import ResidualConfig
from scenecode.slam.dense.multi_view_depth import finer_depth, multi_view_depth
from scenecode.slam.map.graph import KeyframeGraph

_log = logging.getLogger(__name__)

#: Standard deviation of the network's scale of an image, in ln.
_SCALE_SIGMA = 0.2
#: Smallest standard deviation of ln depth that is assumed of a network.
_MIN_LOG_STD = 0.02
#: Standard deviations of the links between keyframes: of translation over median depth, of
#: rotation in radians, and of ln scale.  They matter where landmarks are missing.
_LINK_SIGMA = 0.05, radians(3.0), 0.1
#: Keyframes that make an adjustment worth while.
_MIN_KEYFRAMES = 2
#: Keyframes that are adjusted together in spare time, at most: a map that is larger is adjusted
#: there around a keyframe, and whole at the end.
LARGEST_PART = 120
#: Keyframes up to which it is adjusted whole at the end, in a minute or less.
LARGEST_MAP = 300
#: Scale of Cauchy's loss for observations, in standard deviations.  In resampled images most
#: errors are small, and others have much in common, at edges of depth: there it is a multiple
#: of the median error, and not less than the least.
_CAUCHY, _CAUCHY_ERRORS, _LEAST_CAUCHY = 3.0, 2.0, 0.2
#: Pyramid level at which images are first compared for the depth by which corners are matched.
_DEPTH_LEVEL = 1
#: When the optimisation ends.
_SOLVER = GaussNewtonConfig(iterations=40, tolerance=1e-4)
#: Reprojection error in pixels below which an observation fits.
_FITTING_PIXELS = 1.0


@dataclass(frozen=True)
class _Start:
    """The map when an adjustment began."""

    numbers: list[int]
    #: keyframes that the map had beside them, which stay
    others: frozenset[int]
    #: (K, 4, 4) T_world_cam float64, and (K,) ln scales
    poses: Tensor
    log_scales: Tensor


class GlobalAdjustment:
    """Adjusts the keyframes of the map that are in its world frame."""

    def __init__(self, config: ResidualConfig):
        self._config = config
        self._matches = CornerMatches()
        #: the outcome of the last one, as long as nobody changes the map
        self.adjusted: AdjustedMap | None = None

    def pieces(self, graph: KeyframeGraph, around: int | None = None,
               by_images: bool = False) -> Generator[None, None, bool]:
        """Adjust a map, or ``LARGEST_PART`` keyframes of it ``around`` one.  It may change between
        the pieces: what was optimised or added since keeps its pose relative to what was
        adjusted.  ``by_images``, corners are matched in images that are resampled by the depth
        that images show, or where they have too little parallax, by that of codes.  Returns
        whether the map was changed."""
        last, self.adjusted = self.adjusted, None
        numbers = _placed(graph) if around is None else _neighbourhood(graph, around)
        if len(numbers) < _MIN_KEYFRAMES:
            return False
        others = frozenset(graph.keyframes.keys() - set(numbers))
        depths: dict[int, ResamplingDepth] = {}
        for number in numbers if by_images else ():
            depths[number] = _resampling_depth(graph, number, last)
            yield
        yield from self._matches.update(graph, numbers,
                                        {n: depth.metres for n, depth in depths.items()})
        numbers = [n for n in numbers if n in graph.keyframes and self._matches.knows(graph, n)]
        landmarks = self._landmarks(graph, numbers)
        start = _Start(
            numbers=numbers, others=others,
            poses=torch.stack([graph.states[n].T_world_cam.double().cpu() for n in numbers]),
            log_scales=torch.tensor([log(graph.keyframes[n].scale) for n in numbers],
                                    dtype=torch.float64))
        sigma = self._config.reprojection_sigma
        state = MapState(poses=start.poses, log_scales=start.log_scales,
                         log_depths=landmarks.network_log_depth
                         + start.log_scales[landmarks.host],
                         lenses=torch.zeros(len(landmarks.cameras), LENS, dtype=torch.float64))
        problem = AdjustmentProblem(landmarks, _links(graph, start), start=state,
                                    is_fixed=_is_fixed(graph, numbers), sigma_pixels=sigma,
                                    sigma_log_scale=_SCALE_SIGMA, reprojection_cauchy=_CAUCHY)
        solution = yield from _each_without_value(
            minimise_in_pieces(state, problem.linearise, problem.retract, _SOLVER))
        if by_images and len(landmarks.landmark):
            error = float(problem.errors(solution.state).median())
            sharper = problem.sharper(
                min(max(_CAUCHY_ERRORS * error / sigma, _LEAST_CAUCHY), _CAUCHY), solution.state)
            solution = yield from _each_without_value(minimise_in_pieces(
                solution.state, sharper.linearise, sharper.retract, _SOLVER))
        before, after = (_fitting(problem, s) for s in (state, solution.state))
        moved = float((solution.state.poses - state.poses)[:, :3, 3].norm(dim=1).max())
        if after < before:
            _log.info("global adjustment of %d keyframes not used: %.0f %% of the observations "
                      "fit instead of %.0f %%", len(numbers), 100 * after, 100 * before)
            return False
        state = _at_best_scale(graph, start, problem, solution.state)
        _correct(graph, start, state)
        for number, (*_, across, down) in zip(
                numbers, state.lenses[landmarks.camera_of].tolist(), strict=True):
            if number in graph.keyframes:
                graph.shutters[graph.keyframes[number].camera] = across, down
        # depths were matched at the scales before
        change = dict(zip(numbers, (state.log_scales - start.log_scales).exp().tolist(),
                          strict=True))
        self.adjusted = AdjustedMap(
            numbers=numbers, landmarks=landmarks, state=state, keyframes=dict(graph.keyframes),
            depths={n: replace(depth, metres=change[n] * depth.metres)
                    for n, depth in depths.items() if n in change})
        _log.info("global adjustment of %d keyframes: %d observations, of which %.0f %% fit "
                  "instead of %.0f %%; the map moved by up to %.3f m", len(numbers),
                  len(landmarks.landmark), 100 * after, 100 * before, moved)
        for across, down in (1e3 * state.lenses[:, -2:]).tolist():
            _log.info("the shutter takes %.0f ms across the image and %.0f ms down", across, down)
        return True

    def _landmarks(self, graph: KeyframeGraph, numbers: list[int]) -> ObservedLandmarks:
        """The corners of keyframes that others of them observe."""
        row = {n: i for i, n in enumerate(numbers)}
        corners = [self._matches.corners(graph, n) for n in numbers]
        first = torch.tensor([0, *(len(c.rays) for c in corners)]).cumsum(0)
        observations = self._matches.observations(graph, numbers)
        none = torch.zeros(0, dtype=torch.long)
        corner = torch.cat([none, *(first[row[a]] + o.index
                                    for (a, _), o in observations.items())])
        # those that nobody observes are left out
        seen, landmark = torch.unique(corner, return_inverse=True)
        cameras, camera_of = torch.unique(
            torch.stack([camera_values(graph.keyframes[n].camera) for n in numbers]), dim=0,
            return_inverse=True)
        at_rest = torch.zeros(POSE, dtype=torch.float64)
        is_known = torch.tensor([graph.keyframes[n].camera_is_known for n in numbers])
        lens_sigma = torch.tensor(
            [KNOWN_LENS_SIGMA if bool(is_known[camera_of == k].all()) else MEASURED_LENS_SIGMA
             for k in range(len(cameras))], dtype=torch.float64)
        return ObservedLandmarks(
            host=torch.repeat_interleave(torch.arange(len(numbers)), first.diff())[seen],
            rays=torch.cat([c.rays for c in corners]).double()[seen],
            network_log_depth=torch.cat([c.log_depth for c in corners]).double()[seen],
            log_std=self._config.landmark_depth_sigma
            * torch.cat([c.log_std for c in corners]).double().clamp(min=_MIN_LOG_STD)[seen],
            landmark=landmark,
            observer=torch.cat([none, *(torch.full_like(o.index, row[b])
                                        for (_, b), o in observations.items())]),
            pixels=torch.cat([torch.zeros(0, 2), *(o.pixels for o in observations.values())]
                             ).double(),
            cameras=cameras, camera_of=camera_of, lens_sigma=lens_sigma,
            motions=torch.stack([at_rest if motion is None else motion for motion in (
                graph.keyframes[n].motion_at_scale_1 for n in numbers)]))


def _resampling_depth(graph: KeyframeGraph, number: int, last: AdjustedMap | None
                      ) -> ResamplingDepth:
    """As the images of others show it, made more exact where the ``last`` adjustment knows it;
    that of the code where they have too little parallax, so that its errors shift little."""
    keyframe = graph.keyframes[number]
    known = None if last is None or last.keyframes.get(number) is not keyframe \
        else last.depths.get(number)
    if known is not None and known.views and graph.keyframes.keys() >= set(known.views):
        return replace(known, metres=finer_depth(graph, number, known.metres, known.views))
    found = multi_view_depth(graph, number, torch.zeros(1, 1), _DEPTH_LEVEL)
    views = () if found is None else found.views
    depth = keyframe.depth(graph.states[number].code_depth, _DEPTH_LEVEL).cpu()
    if found is not None:
        depth = depth * found.log_factor.cpu().exp()
    depth = resize_maps(depth[None], keyframe.camera.width, keyframe.camera.height)[0]
    return ResamplingDepth(metres=finer_depth(graph, number, depth, views) if views else depth,
                           views=views)


def _each_without_value(solver: Generator[Solution[MapState], None, Solution[MapState]]
                        ) -> Generator[None, None, Solution[MapState]]:
    """The pieces of a solver's work, and its outcome."""
    while True:
        try:
            next(solver)
        except StopIteration as end:
            return end.value
        yield


def _fitting(problem: AdjustmentProblem, state: MapState) -> float:
    """Share of the observations that fit."""
    fits = problem.errors(state) < _FITTING_PIXELS
    return float(fits.double().mean()) if len(fits) else 0.0


def _placed(graph: KeyframeGraph) -> list[int]:
    """The keyframes in the world frame of the map."""
    outside = graph.outside(0)
    return [n for n in graph.keyframes if n not in outside]


def _neighbourhood(graph: KeyframeGraph, around: int) -> list[int]:
    """The keyframes in the fewest steps along links from one, in order."""
    placed, reached, front = set(_placed(graph)), [around], [around]
    if around not in placed:
        return []
    while front and len(reached) < LARGEST_PART:
        near = {b for a in front for b in graph.neighbours(a) if b in placed}
        front = sorted(near.difference(reached))
        reached += front
    return sorted(reached[:LARGEST_PART])


def _is_fixed(graph: KeyframeGraph, numbers: list[int]) -> Tensor:
    """(K,) bool: the first keyframe of the map, and those that are linked to others."""
    others = set(_placed(graph)).difference(numbers)
    fixed = torch.tensor([n in graph.origins or not others.isdisjoint(graph.neighbours(n))
                          for n in numbers])
    if not bool(fixed.any()):
        fixed[0] = True
    return fixed


def _links(graph: KeyframeGraph, start: _Start) -> Edges:
    """The links of the map at its relative poses."""
    row = {n: i for i, n in enumerate(start.numbers)}
    links = sorted((row[a], row[b]) for a, b in graph.links if a < b and {a, b} <= row.keys())
    pairs = torch.tensor(links, dtype=torch.long).reshape(-1, 2)
    depths = torch.tensor([graph.median_depth(n) for n in start.numbers], dtype=torch.float64)
    shift, turn, scale = _LINK_SIGMA
    sigma = torch.tensor([shift, shift, shift, turn, turn, turn, scale], dtype=torch.float64)
    sigma = sigma.repeat(len(pairs), 1)
    sigma[:, :3] *= depths[pairs[:, 0], None]
    T_ab = se3.inverse(start.poses[pairs[:, 0]]) @ start.poses[pairs[:, 1]]
    none = torch.zeros(len(pairs), dtype=torch.float64)
    return Edges(a=pairs[:, 0], b=pairs[:, 1], T_ab=T_ab, log_scale=none, sigma=sigma,
                 cauchy=torch.full_like(none, torch.inf))


def _at_best_scale(graph: KeyframeGraph, start: _Start, problem: AdjustmentProblem,
                   state: MapState) -> MapState:
    """The whole map scaled so that its cameras are as high over the ground as is known, or else
    to what the network says of all its keyframes; a part of it has the scale of the rest.

    The scale of the whole costs too little for the solver, whose tolerance is one of all costs.
    """
    fixed = _is_fixed(graph, start.numbers)
    if int(fixed.sum()) > 1:
        return state
    log_scale = _log_scale_by_height(graph, start, problem, state)
    if log_scale is None:
        log_scale = -float(state.log_scales.mean())
    centre = state.poses[int(fixed.nonzero()[0]), :3, 3]
    poses = state.poses.clone()
    poses[:, :3, 3] = centre + exp(log_scale) * (poses[:, :3, 3] - centre)
    return replace(state, poses=poses, log_scales=state.log_scales + log_scale,
                   log_depths=state.log_depths + log_scale)


def _log_scale_by_height(graph: KeyframeGraph, start: _Start, problem: AdjustmentProblem,
                         state: MapState) -> float | None:
    """ln of the factor to the known height of the cameras; None where none is known, or where
    the ground is not seen well enough."""
    # some may have been culled meanwhile
    heights = {row: height for row, n in enumerate(start.numbers) if n in graph.keyframes
               and (height := graph.keyframes[n].camera_height) is not None}
    if not heights:
        return None
    log_depths, log_std = problem.triangulated(state)
    points = problem.points(replace(state, log_depths=log_depths))
    found = scale_by_height(points.numpy(), log_std.numpy(),
                            state.poses[list(heights)].numpy(), list(heights.values()))
    if found is None:
        _log.info("the ground is not seen well enough to scale the map by the camera's height")
        return None
    _log.info("the map was scaled by %.3f +- %.3f to the known height of its camera, as %d "
              "keyframes see the ground", exp(found.log_scale), found.log_std, found.keyframes)
    return found.log_scale


def _correct(graph: KeyframeGraph, start: _Start, state: MapState) -> None:
    """Move the map as it is now by what the adjustment moved the one at its start."""
    row = {n: i for i, n in enumerate(start.numbers)}
    change = state.log_scales - start.log_scales
    others = start.others | graph.outside(0)
    poses, log_scales = [], []
    for number, current in graph.states.items():
        T = current.T_world_cam.double().cpu()
        if number in others:
            poses.append(T)
            log_scales.append(0.0)
            continue
        anchor = row[_anchor(graph, number, row.keys())]
        T_anchor_key = se3.inverse(start.poses[anchor]) @ T
        T_anchor_key[:3, 3] *= change[anchor].exp()
        # without the round-off of a product where nothing was optimised meanwhile
        is_same = torch.equal(T, start.poses[anchor])
        poses.append(state.poses[anchor] if is_same else state.poses[anchor] @ T_anchor_key)
        log_scales.append(float(change[anchor]))
    graph.correct(torch.stack(poses), torch.tensor(log_scales, dtype=torch.float64))
    # a loop that the adjustment knows is where it put it
    graph.loops = [
        replace(loop, T_older_newer=graph.relative(loop.newer, loop.older), log_scale=0.0)
        if {loop.older, loop.newer} <= row.keys() else loop for loop in graph.loops]


def _anchor(graph: KeyframeGraph, number: int, adjusted: Collection[int]) -> int:
    """The keyframe itself, or an adjusted one that is linked with it, or the last one of all."""
    if number in adjusted:
        return number
    linked = [n for n in graph.neighbours(number) if n in adjusted]
    return max(linked or [n for n in adjusted if n in graph.keyframes])
