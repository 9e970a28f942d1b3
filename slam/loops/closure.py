"""Loop closure: a new keyframe at a place that was mapped before corrects the whole map.

Owned by the mapping thread, which does the work in small pieces.  Tracking never waits: it
follows keyframes that the map moves.
"""

import logging
from collections.abc import Generator, Iterator, Sequence
from math import radians

import torch
from torch import Tensor

from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig
from scenecode.optim.solvers.pose_graph import (
    Edges,
    Nodes,
    edge_errors,
    optimise,
    robust_weight,
)
from scenecode.slam.config.mapping import MappingConfig
from scenecode.slam.loops.verification import verify
from scenecode.slam.map.graph import KeyframeGraph, Loop

#: Standard deviations of a relative pose: of translation over median depth, and of rotation in
#: radians; and what a translation as long as the median depth adds to either: errors of depth are
#: relative, and so are those of all that follows from parallax.
_TRANSLATION_SIGMA, _ROTATION_SIGMA, _MOTION_SIGMA = 0.005, radians(0.25), 0.1
#: Standard deviations of ln scale between linked keyframes, and of a loop.
_LINK_SCALE_SIGMA, _LOOP_SCALE_SIGMA = 0.02, 0.1
#: Landmarks with which a loop is as certain as a link; with fewer its standard deviations grow
#: with the inverse square root of their number.
_CERTAIN_LANDMARKS = 100
#: Drift, as a multiple of the accumulated standard deviations of the links, that is the scale of
#: Cauchy's loss of a loop; and the robust weight that a loop must keep to be closed.
_MAX_DRIFT, _MIN_ROBUST_WEIGHT = 3.0, 0.5
#: Largest residual of a link, in its standard deviations, that a loop may cause: a map whose links
#: bend more gives way to a place that only looks alike, such as the next house of a row.
_MAX_LINK_ERROR = 3.0
#: Predecessors that a keyframe is linked to, usually.
_LINKED_PREDECESSORS = 2
_POSE_GRAPH = GaussNewtonConfig(iterations=25, tolerance=1e-3)

_log = logging.getLogger(__name__)


def search(graph: KeyframeGraph, number: int, candidates: Sequence[int],
           config: MappingConfig) -> Iterator[None]:
    """Close the loop that ends at a keyframe and begins at one of the ``candidates``, best first,
    if there is one; yields between pieces of work."""
    for older in candidates:
        yield
        if (yield from verify_and_close(graph, older, number, config)):
            return


def verify_and_close(graph: KeyframeGraph, older: int, newer: int,
                     config: MappingConfig) -> Generator[None, None, bool]:
    """Close the loop of two keyframes if they see the same place; whether it was closed.  Yields
    between pieces of work, during which keyframes may be culled."""
    if not {older, newer} <= graph.keyframes.keys():
        return False
    candidate = yield from verify(graph, older, newer, config)
    if candidate is None:
        return False
    yield
    if not {older, newer} <= graph.keyframes.keys() or not close(graph, candidate.loop):
        return False
    candidate.keep(graph)
    return True


def close(graph: KeyframeGraph, loop: Loop) -> bool:
    """Optimise the pose graph with a new loop and correct the map by it; False, and the map as it
    was, where the loop contradicts the links by more than drift explains."""
    edges = _edges(graph, loop)
    start = Nodes(poses=torch.stack([s.T_world_cam.double().cpu()
                                     for s in graph.states.values()]),
                  log_scales=torch.zeros(len(graph), dtype=torch.float64))
    nodes = optimise(start, edges, _POSE_GRAPH).state
    weight = float(robust_weight(nodes, edges)[-1])
    of_links = edge_errors(nodes, edges)[edges.cauchy.isinf()]
    bend = float(of_links.max()) if len(of_links) else 0.0
    moved = float((nodes.poses - start.poses)[:, :3, 3].norm(dim=1).max())
    if weight < _MIN_ROBUST_WEIGHT or bend > _MAX_LINK_ERROR:
        _log.info("keyframe %d looks like %d, but the map would have to move by %.3f m "
                  "(weight %.2f, links by %.1f standard deviations): not closed", loop.newer,
                  loop.older, moved, weight, bend)
        return False
    graph.loops.append(loop)
    graph.correct(nodes.poses, nodes.log_scales)
    _log.info("loop closed: keyframe %d shows the place of %d; the map moved by up to %.3f m "
              "(weight %.2f)", loop.newer, loop.older, moved, weight)
    return True


def _edges(graph: KeyframeGraph, loop: Loop) -> Edges:
    """All links at the relative poses of the map, then the loops closed so far as they were
    measured, and last a new one."""
    loops = [*graph.loops, loop]
    closed = {(known.older, known.newer) for known in loops}
    # the map may have moved on from what a loop measured
    links = sorted((a, b) for a, b in graph.links if a < b and (a, b) not in closed)
    row = {n: i for i, n in enumerate(graph.keyframes)}
    pairs = torch.tensor([(row[a], row[b]) for a, b in links]
                         + [(row[known.older], row[known.newer]) for known in loops])
    T = torch.stack([graph.relative(b, a).double().cpu() for a, b in links]
                    + [known.T_older_newer.double().cpu() for known in loops])
    log_scale = torch.tensor([0.0] * len(links) + [known.log_scale for known in loops],
                             dtype=torch.float64)
    sigma = _sigmas(graph, pairs, T, loops)
    of_links, of_loops = sigma[:len(links)], sigma[len(links):]
    # standard deviation of a random walk over the keyframes in between
    steps = torch.tensor([_steps(links, known) for known in loops], dtype=torch.float64)
    drift = steps.sqrt()[:, None] * of_links.median(0).values
    cauchy = torch.full((len(pairs),), torch.inf, dtype=torch.float64)
    cauchy[len(links):] = _MAX_DRIFT * (drift / of_loops).norm(dim=1)
    return Edges(a=pairs[:, 0], b=pairs[:, 1], T_ab=T, log_scale=log_scale, sigma=sigma,
                 cauchy=cauchy)


def _steps(links: list[tuple[int, int]], loop: Loop) -> int:
    """Links between the two ends of a loop, on the shortest way without loops.

    A keyframe is linked to several of its predecessors, so that the shortest way jumps over
    some: as if to two.
    """
    adjacent: dict[int, list[int]] = {}
    for a, b in links:
        adjacent.setdefault(a, []).append(b)
        adjacent.setdefault(b, []).append(a)
    reached, front, hops = {loop.older}, [loop.older], 0
    while front and loop.newer not in reached:
        front = [n for a in front for n in adjacent.get(a, ()) if n not in reached]
        reached.update(front)
        hops += 1
    # where only loops connect the two, all keyframes lie between them
    between = abs(loop.newer - loop.older)
    return max(1, min(_LINKED_PREDECESSORS * hops, between) if front else between)


def _sigmas(graph: KeyframeGraph, pairs: Tensor, T: Tensor, loops: list[Loop]) -> Tensor:
    """(E, 7) standard deviations of relative poses and ln scales; the last edges are ``loops``."""
    depths = torch.tensor([graph.median_depth(n) for n in graph.keyframes],
                          dtype=torch.float64)
    depth = depths[pairs[:, 0], None]
    links = len(pairs) - len(loops)
    factor = torch.ones_like(depth)
    for i, known in enumerate(loops, links):
        factor[i] = (_CERTAIN_LANDMARKS / known.num_landmarks) ** 0.5
    motion = _MOTION_SIGMA * T[:, :3, 3].norm(dim=1, keepdim=True)
    scale = torch.full_like(depth, _LINK_SCALE_SIGMA)
    scale[links:] = _LOOP_SCALE_SIGMA
    return torch.cat([(factor * (_TRANSLATION_SIGMA * depth + motion)).expand(-1, 3),
                      (factor * (_ROTATION_SIGMA + motion / depth)).expand(-1, 3), scale], 1)
