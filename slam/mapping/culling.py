"""Culling: a keyframe goes when others see what it sees as well.

Keyframes are made where tracking needs one, so that they are spaced by the limits of
``KeyframeConfig``.  Two of them show one place all the same where the second was made before a
loop was closed, in a part of the map whose place was not known yet, or from a blurred image in
which the first was not recognised.
"""

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.warp import in_view
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe_geometry import GRID_HEIGHT, GRID_WIDTH

#: Share of a keyframe's coarse points that others must confirm.
_MIN_CONFIRMED = 0.9
#: Relative difference of depth below which another keyframe confirms a point.
_DEPTH_TOLERANCE = 0.15
#: Landmarks that two keyframes must have in common to hold each other.
_MIN_COMMON = 20


def is_confirmed(graph: KeyframeGraph, number: int, others: list[int]) -> bool:
    """Whether others see the surfaces of a keyframe where it sees them itself."""
    confirmed = torch.zeros(GRID_HEIGHT * GRID_WIDTH, dtype=torch.bool)
    for other in others:
        confirmed |= _confirmed_by(graph, number, other).cpu()
    return float(confirmed.float().mean()) >= _MIN_CONFIRMED


def holds_together(graph: KeyframeGraph, number: int) -> bool:
    """Whether keyframes that are linked to one would no longer be connected without it by pairs
    with landmarks in common: that others show the same surfaces from elsewhere does not measure
    their relative poses."""
    neighbours = set(graph.neighbours(number))
    common: dict[tuple[int, int], int] = {}
    for (a, b), observation in graph.observations.items():
        if number not in (a, b):
            pair = min(a, b), max(a, b)
            common[pair] = common.get(pair, 0) + len(observation.index)
    near: dict[int, set[int]] = {}
    for (a, b), count in common.items():
        if count >= _MIN_COMMON:
            near.setdefault(a, set()).add(b)
            near.setdefault(b, set()).add(a)
    reached, ahead = set(), [min(neighbours, default=number)]
    while ahead:
        found = ahead.pop()
        if found not in reached:
            reached.add(found)
            ahead += near.get(found, ())
    return not neighbours <= reached


def _confirmed_by(graph: KeyframeGraph, number: int, other: int) -> Tensor:
    """(P,) bool: the coarse points of a keyframe that another one sees at the same depth."""
    x = se3.act(graph.relative(number, other), graph.geometry(number).grid)
    camera = graph.keyframes[other].camera
    pixels, _ = camera.project(x)
    column = ((pixels[:, 0] + 0.5) * GRID_WIDTH / camera.width).long().clamp(0, GRID_WIDTH - 1)
    row = ((pixels[:, 1] + 0.5) * GRID_HEIGHT / camera.height).long().clamp(0, GRID_HEIGHT - 1)
    depth = graph.geometry(other).grid[row * GRID_WIDTH + column, 2]
    return in_view(x, pixels, camera) & ((depth - x[:, 2]).abs() < _DEPTH_TOLERANCE * x[:, 2])
