"""Static light: brightness of every surface point, baked once into a light map.

Direct light from a few point lights and one bounce from points on lit surfaces (instant
radiosity, Keller 1997), both with shadows from depth cubes, plus an ambient term.  The
brightness depends on the point alone, not on the viewpoint.
"""

from dataclasses import dataclass

import numpy as np

from scenecode.networks.data.rendering.atlas import TEXTURE_SIZE, level_rows
from scenecode.networks.data.rendering.faces import TRIANGLE, Faces
from scenecode.networks.data.rendering.raster import rasterise
from scenecode.optim.geometry.camera import PinholeCamera

#: spacing of light-map points, metres, and the most along one edge
_SPACING, _MOST = 0.1, 64
#: side of a depth cube's images, pixels: for lights, and for bounce points
_CUBE, _BOUNCE_CUBE = 96, 32
_BOUNCES = 10
#: smaller faces (m^2) cast no shadow in bounced light
_BOUNCE_BLOCKER = 0.01
_AMBIENT = 0.12
#: squared radius (m^2) that keeps light finite near its origin
_SOFT, _BOUNCE_SOFT = 0.2, 0.6
#: points are lifted off their surface by this, in metres, so that it does not shade them
_LIFT = 0.02
_GAMMA = 1 / 2.2
#: brightness of a white surface in the room's mean light, before the display's gamma
_EXPOSURE = 0.75
_ATLAS_WIDTH = 1024


@dataclass(frozen=True)
class Light:
    """A point light."""

    position: np.ndarray    # (3,)
    power: np.ndarray       # (3,) red, green, blue


@dataclass(frozen=True)
class Lightmap:
    """Display-space brightness on a grid over every face."""

    #: (rows, 1024, 3) float32
    image: np.ndarray
    #: (F, 2) left column and top row of a face's grid
    corner: np.ndarray
    #: (F, 2) grid intervals along s and t; point (i, j) is at s = i / n_s, t = j / n_t
    intervals: np.ndarray


def bake(faces: Faces, lights: list[Light], atlas: np.ndarray,
         rng: np.random.Generator) -> Lightmap:
    """Light map of a scene; ``atlas`` gives the mean colours for the bounce."""
    intervals = np.clip(np.ceil(_lengths(faces) / _SPACING), 1, _MOST - 1).astype(np.int64)
    face, st, row, column, corner, height = _grid(intervals)
    points, normals, area = _world(faces, face, st, intervals)
    light = np.zeros((len(points), 3), np.float32)
    for source in lights:
        light += _arriving(faces, source.position, points, normals, _CUBE, _SOFT)[:, None] \
            * source.power
    light += _bounced(faces, points, normals, area, light, _albedo(faces, atlas)[face], rng)
    middle = np.average(light, axis=0, weights=area).mean()
    light = light / middle + _AMBIENT
    bright = np.clip(_EXPOSURE * light, 0.02, 4.0) ** _GAMMA
    glowing = faces.emission[face] > 0
    bright[glowing] = faces.emission[face][glowing, None]
    image = np.ones((height, _ATLAS_WIDTH, 3), np.float32)
    image[row, column] = bright
    return Lightmap(image, corner, intervals)


def _grid(intervals: np.ndarray):
    """Packs the grids of all faces into one image, shelf by shelf."""
    shape = intervals + 1
    order = np.argsort(-shape[:, 1], kind="stable")
    corner = np.zeros_like(intervals)
    left = top = shelf = 0
    for index in order:
        wide, high = shape[index]
        if left + wide > _ATLAS_WIDTH:
            left, top, shelf = 0, top + shelf, 0
        corner[index] = left, top
        left, shelf = left + wide, max(shelf, high)
    count = shape[:, 0] * shape[:, 1]
    face = np.repeat(np.arange(len(shape)), count)
    local = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    i, j = local % shape[face, 0], local // shape[face, 0]
    st = np.stack([i, j], 1) / intervals[face]
    return face, st, corner[face, 1] + j, corner[face, 0] + i, corner, int(top + shelf)


def _world(faces: Faces, face, st, intervals):
    """Points (N, 3) a little inside their face, unit normals, and area each stands for."""
    inset = np.minimum(_LIFT / _lengths(faces), 0.25)[face]
    s, t = np.clip(st, inset, 1 - inset).T
    beyond = np.where((faces.kind[face] == TRIANGLE), np.maximum(s + t - 1, 0), 0) / 2
    s, t = s - beyond, t - beyond
    points = faces.origin[face] + s[:, None] * faces.edge_s[face] + t[:, None] * faces.edge_t[face]
    normal = faces.normal
    size = np.linalg.norm(normal, axis=1)
    unit = normal / np.maximum(size, 1e-12)[:, None]
    area = size / (intervals + 1).prod(1) * np.where(faces.kind == TRIANGLE, 0.5, 1.0)
    return points + _LIFT * unit[face], unit[face], area[face]


def _lengths(faces: Faces) -> np.ndarray:
    """Lengths (F, 2) of the edges, metres."""
    edges = np.stack([faces.edge_s, faces.edge_t], 1)
    return np.maximum(np.linalg.norm(edges, axis=2), 1e-6)


def _arriving(faces, position, points, normals, cube: int, soft: float) -> np.ndarray:
    """Light (N,) arriving from a unit point light, shadows included."""
    toward = position - points
    squared = np.einsum("ni,ni->n", toward, toward)
    cosine = np.einsum("ni,ni->n", toward, normals) / np.sqrt(np.maximum(squared, 1e-9))
    result = np.maximum(cosine, 0) / (squared + soft)
    lit = np.flatnonzero(result > 1e-4)
    result[lit] *= _unshadowed(faces, position, points[lit], cube)
    return result.astype(np.float32)


def _unshadowed(faces, position, points, cube: int) -> np.ndarray:
    """Fraction (N,) of the light at ``position`` that reaches each point."""
    ray = points - position
    axis = np.abs(ray).argmax(1)
    side = 2 * axis + (ray[np.arange(len(ray)), axis] < 0)
    camera = PinholeCamera.centred(cube / 2, cube, cube)
    seen = np.ones(len(points))
    for k in np.unique(side):
        members = np.flatnonzero(side == k)
        forward = np.roll([1.0, 0.0, 0.0], k // 2) * (1 - 2 * (k % 2))
        right = np.roll(forward, 1)
        rotation = np.stack([right, np.cross(forward, right), forward], 1)
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = rotation, position
        nearest = rasterise(faces, T, camera).inverse_depth
        x = ray[members] @ rotation
        u = camera.fx * x[:, 0] / x[:, 2] + camera.cx
        v = camera.fy * x[:, 1] / x[:, 2] + camera.cy
        seen[members] = _compare(nearest, u, v, 1 / x[:, 2])
    return seen


def _compare(nearest, u, v, inverse_depth) -> np.ndarray:
    """Bilinear share of the four neighbours that are not nearer than the point."""
    limit = nearest.shape[0] - 1
    u, v = np.clip(u, 0, limit - 1e-3), np.clip(v, 0, limit - 1e-3)
    u0, v0 = u.astype(int), v.astype(int)
    fu, fv = u - u0, v - v0
    bar = inverse_depth * 1.02
    share = np.zeros(len(u))
    for du, dv, weight in ((0, 0, (1 - fu) * (1 - fv)), (1, 0, fu * (1 - fv)),
                           (0, 1, (1 - fu) * fv), (1, 1, fu * fv)):
        share += weight * (nearest[v0 + dv, u0 + du] <= bar)
    return share


def _albedo(faces: Faces, atlas: np.ndarray) -> np.ndarray:
    """Mean colour (F, 3) of each face, linear."""
    rows = level_rows()
    column = TEXTURE_SIZE + 2
    smallest = atlas[rows[-2] + 1:rows[-1] - 1].reshape(rows[-1] - rows[-2] - 2, -1, column, 3)
    mean = smallest[:, :, 1:1 + len(smallest)].mean((0, 2))
    return np.clip(mean[faces.texture] * faces.tint, 0, 0.95) ** 2.2


def _bounced(faces, points, normals, area, light, albedo, rng) -> np.ndarray:
    """Light (N, 3) reflected once, from ``_BOUNCES`` random points weighted by their light."""
    weight = light.mean(1) * area * albedo.mean(1)
    total = weight.sum()
    result = np.zeros_like(light)
    if total <= 0:
        return result
    size = np.linalg.norm(faces.normal, axis=1)
    blockers = faces.only(size > _BOUNCE_BLOCKER)
    for index in rng.choice(len(points), _BOUNCES, p=weight / total):
        colour = albedo[index] * light[index]
        power = colour / max(colour.mean(), 1e-9) * total / (np.pi * _BOUNCES)
        source = points[index] + 0.1 * normals[index]
        away = points - source
        cosine = np.einsum("ni,i->n", away, normals[index]) / np.maximum(
            np.linalg.norm(away, axis=1), 1e-6)
        arriving = _arriving(blockers, source, points, normals, _BOUNCE_CUBE, _BOUNCE_SOFT)
        result += (np.maximum(cosine, 0) * arriving)[:, None] * power.astype(np.float32)
    return result
