"""Whether two keyframes see the same place, and how they stand to each other if they do."""

from collections.abc import Generator
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from optim import se3
from optim.gauss_newton import minimise
from optim.lookup import sample_views
from slam.appearance import AppearanceIndex
from slam.config import LoopClosureConfig, MappingConfig
from slam.graph import KeyframeGraph, Loop
from slam.matching import grey, sight
from slam.points import Sighting
from slam.window import Window

#: Probability with which RANSAC is to find the right motion, and its rounds at most.
_CONFIDENCE, _ROUNDS = 0.999, 300
#: Matches below which no motion can be told from chance.
_FEWEST = 6
#: Older keyframes, beside the one that looks alike, whose corners are looked for.
_NEIGHBOURS = 4


def verify(graph: KeyframeGraph, older: int, newer: int, appearance: AppearanceIndex,
           config: MappingConfig) -> Generator[None, None, "Encounter | None"]:
    """The encounter of two keyframes, None when it is not one; yields between pieces of work.

    Features that look alike and the older one's depth give a first motion (perspective from
    points).  Depth that errs alike over whole surfaces makes that a poor one, so that it only
    tells where to look for corners: those are followed to parts of a pixel, both ways, and the
    window's own residuals refine pose and depth of the newer keyframe while all others are held.
    """
    c = config.loops
    motion = _motion_of_features(graph, older, newer, appearance, c)
    if motion is None:
        return None
    yield
    # where the map has hardly drifted it knows better
    found = Encounter(graph, older, newer, graph.relative(older, newer), config)
    found.sight()
    yield
    other = Encounter(graph, older, newer, motion, config)
    other.sight()
    if other.corners > found.corners and other.solve_pose():
        found = other
    yield
    if not found.has_enough:
        return None
    found.take_scale()
    for stage in c.schedule:
        for _ in range(stage.iterations):
            found.refine(stage)
            yield
    return found if found.fits else None


def _motion_of_features(graph: KeyframeGraph, older: int, newer: int,
                        appearance: AppearanceIndex, c: LoopClosureConfig) -> Tensor | None:
    """``T_newer_older`` of features that look alike, None when too few of them agree."""
    pixels_a, pixels_b = appearance.matches(older, newer)
    if len(pixels_a) < c.min_matches:
        return None
    keyframe = graph.keyframes[older]
    depth = keyframe.depth(graph.states[older].code_depth)
    pixels = torch.from_numpy(pixels_a).to(depth)
    x_a, _ = keyframe.camera.backproject(pixels, _at(depth, pixels))
    return _perspective(x_a, torch.from_numpy(pixels_b), graph.keyframes[newer].camera,
                        c.ransac_pixels, c.min_matches)


def _at(depth: Tensor, pixels: Tensor) -> Tensor:
    """(H, W) at pixels (N, 2), bilinearly."""
    first = torch.zeros(1, dtype=torch.long, device=depth.device)
    return sample_views(depth[None, ..., None].contiguous(), first, pixels[None])[0, :, 0]


def _perspective(points: Tensor, pixels: Tensor, camera, tolerance: float,
                 fewest: int) -> Tensor | None:
    """The motion (4, 4) that puts points (N, 3) to pixels (N, 2), None when fewer agree."""
    if len(points) < max(fewest, _FEWEST):
        return None
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    cv2.setRNGSeed(0)
    solved, turn, shift, agreeing = cv2.solvePnPRansac(
        points.double().cpu().numpy(), pixels.double().cpu().numpy(), K, None,
        iterationsCount=_ROUNDS, reprojectionError=tolerance, confidence=_CONFIDENCE,
        flags=cv2.SOLVEPNP_SQPNP)
    if not solved or agreeing is None or len(agreeing) < fewest:
        return None
    R = torch.from_numpy(cv2.Rodrigues(turn)[0])
    return se3.from_rotation_translation(R, torch.from_numpy(shift[:, 0])).to(points)


class Encounter:
    """A newer keyframe beside an older one and that one's neighbours, in a graph of their own:
    what is tried here leaves the map alone until it is ``keep``-t."""

    def __init__(self, graph: KeyframeGraph, older: int, newer: int, T_newer_older: Tensor,
                 config: MappingConfig):
        near = [n for n in graph.neighbours(older) if n <= newer - config.loops.min_age]
        near = sorted(near, key=lambda n: abs(n - older))[:_NEIGHBOURS]
        self._config = config
        self._numbers = [*sorted({older, *near}), newer]
        self._older = self._numbers.index(older)
        self._last = len(self._numbers) - 1
        self._graph = KeyframeGraph([graph.keyframes[n] for n in self._numbers],
                                    [graph.states[n] for n in self._numbers])
        self._graph.points = {i: graph.points[n] for i, n in enumerate(self._numbers)
                              if n in graph.points}
        self._depth = self._newer_depth()
        self._place(T_newer_older)

    def _newer_depth(self) -> Tensor:
        return self._graph.keyframes[-1].depth(self._graph.states[-1].code_depth)

    def _place(self, T_newer_older: Tensor) -> None:
        states = self._graph.states
        T = states[self._older].T_world_cam @ se3.inverse(T_newer_older)
        states[-1] = replace(states[-1], T_world_cam=T)

    def sight(self) -> None:
        """Look for corners, both ways."""
        images = {}

        def picture(n: int) -> np.ndarray:
            if n not in images:
                images[n] = grey(self._graph.keyframes[n].frame.image)
            return images[n]

        for home in range(self._last):
            sight(self._graph, home, self._last, picture, self._config.matching)
        sight(self._graph, self._last, self._older, picture, self._config.matching)

    @property
    def corners(self) -> int:
        """Found in the newer keyframe."""
        return sum(len(s.index) for (_, b), s in self._graph.sightings.items() if b == self._last)

    @property
    def has_enough(self) -> bool:
        back = self._graph.sightings.get((self._last, self._older))
        c = self._config.loops
        return self.corners >= c.min_corners and back is not None \
            and len(back.index) >= c.min_corners_back

    def _seen(self) -> tuple[Tensor, Tensor]:
        """The older ones' corners that the newer one sees: (N, 3) in the frame of the older
        keyframe, and (N, 2) where."""
        points, pixels = [], []
        for (a, b), sighting in sorted(self._graph.sightings.items()):
            if b == self._last:
                home = self._graph.points[a]
                x = (home.rays * home.log_depth.exp()[:, None])[sighting.index]
                points.append(se3.act(self._graph.relative(a, self._older), x))
                pixels.append(sighting.pixels)
        return torch.cat(points), torch.cat(pixels)

    def solve_pose(self) -> bool:
        """Put the newer keyframe where its corners say; whether enough of them agree."""
        c = self._config.loops
        found = _perspective(*self._seen(), self._graph.keyframes[-1].camera, c.ransac_pixels,
                             c.min_matches)
        if found is not None:
            self._place(found)
        return found is not None

    def log_scale(self) -> float:
        """ln of the older ones' units per unit of the newer one's depth in the map."""
        points, pixels = self._seen()
        x = se3.act(self._graph.relative(self._older, self._last), points)
        ratio = x[:, 2].clamp(min=1e-3) / _at(self._depth, pixels.to(self._depth))
        return float(ratio.log().median())

    def take_scale(self) -> None:
        """Measure the newer one's depth in the older ones' unit."""
        change = self.log_scale()
        keyframes, points = self._graph.keyframes, self._graph.points
        keyframes[-1] = keyframes[-1].stretched(change)
        points[self._last] = points[self._last].stretched(change)
        self._graph.link(self._last, self._older)

    def refine(self, stage) -> None:
        """One step of the newer keyframe's pose, depth and corners."""
        window = Window(self._graph, replace(self._config, window=1), stage)
        config = replace(self._config.gauss_newton, iterations=1)
        window.keep(minimise(window.start(), window.linearise, window.retract, config).state)

    @property
    def fits(self) -> bool:
        """Whether most corners end up where they are seen, and the scale is possible."""
        c = self._config.loops
        for forward, needed in ((True, c.min_corners), (False, c.min_corners_back)):
            errors = torch.cat([self._errors(a, b) for a, b in self._graph.sightings
                                if (b == self._last) == forward])
            fitting = int((errors < c.fitting_pixels).sum())
            if fitting < max(needed, c.min_fitting * len(errors)):
                return False
        return abs(self.log_scale()) <= c.max_log_scale

    def _errors(self, a: int, b: int) -> Tensor:
        """(N,) pixels between where a's corners are seen in b and where they should be."""
        sighting, home = self._graph.sightings[a, b], self._graph.points[a]
        x = (home.rays * home.log_depth.exp()[:, None])[sighting.index]
        expected, _ = self._graph.keyframes[b].camera.project(
            se3.act(self._graph.relative(a, b), x))
        return (expected - sighting.pixels).norm(dim=1)

    @property
    def loop(self) -> Loop:
        """What was measured."""
        T = self._graph.relative(self._last, self._older)
        return Loop(self._numbers[self._older], self._numbers[-1], T, self.log_scale())

    def keep(self, graph: KeyframeGraph) -> None:
        """Link the two keyframes in the map, which knows their loop by now, and let it know of
        the corners that they share."""
        graph.link(self._numbers[-1], self._numbers[self._older])
        for (a, b), sighting in self._graph.sightings.items():
            graph.sightings[self._numbers[a], self._numbers[b]] = Sighting(
                sighting.index, sighting.pixels)
