"""Draws points as squares that meet their neighbours, with darkened depth edges, in NumPy."""

import cv2
import numpy as np

from scenecode.viewer.offscreen.eye import FOV_DEG, Eye

NEAR = 0.05
#: Points are squares of this many times the distance to their neighbours; at most so many pixels.
CLOSING, LARGEST = 1.7, 25
#: Strength of the shading, and the largest sum of differences of ln2 depth that darkens.
_STRENGTH, _DARKEST = 3.2, 1.2


def draw(points: np.ndarray, colours: np.ndarray, spacing: float, eye: Eye, width: int,
         height: int, background: tuple[int, int, int]) -> np.ndarray:
    """(height, width, 3) uint8 of points (N, 3) in the ground frame with colours (N, 3) uint8,
    whose neighbours are ``spacing`` metres apart."""
    focal = height / 2 / np.tan(np.radians(FOV_DEG) / 2)
    seen = eye.seen(np.asarray(points, np.float64)).astype(np.float32)
    depth = seen[:, 2]
    index = np.flatnonzero(depth > NEAR)
    depth = depth[index]
    u = seen[index, 0] / depth * focal + width / 2
    v = seen[index, 1] / depth * focal + height / 2
    size = np.clip(np.rint(CLOSING * spacing * focal / depth), 1, LARGEST).astype(np.int64)
    # nearest first; of what is nearest at a pixel the depth wins, then the index
    keys = (depth.astype(np.float32).view(np.uint32).astype(np.uint64) << np.uint64(32)) \
        | index.astype(np.uint64)
    empty = np.uint64(0xFFFFFFFFFFFFFFFF)
    buffer = np.full(height * width, empty)
    for edge in np.unique(size):
        of_size = size == edge
        left = np.floor(u[of_size] - (edge - 1) / 2).astype(np.int64)
        top = np.floor(v[of_size] - (edge - 1) / 2).astype(np.int64)
        for dv in range(edge):
            for du in range(edge):
                x, y = left + du, top + dv
                inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
                np.minimum.at(buffer, y[inside] * width + x[inside], keys[of_size][inside])
    return _shaded(buffer.reshape(height, width), empty, colours, background)


def _shaded(buffer: np.ndarray, empty: np.uint64, colours: np.ndarray,
            background: tuple[int, int, int]) -> np.ndarray:
    known = buffer != empty
    picture = np.empty((*buffer.shape, 3), np.float32)
    # a little lighter towards the top
    rows = np.linspace(1.5, 0.8, buffer.shape[0], dtype=np.float32)[:, None, None]
    picture[:] = np.minimum(np.array(background, np.float32) * rows, 255)
    depth = (buffer >> np.uint64(32)).astype(np.uint32).view(np.float32)
    log_depth = np.log2(np.where(known, depth, 1e4))
    padded = np.pad(log_depth, 1, mode="edge")
    sums = np.zeros_like(log_depth)
    for shifted in (padded[1:-1, 2:], padded[1:-1, :-2], padded[2:, 1:-1], padded[:-2, 1:-1]):
        sums += np.maximum(log_depth - shifted, 0)
    light = np.exp(-_STRENGTH * np.minimum(sums, _DARKEST))
    index = (buffer & np.uint64(0xFFFFFFFF)).astype(np.int64)
    picture[known] = colours[index[known]] * light[known][:, None]
    return picture.astype(np.uint8)


def reduced(picture: np.ndarray, factor: int) -> np.ndarray:
    """The picture at 1 / ``factor`` of its size, each pixel a mean."""
    height, width = picture.shape[:2]
    return cv2.resize(picture, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
