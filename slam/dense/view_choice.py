"""Which keyframes tell most about the depth of one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH
from scenecode.optim.warp import in_view
from scenecode.slam.map.graph import KeyframeGraph

#: Views of a keyframe at most.
MAX_VIEWS = 8
#: Share of a keyframe's points that a view must show.
MIN_OVERLAP = 0.25
#: Motion of a point in the view, in pixels, when ln of its depth changes by one: below the least,
#: errors of the pose exceed those of the depth; the best one is large enough for the former, and
#: small enough for windows to look alike.
MIN_PARALLAX, BEST_PARALLAX = 15.0, 40.0
#: Factor between the distances at which both see the points, at most.
MAX_ZOOM = 2.0


@dataclass(frozen=True)
class ChosenViews:
    """Views of a keyframe, the best first."""

    numbers: tuple[int, ...]
    #: (V,) pixels, in the median of the points in view
    parallax: Tensor


def choose_views(graph: KeyframeGraph, number: int) -> ChosenViews:
    """The keyframes of the same part with enough overlap and parallax."""
    outside = graph.outside(graph.part(number))
    others = [n for n in graph.keyframes if n != number and n not in outside]
    grid = graph.geometry(number).grid.double().cpu()
    scored = [(n, *_value(graph, number, n, grid)) for n in others]
    best = sorted((s for s in scored if s[1] > 0), key=lambda s: s[1], reverse=True)[:MAX_VIEWS]
    return ChosenViews(numbers=tuple(n for n, _, _ in best),
                       parallax=torch.tensor([parallax for _, _, parallax in best]))


def _value(graph: KeyframeGraph, number: int, other: int, grid: Tensor) -> tuple[float, float]:
    """What a view is worth, 0 for none, and its parallax; ``grid`` (P, 3) are points of the
    keyframe."""
    camera = graph.keyframes[other].camera
    T = graph.relative(number, other).double().cpu()
    x = se3.act(T, grid)
    pixels, pixel_J_x = camera.project(x)
    seen = in_view(x, pixels, camera)
    overlap = float(seen.double().mean())
    if overlap < MIN_OVERLAP:
        return 0.0, 0.0
    # d x / d ln depth is the point itself, as it is turned
    motion = (pixel_J_x[seen] @ (x[seen] - T[:3, 3])[..., None])[..., 0]
    parallax = float(motion.norm(dim=1).median())
    zoom = float((grid[seen][:, 2] / x[seen][:, 2].clamp(min=MIN_DEPTH)).median())
    if parallax < MIN_PARALLAX or not 1 / MAX_ZOOM < zoom < MAX_ZOOM:
        return 0.0, 0.0
    return overlap * min(1.0, parallax / BEST_PARALLAX, 2 * BEST_PARALLAX / parallax), parallax
