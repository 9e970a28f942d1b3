"""Which keyframes tell most about the depth of one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
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
    grid = graph.geometry(number).grid.double().cpu()
    near = _near(graph, number, grid)
    if not near:
        return ChosenViews(numbers=(), parallax=torch.zeros(0))
    T = torch.stack([graph.relative(number, n) for n in near]).double().cpu()
    value, parallax = _values(T, [graph.keyframes[n].camera for n in near], grid)
    order = value.argsort(descending=True, stable=True)[:MAX_VIEWS]
    order = order[value[order] > 0]
    return ChosenViews(numbers=tuple(near[i] for i in order.tolist()), parallax=parallax[order])


def _near(graph: KeyframeGraph, number: int, grid: Tensor) -> list[int]:
    """Keyframes of the same part from which a point of the ``grid`` (P, 3) may be seen at a
    distance that ``MAX_ZOOM`` allows; all others have no value."""
    outside = graph.outside(graph.part(number))
    others = [n for n in graph.keyframes if n != number and n not in outside]
    if not others:
        return []
    widest = {camera: _longest_ray(camera) for camera in {
        graph.keyframes[n].camera for n in others}}
    # the depth in a view is below MAX_ZOOM times that in the keyframe at one point at least
    reach = grid.norm(dim=1).max() + MAX_ZOOM * grid[:, 2].max() * max(widest.values())
    centres = torch.stack([graph.states[n].T_world_cam[:3, 3] for n in (number, *others)]).double()
    distance = (centres[1:] - centres[0]).norm(dim=1).cpu()
    return [n for n, d in zip(others, distance.tolist(), strict=True) if d <= reach]


def _longest_ray(camera: PinholeCamera) -> float:
    """Largest distance of a point in view over its depth."""
    corners = torch.tensor([(x, y) for x in (-0.5, camera.width - 0.5)
                            for y in (-0.5, camera.height - 0.5)], dtype=torch.float64)
    return float(camera.rays(corners).norm(dim=1).max())


def _values(T: Tensor, cameras: list[PinholeCamera], grid: Tensor) -> tuple[Tensor, Tensor]:
    """What each of V views is worth, 0 for nothing, and its parallax (V,): of views at
    ``T_view_key`` (V, 4, 4) of the points ``grid`` (P, 3) of the keyframe."""
    x = grid @ T[:, :3, :3].mT + T[:, None, :3, 3]
    seen = torch.zeros(x.shape[:2], dtype=torch.bool)
    motion = x.new_zeros(x.shape[:2])
    for camera in set(cameras):
        of_camera = torch.tensor([other == camera for other in cameras])
        points = x[of_camera]
        pixels, pixel_J_x = camera.project(points)
        seen[of_camera] = in_view(points, pixels, camera)
        # d x / d ln depth is the point itself, as it is turned
        x_J_log_depth = points - T[of_camera, None, :3, 3]
        motion[of_camera] = (pixel_J_x @ x_J_log_depth[..., None])[..., 0].norm(dim=2)
    overlap = seen.double().mean(1)
    parallax = _medians(motion, seen)
    zoom = _medians(grid[:, 2] / x[..., 2].clamp(min=MIN_DEPTH), seen)
    useful = (overlap >= MIN_OVERLAP) & (parallax >= MIN_PARALLAX) \
        & (1 / MAX_ZOOM < zoom) & (zoom < MAX_ZOOM)
    near_best = torch.minimum(parallax / BEST_PARALLAX, 2 * BEST_PARALLAX / parallax)
    value = overlap * near_best.clamp(max=1.0)
    return torch.where(useful, value, 0.0), torch.where(useful, parallax, 0.0)


def _medians(values: Tensor, which: Tensor) -> Tensor:
    """(V,): of those of each row of values (V, P) that a mask selects; the lower of two, 0 of
    none."""
    ordered = torch.where(which, values, torch.inf).sort(dim=1).values
    middle = (which.sum(1) - 1).clamp(min=0) // 2
    found = ordered.gather(1, middle[:, None])[:, 0]
    return torch.where(which.any(1), found, 0.0)
