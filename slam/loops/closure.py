"""Loop closure: a new keyframe that shows an old place pulls the whole map together.

Owned by the mapping thread, which is given the work in small pieces.  Tracking never waits: it
follows keyframes that the map moves.
"""

import logging
from collections.abc import Iterator
from math import radians

import torch

from scenecode.optim.solvers.pose_graph import Edges, Nodes, optimise, robust_weight
from scenecode.slam.config.slam_config import LoopClosureConfig, MappingConfig
from scenecode.slam.loops.place_recognition import PlaceIndex
from scenecode.slam.loops.verification import verify
from scenecode.slam.map.graph import KeyframeGraph, Loop
from scenecode.slam.map.keyframe import Keyframe

_log = logging.getLogger(__name__)


class LoopCloser:
    """Searches, verifies and closes the loops of one map."""

    def __init__(self, config: MappingConfig):
        self._config = config
        self._appearance = PlaceIndex(config.loops)

    def note(self, keyframe: Keyframe) -> None:
        """Remember what the next keyframe looks like."""
        self._appearance.add(keyframe.features)

    def wants(self, graph: KeyframeGraph, number: int) -> bool:
        """Whether a keyframe is worth a search: not when all are recent, or right after a loop."""
        c = self._config.loops
        paused = bool(graph.loops) and number <= graph.loops[-1].newer + c.pause
        return number >= c.min_age and not paused

    def search(self, graph: KeyframeGraph, number: int) -> Iterator[None]:
        """Close the loop that a keyframe ends, if it ends one; yields between pieces of work."""
        if not self.wants(graph, number):
            return
        linked = {n for n in graph.neighbours(number) if n < number}
        for older in self._appearance.alike(number, linked):
            yield
            found = yield from verify(graph, older, number, self._config)
            if found is not None:
                yield
                if close(graph, found.loop, self._config.loops):
                    found.keep(graph)
                    return


def close(graph: KeyframeGraph, loop: Loop, config: LoopClosureConfig) -> bool:
    """Bend the map until a loop meets; False, and the map as it was, where it would have to
    bend by more than it can have drifted."""
    edges = _edges(graph, loop, config)
    count = len(graph)
    start = Nodes(torch.stack([s.T_world_cam.double().cpu() for s in graph.states]),
                  torch.zeros(count, dtype=torch.float64))
    nodes = optimise(start, edges, config.pose_graph).state
    believed = float(robust_weight(nodes, edges)[-1])
    moved = (nodes.poses - start.poses)[:, :3, 3].norm(dim=1).max()
    told = (loop.newer, loop.older, float(moved), believed)
    if believed < config.min_belief:
        _log.info("keyframe %d looks like %d, but the map would have to move by %.3f m "
                  "(weight %.2f): not closed", *told)
        return False
    graph.loops.append(loop)
    graph.correct(nodes.poses, nodes.log_scales)
    _log.info("loop closed: keyframe %d shows the place of %d; the map moved by up to %.3f m "
              "(weight %.2f)", *told)
    return True


def _edges(graph: KeyframeGraph, loop: Loop, c: LoopClosureConfig) -> Edges:
    """All links as the map has them, the loops closed so far, and last a new one.

    A loop is a link too, but what counts is what was measured: the map may have moved on.
    """
    loops = [*graph.loops, loop]
    closed = {(known.older, known.newer) for known in loops}
    links = sorted((a, b) for a, b in graph.links if a < b and (a, b) not in closed)
    pairs = torch.tensor(links + [(known.older, known.newer) for known in loops])
    T = torch.stack([graph.relative(b, a).double().cpu() for a, b in links]
                    + [known.T_older_newer.double().cpu() for known in loops])
    log_scale = torch.tensor([0.0] * len(links) + [known.log_scale for known in loops],
                             dtype=torch.float64)
    depths = torch.tensor([graph.median_depth(n) for n in range(len(graph))],
                          dtype=torch.float64)
    depth = depths[pairs[:, 0], None]
    doubt = torch.ones_like(depth)
    for i, known in enumerate(loops, len(links)):
        doubt[i] = (c.certain_corners / known.corners) ** 0.5
    motion = c.motion_sigma * T[:, :3, 3].norm(dim=1, keepdim=True)
    scale = torch.full_like(depth, c.scale_sigma)
    scale[len(links):] = c.loop_scale_sigma
    sigma = torch.cat([(doubt * (c.translation_sigma * depth + motion)).expand(-1, 3),
                       (doubt * (radians(c.rotation_sigma) + motion / depth)).expand(-1, 3),
                       scale], 1)
    # what a random walk over the keyframes in between comes to
    steps = (pairs[len(links):, 1] - pairs[len(links):, 0]).double()
    drift = steps.sqrt()[:, None] * sigma[:len(links)].median(0).values
    cauchy = torch.full((len(pairs),), torch.inf, dtype=torch.float64)
    cauchy[len(links):] = c.max_drift * (drift / sigma[len(links):]).norm(dim=1)
    return Edges(pairs[:, 0], pairs[:, 1], T, log_scale, sigma, cauchy)
