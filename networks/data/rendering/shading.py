"""Image, depth and labels of a scene of faces from a camera pose; the light is the caller's."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from scenecode.networks.classes import VOID
from scenecode.networks.data.rendering.atlas import LEVELS, TEXTURE_SIZE, level_rows
from scenecode.networks.data.rendering.faces import Faces
from scenecode.networks.data.rendering.raster import Visibility, rasterise
from scenecode.optim.geometry.camera import PinholeCamera

#: look-ups per row
_ROW = 256
#: brightness from which highlights are compressed
_KNEE = 0.7


@dataclass(frozen=True)
class View:
    """What a camera sees."""

    image: np.ndarray   # (H, W, 3) uint8, red green blue
    depth: np.ndarray   # (H, W) float32, z in metres at pixel centres, 0 where there is no face
    labels: np.ndarray  # (H, W) uint8 class ids, VOID where there is no face


@dataclass(frozen=True)
class Hits:
    """N pixels of a camera and the faces they see."""

    u: np.ndarray       # (N,) columns
    v: np.ndarray       # (N,) rows
    face: np.ndarray    # (N,) index, -1 where there is none
    seen: np.ndarray    # (N,) bool, False where there is no face
    st: np.ndarray      # (2, N) place on the face
    depth: np.ndarray   # (N,) metres, 0 where not seen
    planes: np.ndarray  # (N, 9) see ``raster.Visibility.planes``
    camera: PinholeCamera


#: colours (N, 3) float32 in about [0, 1] of N pixels
Shader = Callable[[Hits], np.ndarray]


def draw(faces: Faces, T_world_cam: np.ndarray, camera: PinholeCamera, shade: Shader,
         supersample: int = 1) -> tuple[View, Visibility]:
    """View of ``faces`` from ``T_world_cam`` (4, 4) with x right, y down, z forward, and which
    face each pixel sees.

    ``supersample`` n averages the colours of n x n rays in the pixels at the edges of
    faces (textures are filtered anyway); depth and labels belong to the pixel centre.
    """
    T_world_cam = np.asarray(T_world_cam, float)
    visible = rasterise(faces, T_world_cam, camera)
    shape = camera.height, camera.width
    hits = _hits(visible, *_pixels(camera), camera)
    colour = shade(hits).reshape(*shape, 3)
    if supersample > 1:
        _smooth_edges(colour, faces, visible.face, T_world_cam, camera, shade, supersample)
    image = np.clip(colour * 255 + 0.5, 0, 255).astype(np.uint8)
    labels = np.where(hits.seen, faces.label[hits.face], VOID).astype(np.uint8)
    view = View(image, hits.depth.astype(np.float32).reshape(shape), labels.reshape(shape))
    return view, visible


def _smooth_edges(colour, faces, face, T_world_cam, camera, shade: Shader, n: int) -> None:
    """Averages ``n`` x ``n`` rays where not all of a pixel's rays see the same face."""
    fine = camera.resized(camera.width * n, camera.height * n)
    visible = rasterise(faces, T_world_cam, fine)
    blocks = visible.face.reshape(camera.height, n, camera.width, n)
    v, u = np.nonzero((blocks != face[:, None, :, None]).any((1, 3)))
    dv, du = np.divmod(np.arange(n * n), n)
    hits = _hits(visible, (n * u[:, None] + du).ravel(), (n * v[:, None] + dv).ravel(), fine)
    colour[v, u] = shade(hits).reshape(-1, n * n, 3).mean(1)


def _pixels(camera: PinholeCamera) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows (N,) of all pixels, row by row."""
    return (np.tile(np.arange(camera.width), camera.height),
            np.repeat(np.arange(camera.height), camera.width))


def _hits(visible: Visibility, u: np.ndarray, v: np.ndarray, camera: PinholeCamera) -> Hits:
    face = visible.face[v, u]
    planes = visible.planes.reshape(-1, 9)[face]
    s, t, w = (planes[:, 3 * k] * u + planes[:, 3 * k + 1] * v + planes[:, 3 * k + 2]
               for k in range(3))
    seen = (face >= 0) & (w > 0)
    depth = 1 / np.where(seen, w, np.inf)
    return Hits(u=u, v=v, face=face, seen=seen, st=np.stack([s * depth, t * depth]), depth=depth,
                planes=planes, camera=camera)


def shoulder(colour: np.ndarray) -> np.ndarray:
    """Squeezes what is brighter than ``_KNEE`` below 1, so that nothing burns out."""
    over = np.maximum(colour - _KNEE, 0) / (1 - _KNEE)
    return np.minimum(colour, _KNEE) + (1 - _KNEE) * over / (1 + over)


def textured(faces: Faces, atlas: np.ndarray, hits: Hits) -> np.ndarray:
    """Texture colour (N, 3), blended between the two mip levels that fit the footprint."""
    uv, st = faces.uv.reshape(-1, 6)[hits.face], hits.st
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
    column = faces.texture[hits.face] * (TEXTURE_SIZE + 2)
    low, high = (_look_up(atlas, tile, column, k) for k in (below, below + 1))
    return low + blend * (high - low)


def _look_up(atlas, tile, column, level) -> np.ndarray:
    size = (TEXTURE_SIZE >> level).astype(np.float64)
    x = (tile[0] - np.floor(tile[0])) * size + 0.5 + column
    y = (tile[1] - np.floor(tile[1])) * size + 0.5 + level_rows()[level]
    return sample(atlas, x, y)


def sample(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear values (N, 3) of an image; in rows, for OpenCV limits the size of both."""
    rows = -(-len(x) // _ROW)
    points = np.zeros((2, rows * _ROW), np.float32)
    points[0, :len(x)], points[1, :len(y)] = x, y
    grid_x, grid_y = points.reshape(2, rows, _ROW)
    values = cv2.remap(image, grid_x, grid_y, cv2.INTER_LINEAR)
    return values.reshape(rows * _ROW, -1)[:len(x)]
