"""Image, depth and labels of a room from a camera pose."""

from dataclasses import dataclass

import cv2
import numpy as np

from scenecode.networks.classes import VOID
from scenecode.networks.data.rooms.layout import Room
from scenecode.networks.data.rooms.models.materials import LEVELS, level_rows
from scenecode.networks.data.rooms.models.textures import TEXTURE_SIZE
from scenecode.networks.data.rooms.rendering.raster import Visibility, rasterise
from scenecode.optim.geometry.camera import PinholeCamera

#: look-ups per row
_ROW = 256
#: brightness from which highlights are compressed
_KNEE = 0.7


@dataclass(frozen=True)
class View:
    """What a camera sees."""

    image: np.ndarray   # (H, W, 3) uint8, red green blue
    depth: np.ndarray   # (H, W) float32, z in metres at pixel centres, 0 outside the room
    labels: np.ndarray  # (H, W) uint8 class ids, VOID outside the room


@dataclass(frozen=True)
class _Hits:
    """N pixels and the faces they see."""

    face: np.ndarray    # (N,) index
    seen: np.ndarray    # (N,) bool, False outside the room
    st: np.ndarray      # (2, N) place on the face
    depth: np.ndarray   # (N,) metres, 0 where not seen
    planes: np.ndarray  # (N, 9) see ``raster.Visibility.planes``


def render(room: Room, T_world_cam: np.ndarray, camera: PinholeCamera,
           supersample: int = 1) -> View:
    """View from ``T_world_cam`` (4, 4) with x right, y down, z forward.

    ``supersample`` n averages the colours of n x n rays in the pixels at the edges of
    faces (textures are filtered anyway); depth and labels belong to the pixel centre.
    """
    T_world_cam = np.asarray(T_world_cam, float)
    visible = rasterise(room.faces, T_world_cam, camera)
    shape = camera.height, camera.width
    hits = _hits(visible, *_pixels(camera))
    colour = _shade(room, hits).reshape(*shape, 3)
    if supersample > 1:
        _smooth_edges(colour, room, visible.face, T_world_cam, camera, supersample)
    image = np.clip(colour * 255 + 0.5, 0, 255).astype(np.uint8)
    labels = np.where(hits.seen, room.faces.label[hits.face], VOID).astype(np.uint8)
    return View(image, hits.depth.astype(np.float32).reshape(shape), labels.reshape(shape))


def _smooth_edges(colour, room, face, T_world_cam, camera, n: int) -> None:
    """Averages ``n`` x ``n`` rays where not all of a pixel's rays see the same face."""
    fine = camera.resized(camera.width * n, camera.height * n)
    visible = rasterise(room.faces, T_world_cam, fine)
    blocks = visible.face.reshape(camera.height, n, camera.width, n)
    v, u = np.nonzero((blocks != face[:, None, :, None]).any((1, 3)))
    dv, du = np.divmod(np.arange(n * n), n)
    hits = _hits(visible, (n * u[:, None] + du).ravel(), (n * v[:, None] + dv).ravel())
    colour[v, u] = _shade(room, hits).reshape(-1, n * n, 3).mean(1)


def _pixels(camera: PinholeCamera) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows (N,) of all pixels, row by row."""
    return (np.tile(np.arange(camera.width), camera.height),
            np.repeat(np.arange(camera.height), camera.width))


def _hits(visible: Visibility, u: np.ndarray, v: np.ndarray) -> _Hits:
    face = visible.face[v, u]
    planes = visible.planes.reshape(-1, 9)[face]
    s, t, w = (planes[:, 3 * k] * u + planes[:, 3 * k + 1] * v + planes[:, 3 * k + 2]
               for k in range(3))
    seen = (face >= 0) & (w > 0)
    depth = 1 / np.where(seen, w, np.inf)
    return _Hits(face=face, seen=seen, st=np.stack([s * depth, t * depth]), depth=depth,
                 planes=planes)


def _shade(room: Room, hits: _Hits) -> np.ndarray:
    """Colours (N, 3) float32, about [0, 1]."""
    colour = _textured(room, hits) * _lit(room, hits) * room.faces.tint[hits.face]
    return np.where(hits.seen[:, None], _shoulder(colour), 0).astype(np.float32)


def _shoulder(colour: np.ndarray) -> np.ndarray:
    """Squeezes what is brighter than ``_KNEE`` below 1, so that nothing burns out."""
    over = np.maximum(colour - _KNEE, 0) / (1 - _KNEE)
    return np.minimum(colour, _KNEE) + (1 - _KNEE) * over / (1 + over)


def _textured(room: Room, hits: _Hits) -> np.ndarray:
    """Texture colour (N, 3), blended between the two mip levels that fit the footprint."""
    uv, st = room.faces.uv.reshape(-1, 6)[hits.face], hits.st
    tile = [uv[:, k] * st[0] + uv[:, 2 + k] * st[1] + uv[:, 4 + k] for k in (0, 1)]
    footprint = np.zeros(len(hits.face))
    for axis in (0, 1):
        step_s = (hits.planes[:, axis] - st[0] * hits.planes[:, 6 + axis]) * hits.depth
        step_t = (hits.planes[:, 3 + axis] - st[1] * hits.planes[:, 6 + axis]) * hits.depth
        step = [uv[:, k] * step_s + uv[:, 2 + k] * step_t for k in (0, 1)]
        footprint = np.maximum(footprint, step[0] * step[0] + step[1] * step[1])
    level = 0.5 * np.log2(np.maximum(footprint * TEXTURE_SIZE ** 2, 1e-12))
    level = np.clip(level, 0, LEVELS - 1.001)
    below = level.astype(np.int64)
    blend = (level - below).astype(np.float32)[:, None]
    column = room.faces.texture[hits.face] * (TEXTURE_SIZE + 2)
    low, high = (_look_up(room.atlas, tile, column, k) for k in (below, below + 1))
    return low + blend * (high - low)


def _look_up(atlas, tile, column, level) -> np.ndarray:
    size = (TEXTURE_SIZE >> level).astype(np.float64)
    x = (tile[0] - np.floor(tile[0])) * size + 0.5 + column
    y = (tile[1] - np.floor(tile[1])) * size + 0.5 + level_rows()[level]
    return _sample(atlas, x, y)


def _lit(room: Room, hits: _Hits) -> np.ndarray:
    """Brightness (N, 3)."""
    light, st = room.lightmap, np.clip(hits.st, 0, 1)
    x, y = (light.corner[hits.face, k] + st[k] * light.intervals[hits.face, k] for k in (0, 1))
    return _sample(light.image, x, y)


def _sample(image, x, y) -> np.ndarray:
    """Bilinear values (N, 3) of an image; in rows, for OpenCV limits the size of both."""
    rows = -(-len(x) // _ROW)
    points = np.zeros((2, rows * _ROW), np.float32)
    points[0, :len(x)], points[1, :len(y)] = x, y
    grid_x, grid_y = points.reshape(2, rows, _ROW)
    values = cv2.remap(image, grid_x, grid_y, cv2.INTER_LINEAR)
    return values.reshape(-1, 3)[:len(x)]
