"""Image, depth and labels of a room from a camera pose."""

from dataclasses import dataclass

import cv2
import numpy as np

from networks.classes import VOID
from networks.data.rooms.layout import Room
from networks.data.rooms.materials import LEVELS, TEXTURE_SIZE, level_rows
from networks.data.rooms.raster import rasterise
from optim.camera import PinholeCamera


@dataclass(frozen=True)
class View:
    """What a camera sees."""

    image: np.ndarray   # (H, W, 3) uint8, red green blue
    depth: np.ndarray   # (H, W) float32, z in metres at pixel centres, 0 outside the room
    labels: np.ndarray  # (H, W) uint8 class ids, VOID outside the room


def render(room: Room, T_world_cam: np.ndarray, camera: PinholeCamera,
           supersample: int = 1) -> View:
    """View from ``T_world_cam`` (4, 4) with x right, y down, z forward.

    ``supersample`` n averages the colours of n x n rays per pixel; depth and labels always
    belong to the pixel centre.
    """
    T_world_cam = np.asarray(T_world_cam, float)
    shade, depth, labels = _shade(room, T_world_cam, camera)
    if supersample > 1:
        fine = camera.resized(camera.width * supersample, camera.height * supersample)
        shade = cv2.resize(_shade(room, T_world_cam, fine)[0], (camera.width, camera.height),
                           interpolation=cv2.INTER_AREA)
    image = np.clip(shade * 255 + 0.5, 0, 255).astype(np.uint8)
    return View(image, depth, labels)


def _shade(room: Room, T_world_cam, camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour (H, W, 3) float32, depth and labels."""
    faces = room.faces
    sight = rasterise(faces, T_world_cam, camera)
    face = sight.face.reshape(-1)
    u = np.tile(np.arange(camera.width, dtype=np.float64), camera.height)
    v = np.repeat(np.arange(camera.height, dtype=np.float64), camera.width)
    planes = sight.planes.reshape(-1, 9)[face]
    s, t, w = (planes[:, 3 * k] * u + planes[:, 3 * k + 1] * v + planes[:, 3 * k + 2]
               for k in range(3))
    seen = (face >= 0) & (w > 0)
    depth = 1 / np.where(seen, w, np.inf)
    st = np.stack([s, t]) * depth
    texture = _textured(room, planes, face, st, depth, camera)
    light = _lit(room, face, st, camera)
    colour = np.where(seen[:, None], texture * light * faces.tint[face], 0)
    shape = camera.height, camera.width
    labels = np.where(seen, faces.label[face], VOID).astype(np.uint8)
    return (colour.reshape(*shape, 3).astype(np.float32),
            depth.reshape(shape).astype(np.float32), labels.reshape(shape))


def _textured(room, planes, face, st, depth, camera) -> np.ndarray:
    """Texture colour (N, 3), blended between the two mip levels that fit the footprint."""
    uv = room.faces.uv.reshape(-1, 6)[face]
    tile = [uv[:, k] * st[0] + uv[:, 2 + k] * st[1] + uv[:, 4 + k] for k in (0, 1)]
    footprint = np.zeros(len(face))
    for axis in (0, 1):
        step_s = (planes[:, axis] - st[0] * planes[:, 6 + axis]) * depth
        step_t = (planes[:, 3 + axis] - st[1] * planes[:, 6 + axis]) * depth
        footprint = np.maximum(footprint, np.hypot(uv[:, 0] * step_s + uv[:, 2] * step_t,
                                                   uv[:, 1] * step_s + uv[:, 3] * step_t))
    level = np.clip(np.log2(np.maximum(footprint * TEXTURE_SIZE, 1e-6)), 0, LEVELS - 1.001)
    below = level.astype(np.int64)
    blend = (level - below).astype(np.float32)[:, None]
    column = room.faces.texture[face] * (TEXTURE_SIZE + 2)
    low = _look_up(room.atlas, tile, column, below, camera)
    high = _look_up(room.atlas, tile, column, below + 1, camera)
    return low + blend * (high - low)


def _look_up(atlas, tile, column, level, camera) -> np.ndarray:
    size = TEXTURE_SIZE / (1 << level)
    x = (tile[0] - np.floor(tile[0])) * size + 0.5 + column
    y = (tile[1] - np.floor(tile[1])) * size + 0.5 + level_rows()[level]
    return _sample(atlas, x, y, camera)


def _lit(room, face, st, camera) -> np.ndarray:
    """Brightness (N, 3)."""
    light = room.lightmap
    st = np.clip(st, 0, 1)
    x = light.corner[face, 0] + st[0] * light.intervals[face, 0]
    y = light.corner[face, 1] + st[1] * light.intervals[face, 1]
    return _sample(light.image, x, y, camera)


def _sample(image, x, y, camera) -> np.ndarray:
    """Bilinear values (N, 3) of an image at one place per pixel of the view."""
    x, y = (c.reshape(camera.height, camera.width).astype(np.float32) for c in (x, y))
    return cv2.remap(image, x, y, cv2.INTER_LINEAR).reshape(-1, 3)
