"""Verification of a loop candidate: whether two keyframes see the same place, and their relative
pose and scale."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig, minimise
from scenecode.slam.bundle.window import Window
from scenecode.slam.config.mapping import MappingConfig, StageConfig
from scenecode.slam.features.klt import KltConfig, epipolar_inliers, track_corners
from scenecode.slam.features.orb import Matches, match, solve_pnp
from scenecode.slam.map.graph import KeyframeGraph, Loop
from scenecode.slam.map.landmarks import Observation
from scenecode.slam.records.frame import PYRAMID_LEVELS

#: Lowe's ratio below which ORB features match.
_MAX_RATIO = 0.8
#: Largest reprojection error in pixels of an inlier of RANSAC, and inliers that it needs.
_RANSAC_PIXELS, _MIN_MATCHES = 4.0, 15
#: Stages of the window that refine the relative pose.
_SCHEDULE = (StageConfig("geometry", 2, 4), StageConfig("geometry", 1, 3))
#: Largest reprojection error in pixels of a landmark that fits after the refinement.
_FITTING_PIXELS = 2.0
#: Largest change of ln scale.
_MAX_LOG_SCALE = 0.7
#: The pose that features give replaces the map's own when its cost is below this share of that
#: one's.
_COST_RATIO = 0.9
_KLT = KltConfig()


def verify(graph: KeyframeGraph, older: int, newer: int,
           config: MappingConfig) -> Generator[None, None, "LoopCandidate | None"]:
    """The accepted candidate of two keyframes, None when there is none; yields between pieces of
    work.

    Matches of ORB features and the older keyframe's depth give a first relative pose (PnP).  It
    is a poor one, because depth has errors that are correlated over whole surfaces, and only
    predicts where to track landmarks.  These are tracked to fractions of a pixel, and the
    window's own residuals refine pose and depth of the newer keyframe while all others are fixed.
    """
    min_landmarks = config.loops.min_landmarks
    T_newer_older = _pose_from_features(graph, older, newer)
    # both ways, against accidental matches
    if T_newer_older is None or _pose_from_features(graph, newer, older) is None:
        return None
    yield
    if not {older, newer} <= graph.keyframes.keys():
        return None
    # where the map has hardly drifted, its own relative pose is the better prediction; both are
    # made of one state of the map, which may change at every yield
    by_map = LoopCandidate(graph, older, newer, graph.relative(older, newer), config)
    by_features = LoopCandidate(graph, older, newer, T_newer_older, config)
    by_map.track_landmarks()
    yield
    by_features.track_landmarks()
    yield
    if max(by_map.num_landmarks, by_features.num_landmarks) < min_landmarks:
        return None
    if by_features.num_landmarks > by_map.num_landmarks:
        by_map.copy_observations(by_features)
    else:
        by_features.copy_observations(by_map)
    yield from by_map.refine()
    if by_features.solve_pose():
        yield from by_features.refine()
    best = by_features if by_features.cost < _COST_RATIO * by_map.cost else by_map
    return best if best.is_consistent else None


def _pose_from_features(graph: KeyframeGraph, a: int, b: int) -> Tensor | None:
    """``T_b_a`` by PnP from matched ORB features, None when it has too few inliers."""
    keyframe, other = graph.keyframes[a], graph.keyframes[b]
    of_a, of_b, _ = match(keyframe.features.descriptors, other.features.descriptors, _MAX_RATIO)
    depth = keyframe.depth(graph.states[a].code_depth)
    pixels = torch.from_numpy(keyframe.features.pixels[of_a]).to(depth)
    x_a, _ = keyframe.camera.backproject(pixels, _at(depth, pixels))
    matched = torch.from_numpy(other.features.pixels[of_b]).to(pixels)
    found = solve_pnp(Matches(points=x_a, pixels=matched, camera=other.camera,
                              tolerance=_RANSAC_PIXELS), _MIN_MATCHES)
    return None if found is None else found.T


def _at(depth: Tensor, pixels: Tensor) -> Tensor:
    """(H, W) at pixels (N, 2), bilinearly."""
    return sample_view(depth[..., None], pixels)[:, 0]


@dataclass(frozen=True)
class _HostedLandmarks:
    """Landmarks of one keyframe that the older keyframe observes."""

    #: number of the keyframe in the candidate's own graph
    host: int
    #: (N,) index of the landmarks
    index: Tensor
    #: (N, 2) where the older keyframe observes them
    pixels: Tensor


class LoopCandidate:
    """A newer keyframe, an older one, and those whose landmarks the older one observes, in a graph
    of their own: the map is not changed until ``keep`` is called."""

    def __init__(self, graph: KeyframeGraph, older: int, newer: int, T_newer_older: Tensor,
                 config: MappingConfig):
        hosts = {a for a, b in graph.observations if b == older and a != newer} | {older}
        self._config = config
        #: in the map, by number in the candidate's own graph
        self._numbers = [*sorted(hosts), newer]
        self._older = self._numbers.index(older)
        self._newer = len(self._numbers) - 1
        self._graph = KeyframeGraph(
            keyframes={i: graph.keyframes[n] for i, n in enumerate(self._numbers)},
            states={i: graph.states[n] for i, n in enumerate(self._numbers)},
            active=[self._newer],
            landmarks={i: graph.landmarks[n] for i, n in enumerate(self._numbers)})
        observed = [(i, graph.observations.get((n, older)))
                    for i, n in enumerate(self._numbers[:-1])]
        own = graph.landmarks[older].pixels
        self._hosted = [*(_HostedLandmarks(host=i, index=o.index, pixels=o.pixels)
                          for i, o in observed if o is not None),
                        _HostedLandmarks(host=self._older, index=torch.arange(len(own)),
                                         pixels=own)]
        self._depth = self._graph.keyframes[self._newer].depth(
            self._graph.states[self._newer].code_depth)
        #: of the window, after the last refinement
        self.cost = inf
        self._set_pose(T_newer_older)

    def _set_pose(self, T_newer_older: Tensor) -> None:
        states = self._graph.states
        T = states[self._older].T_world_cam @ se3.inverse(T_newer_older)
        states[self._newer] = replace(states[self._newer], T_world_cam=T)

    def track_landmarks(self) -> None:
        """Track the landmarks that the older keyframe observes into the newer one."""
        graph, older, newer = self._graph, self._older, self._newer
        points = torch.cat([self._points(h.host, h.index) for h in self._hosted])
        pixels = torch.cat([h.pixels for h in self._hosted])
        camera = graph.keyframes[older].camera
        guess, _ = camera.project(se3.act(graph.relative(older, newer), points))
        image_a, image_b = (graph.keyframes[n].grey for n in (older, newer))
        found, kept = track_corners(image_a, image_b, pixels, guess, _KLT)
        index = kept.nonzero()[:, 0]
        index = index[epipolar_inliers(camera.rays(pixels)[index], found[index],
                                       graph.keyframes[newer].camera, _KLT)]
        inlier = torch.zeros(len(kept), dtype=torch.bool)
        inlier[index] = True
        sizes = [len(h.index) for h in self._hosted]
        for hosted, chosen, where in zip(self._hosted, inlier.split(sizes), found.split(sizes),
                                         strict=True):
            if bool(chosen.any()):
                graph.observations[hosted.host, newer] = Observation(
                    index=hosted.index[chosen], pixels=where[chosen])

    def copy_observations(self, other: "LoopCandidate") -> None:
        """Take over the landmarks that were tracked from another first pose."""
        self._graph.observations = dict(other._graph.observations)

    def _points(self, host: int, index: Tensor) -> Tensor:
        """Landmarks of a keyframe, (N, 3) in the frame of the older keyframe."""
        landmarks = self._graph.landmarks[host]
        x = (landmarks.rays * landmarks.log_depth.exp()[:, None])[index]
        return se3.act(self._graph.relative(host, self._older), x)

    @property
    def num_landmarks(self) -> int:
        """Landmarks that were tracked into the newer keyframe."""
        return sum(len(observation.index) for observation in self._graph.observations.values())

    def _matches(self) -> Matches:
        """The landmarks that the newer keyframe observes, in the frame of the older one."""
        observed = self._graph.observations.items()
        points = [self._points(host, observation.index) for (host, _), observation in observed]
        pixels = [observation.pixels for _, observation in observed]
        return Matches(points=torch.cat(points), pixels=torch.cat(pixels),
                       camera=self._graph.keyframes[self._newer].camera, tolerance=_RANSAC_PIXELS)

    def solve_pose(self) -> bool:
        """Set the newer keyframe's pose by PnP from its landmarks; whether it has enough
        inliers."""
        found = solve_pnp(self._matches(), _MIN_MATCHES)
        if found is not None:
            self._set_pose(found.T)
        return found is not None

    def log_scale(self) -> float:
        """ln of the older ones' units per unit of the newer one's depth in the map."""
        matches = self._matches()
        x = se3.act(self._graph.relative(self._older, self._newer), matches.points)
        ratio = x[:, 2].clamp(min=1e-3) / _at(self._depth, matches.pixels.to(self._depth))
        return float(ratio.log().median())

    def refine(self) -> Iterator[None]:
        """Rescale the newer keyframe's depth to the older ones' unit, then optimise its pose,
        depth and landmarks by the window's residuals; yields between the iterations."""
        change = min(max(self.log_scale(), -_MAX_LOG_SCALE), _MAX_LOG_SCALE)
        keyframes, landmarks = self._graph.keyframes, self._graph.landmarks
        keyframes[self._newer] = keyframes[self._newer].rescaled(change)
        landmarks[self._newer] = landmarks[self._newer].rescaled(change)
        self._graph.link(self._newer, self._older)
        step = GaussNewtonConfig(iterations=1, tolerance=self._config.tolerance)
        for stage in _SCHEDULE:
            for _ in range(stage.iterations):
                window = Window(self._graph, self._config, stage)
                solution = minimise(window.start(), window.linearise, window.retract, step)
                window.keep(solution.state)
                self.cost = solution.cost
                yield

    @property
    def is_consistent(self) -> bool:
        """Whether most landmarks reproject where they are observed, and the images overlap, at a
        possible scale."""
        c = self._config.loops
        matches = self._matches()
        expected, _ = matches.camera.project(
            se3.act(self._graph.relative(self._older, self._newer), matches.points))
        fitting = int(((expected - matches.pixels).norm(dim=1) < _FITTING_PIXELS).sum())
        coarsest = PYRAMID_LEVELS - 1
        overlap = min(self._graph.overlap(self._older, self._newer, coarsest),
                      self._graph.overlap(self._newer, self._older, coarsest))
        return fitting >= max(c.min_landmarks, c.min_inlier_ratio * len(matches)) \
            and overlap >= c.min_overlap and abs(self.log_scale()) <= _MAX_LOG_SCALE

    @property
    def loop(self) -> Loop:
        """What was measured."""
        return Loop(older=self._numbers[self._older], newer=self._numbers[-1],
                    T_older_newer=self._graph.relative(self._newer, self._older),
                    log_scale=self.log_scale(), num_landmarks=self.num_landmarks)

    def keep(self, graph: KeyframeGraph) -> None:
        """Add the link of the two keyframes and the new observations of landmarks to the map,
        after the loop was closed there."""
        graph.link(self._numbers[-1], self._numbers[self._older])
        for (a, b), observation in self._graph.observations.items():
            # the host of a landmark may have been culled since the landmark was tracked
            if self._numbers[a] in graph.keyframes:
                graph.observations[self._numbers[a], self._numbers[b]] = observation
