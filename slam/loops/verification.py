"""Whether two keyframes see the same place, and how they stand to each other if they do."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from math import inf

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.solvers.gauss_newton import minimise
from scenecode.slam.bundle.window import Window
from scenecode.slam.config.slam_config import LoopClosureConfig, MappingConfig
from scenecode.slam.features.klt import epipolar_inliers, follow
from scenecode.slam.features.orb import Matches, grey, match, solve_pnp
from scenecode.slam.map.graph import KeyframeGraph, Loop
from scenecode.slam.map.landmarks import Observation

#: Share of the cost at the map's own pose below which another is preferred.
_TRUST = 0.9


def verify(graph: KeyframeGraph, older: int, newer: int,
           config: MappingConfig) -> Generator[None, None, "LoopCandidate | None"]:
    """The encounter of two keyframes, None when it is not one; yields between pieces of work.

    Features that look alike and the older one's depth give a first motion (perspective from
    points).  Depth that errs alike over whole surfaces makes that a poor one, so that it only
    tells where to look for corners.  Those are followed to parts of a pixel, and the window's
    own residuals refine pose and depth of the newer keyframe while all others are held.
    """
    c = config.loops
    motion = _motion_of_features(graph, older, newer, c)
    # an accident would have to happen twice
    if motion is None or _motion_of_features(graph, newer, older, c) is None:
        return None
    yield
    # where the map has hardly drifted it knows better
    found = LoopCandidate(graph, older, newer, graph.relative(older, newer), config)
    found.sight()
    yield
    other = LoopCandidate(graph, older, newer, motion, config)
    other.sight()
    yield
    if max(found.corners, other.corners) < c.min_corners:
        return None
    if other.corners > found.corners:
        found.take_corners(other)
    else:
        other.take_corners(found)
    yield from found.refine()
    if other.solve_pose():
        yield from other.refine()
    best = other if other.cost < _TRUST * found.cost else found
    return best if best.fits else None


def _motion_of_features(graph: KeyframeGraph, a: int, b: int,
                        c: LoopClosureConfig) -> Tensor | None:
    """``T_b_a`` of features that look alike, None when too few of them agree."""
    keyframe, other = graph.keyframes[a], graph.keyframes[b]
    of_a, of_b, _ = match(keyframe.features.descriptors, other.features.descriptors, c.max_ratio)
    depth = keyframe.depth(graph.states[a].code_depth)
    pixels = torch.from_numpy(keyframe.features.pixels[of_a]).to(depth)
    x_a, _ = keyframe.camera.backproject(pixels, _at(depth, pixels))
    seen = torch.from_numpy(other.features.pixels[of_b]).to(pixels)
    found = solve_pnp(Matches(x_a, seen, other.camera, c.ransac_pixels), c.min_matches)
    return None if found is None else found.T


def _at(depth: Tensor, pixels: Tensor) -> Tensor:
    """(H, W) at pixels (N, 2), bilinearly."""
    return sample_view(depth[..., None], pixels)[:, 0]


class LoopCandidate:
    """A newer keyframe beside an older one and those whose corners that one sees, in a graph of
    their own: what is tried here leaves the map alone until ``keep`` is called."""

    def __init__(self, graph: KeyframeGraph, older: int, newer: int, T_newer_older: Tensor,
                 config: MappingConfig):
        homes = {a for a, b in graph.observations if b == older and a < newer} | {older}
        self._config = config
        self._numbers = [*sorted(homes), newer]
        self._older = self._numbers.index(older)
        self._last = len(self._numbers) - 1
        self._graph = KeyframeGraph([graph.keyframes[n] for n in self._numbers],
                                    [graph.states[n] for n in self._numbers])
        self._graph.landmarks = {i: graph.landmarks[n] for i, n in enumerate(self._numbers)}
        #: home, which of its corners, and where the older keyframe sees them
        self._known = [(i, graph.observations[n, older].index, graph.observations[n, older].pixels)
                       for i, n in enumerate(self._numbers[:-1]) if (n, older) in graph.observations]
        own = graph.landmarks[older].pixels
        self._known.append((self._older, torch.arange(len(own)), own))
        self._depth = self._graph.keyframes[-1].depth(self._graph.states[-1].code_depth)
        #: of the window, after the last refinement
        self.cost = inf
        self._place(T_newer_older)

    def _place(self, T_newer_older: Tensor) -> None:
        states = self._graph.states
        T = states[self._older].T_world_cam @ se3.inverse(T_newer_older)
        states[-1] = replace(states[-1], T_world_cam=T)

    def sight(self) -> None:
        """Look for the older keyframe's corners in the newer one."""
        graph, older, last = self._graph, self._older, self._last
        points = torch.cat([self._points_of(home, index) for home, index, _ in self._known])
        pixels = torch.cat([where for _, _, where in self._known])
        camera = graph.keyframes[older].camera
        guess, _ = camera.project(se3.act(graph.relative(older, last), points))
        pictures = [grey(graph.keyframes[n].pyramid[0]) for n in (older, last)]
        found, kept = follow(*pictures, pixels, guess, self._config.matching)
        index = kept.nonzero()[:, 0]
        index = index[epipolar_inliers(camera.rays(pixels)[index], found[index],
                               graph.keyframes[last].camera, self._config.matching)]
        chosen = torch.zeros(len(kept), dtype=torch.bool)
        chosen[index] = True
        sizes = [len(part) for _, part, _ in self._known]
        for (home, part, _), taken, where in zip(self._known, chosen.split(sizes),
                                                 found.split(sizes), strict=True):
            if bool(taken.any()):
                graph.observations[home, last] = Observation(part[taken], where[taken])

    def take_corners(self, other: "LoopCandidate") -> None:
        """Go by what was found from another first guess."""
        self._graph.observations = dict(other._graph.observations)

    def _points_of(self, home: int, index: Tensor) -> Tensor:
        """Some of a keyframe's corners, (N, 3) in the frame of the older keyframe."""
        points = self._graph.landmarks[home]
        x = (points.rays * points.log_depth.exp()[:, None])[index]
        return se3.act(self._graph.relative(home, self._older), x)

    @property
    def corners(self) -> int:
        """Found in the newer keyframe."""
        return sum(len(observation.index) for observation in self._graph.observations.values())

    def _seen(self) -> Matches:
        """The corners that the newer keyframe sees, in the frame of the older one."""
        seen = self._graph.observations.items()
        points = [self._points_of(home, observation.index) for (home, _), observation in seen]
        pixels = [observation.pixels for _, observation in seen]
        return Matches(torch.cat(points), torch.cat(pixels), self._graph.keyframes[-1].camera,
                       self._config.loops.ransac_pixels)

    def solve_pose(self) -> bool:
        """Put the newer keyframe where its corners say; whether enough of them agree."""
        found = solve_pnp(self._seen(), self._config.loops.min_matches)
        if found is not None:
            self._place(found.T)
        return found is not None

    def log_scale(self) -> float:
        """ln of the older ones' units per unit of the newer one's depth in the map."""
        seen = self._seen()
        x = se3.act(self._graph.relative(self._older, self._last), seen.points)
        ratio = x[:, 2].clamp(min=1e-3) / _at(self._depth, seen.pixels.to(self._depth))
        return float(ratio.log().median())

    def refine(self) -> Iterator[None]:
        """Measure the newer keyframe's depth in the older ones' unit, then its pose, depth and
        corners by the window's residuals; yields between the steps."""
        limit = self._config.loops.max_log_scale
        change = min(max(self.log_scale(), -limit), limit)
        keyframes, points = self._graph.keyframes, self._graph.landmarks
        keyframes[-1] = keyframes[-1].rescaled(change)
        points[self._last] = points[self._last].rescaled(change)
        self._graph.link(self._last, self._older)
        alone = replace(self._config, window=1)
        step = replace(self._config.gauss_newton, iterations=1)
        for stage in self._config.loops.schedule:
            for _ in range(stage.iterations):
                window = Window(self._graph, alone, stage)
                solution = minimise(window.start(), window.linearise, window.retract, step)
                window.keep(solution.state)
                self.cost = solution.cost
                yield

    @property
    def fits(self) -> bool:
        """Whether most corners end up where they are seen, and enough of either image in the
        other, at a possible scale."""
        c = self._config.loops
        seen = self._seen()
        expected, _ = seen.camera.project(
            se3.act(self._graph.relative(self._older, self._last), seen.points))
        fitting = int(((expected - seen.pixels).norm(dim=1) < c.fitting_pixels).sum())
        coarsest = len(self._graph.keyframes[-1].pyramid) - 1
        overlap = min(self._graph.overlap(self._older, self._last, coarsest),
                      self._graph.overlap(self._last, self._older, coarsest))
        return fitting >= max(c.min_corners, c.min_fitting * len(seen)) \
            and overlap >= c.min_overlap and abs(self.log_scale()) <= c.max_log_scale

    @property
    def loop(self) -> Loop:
        """What was measured."""
        T = self._graph.relative(self._last, self._older)
        return Loop(self._numbers[self._older], self._numbers[-1], T, self.log_scale(),
                    self.corners)

    def keep(self, graph: KeyframeGraph) -> None:
        """Link the two keyframes in the map, which knows their loop by now, and let it know of
        the corners that they share."""
        graph.link(self._numbers[-1], self._numbers[self._older])
        for (a, b), observation in self._graph.observations.items():
            graph.observations[self._numbers[a], self._numbers[b]] = observation
