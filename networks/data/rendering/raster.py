"""Which face each pixel sees, and how far away it is.

For a face, the pixel ray ``z K^-1 (u, v, 1)`` meets its plane where
``[edge_s edge_t origin] (s, t, 1)^T = z K^-1 (u, v, 1)^T`` in camera coordinates, so that
``(s/z, t/z, 1/z)`` is *linear* in ``(u, v, 1)``: one 3x3 matrix per face, every inside test a
half-plane in the image, and the depth test a comparison of 1/z.
"""

from dataclasses import dataclass

import numpy as np

from scenecode.networks.data.rendering.faces import DISC, TRIANGLE, Faces
from scenecode.optim.geometry.camera import PinholeCamera

#: nothing nearer than this (metres) is drawn
NEAR = 0.02
#: faces grow by this fraction so that neighbours leave no cracks
_CRACK = 1e-4
#: rectangles above this many pixels are drawn one by one, smaller ones in batches
_LARGE = 2048
_BATCH_PIXELS = 1 << 16


@dataclass(frozen=True)
class Visibility:
    """What each pixel sees."""

    #: (H, W) int32, index into ``faces``, -1 where nothing is seen
    face: np.ndarray
    #: (H, W) float32, 1/z, 0 where nothing is seen; approximate to about 1e-6
    inverse_depth: np.ndarray
    #: (F, 3, 3) float64: (u, v, 1) to (s/z, t/z, 1/z); zero for faces that are not seen
    planes: np.ndarray


def inverse_intrinsics(camera: PinholeCamera) -> np.ndarray:
    return np.array([[1 / camera.fx, 0, -camera.cx / camera.fx],
                     [0, 1 / camera.fy, -camera.cy / camera.fy], [0, 0, 1.0]])


def rasterise(faces: Faces, T_world_cam: np.ndarray, camera: PinholeCamera) -> Visibility:
    """Nearest front face of every pixel centre."""
    seen, rects = _on_screen(faces, T_world_cam, camera)
    planes = np.zeros((len(faces), 3, 3))
    planes[seen] = _planes(faces, seen, T_world_cam, camera)
    edges = _half_planes(planes[seen], faces.kind[seen]).astype(np.float32)
    inverse_depth = planes[seen, 2].astype(np.float32)
    face = np.full((camera.height, camera.width), -1, np.int32)
    buffer = np.zeros((camera.height, camera.width), np.float32)
    area = (rects[:, 2] - rects[:, 0]) * (rects[:, 3] - rects[:, 1])
    is_disc = faces.kind[seen] == DISC
    for k in np.flatnonzero((area > _LARGE) | is_disc):
        _draw_one(face, buffer, seen[k], rects[k], edges[k], inverse_depth[k],
                  planes[seen[k]] if is_disc[k] else None)
    small = np.flatnonzero((area <= _LARGE) & ~is_disc)
    _draw_small(face, buffer, seen[small], rects[small], edges[small], inverse_depth[small])
    return Visibility(face, buffer, planes)


def _on_screen(faces: Faces, T_world_cam, camera) -> tuple[np.ndarray, np.ndarray]:
    """Indices (V,) of front faces in view and their pixel rectangles (V, 4) (u0, v0, u1, v1)."""
    centre = T_world_cam[:3, 3]
    toward = np.einsum("fi,fi->f", faces.normal, faces.origin - centre)
    candidates = np.flatnonzero(toward < -1e-12)
    x = (faces.corners[candidates].reshape(-1, 3) - centre) @ T_world_cam[:3, :3]
    x = x.reshape(-1, 4, 3)
    nearest, farthest = x[..., 2].min(1), x[..., 2].max(1)
    before = farthest >= NEAR
    candidates, x, nearest = candidates[before], x[before], nearest[before]
    bounds = np.empty((len(x), 4))
    whole, cut = np.flatnonzero(nearest >= NEAR), np.flatnonzero(nearest < NEAR)
    bounds[whole] = _bounds(x[whole], np.array(True), camera)
    bounds[cut] = _bounds(*_clipped(x[cut]), camera)
    limit = np.array([camera.width, camera.height] * 2)
    low = np.clip(np.ceil(bounds[:, :2] - 1e-2), 0, limit[:2])
    high = np.clip(np.floor(bounds[:, 2:] + 1e-2) + 1, 0, limit[:2])
    keep = (high > low).all(1)
    return candidates[keep], np.concatenate([low, high], 1)[keep].astype(np.int64)


def _clipped(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (V, 8, 3) of (V, 4, 3) faces cut by the near plane, and which of them count."""
    following = np.roll(x, -1, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (NEAR - x[..., 2]) / (following[..., 2] - x[..., 2])
        cut = x + at[..., None] * (following - x)
    crosses = (x[..., 2] < NEAR) != (following[..., 2] < NEAR)
    points = np.concatenate([x, np.where(crosses[..., None], cut, 1.0)], 1)
    return points, np.concatenate([x[..., 2] >= NEAR, crosses], 1)


def _bounds(points: np.ndarray, valid: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    """(V, 4) smallest u, v and largest u, v of (V, N, 3) camera points where they are valid."""
    depth = np.where(valid, np.maximum(points[..., 2], NEAR * 0.5), 1.0)
    u = camera.fx * points[..., 0] / depth + camera.cx
    v = camera.fy * points[..., 1] / depth + camera.cy
    inf = np.inf
    return np.stack([np.where(valid, u, inf).min(1), np.where(valid, v, inf).min(1),
                     np.where(valid, u, -inf).max(1), np.where(valid, v, -inf).max(1)], 1)


def _planes(faces: Faces, seen, T_world_cam, camera) -> np.ndarray:
    """(V, 3, 3) matrices from (u, v, 1) to (s/z, t/z, 1/z)."""
    es, et = faces.edge_s[seen], faces.edge_t[seen]
    origin = faces.origin[seen] - T_world_cam[:3, 3]
    normal = np.cross(es, et)
    rows = np.stack([np.cross(et, origin), np.cross(origin, es), normal], 1)
    rows /= np.einsum("fi,fi->f", normal, origin)[:, None, None]
    return rows @ (T_world_cam[:3, :3] @ inverse_intrinsics(camera))


def _half_planes(planes: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """(V, 4, 3): a pixel is inside where all four are >= 0 on (u, v, 1)."""
    s, t, w = planes[:, 0], planes[:, 1], planes[:, 2]
    grown = (1 + _CRACK) * w
    is_triangle = (kind == TRIANGLE)[:, None]
    return np.stack([s + _CRACK * w, t + _CRACK * w,
                     grown - s - np.where(is_triangle, t, 0),
                     grown - np.where(is_triangle, 0, t)], 1)


def _draw_one(face, buffer, index, rect, edges, inverse_depth, disc_plane) -> None:
    u0, v0, u1, v1 = rect
    u, v = np.arange(u0, u1, dtype=np.float32), np.arange(v0, v1, dtype=np.float32)
    target = buffer[v0:v1, u0:u1]
    w = inverse_depth[0] * u + (inverse_depth[1] * v + inverse_depth[2])[:, None]
    mask = w > target
    for a, b, c in edges:
        mask &= a * u >= (-b * v - c)[:, None]
    if disc_plane is not None:
        s, t = ((p[0] * u + (p[1] * v + p[2])[:, None]) / w - 0.5 for p in disc_plane[:2])
        mask &= s * s + t * t <= 0.25
    np.copyto(target, w, where=mask)
    np.copyto(face[v0:v1, u0:u1], index, where=mask)


def _draw_small(face, buffer, index, rects, edges, inverse_depth) -> None:
    """Draws faces grouped by rectangle size; ties within a batch go to the nearest."""
    size = np.maximum(rects[:, 2:] - rects[:, :2], 4)
    shape = 1 << np.ceil(np.log2(size)).astype(np.int64)
    keys = shape[:, 0] * (1 << 16) + shape[:, 1]
    for key in np.unique(keys):
        members = np.flatnonzero(keys == key)
        step = max(1, _BATCH_PIXELS // int((key >> 16) * (key & 0xFFFF)))
        for start in range(0, len(members), step):
            m = members[start:start + step]
            _draw_batch(face, buffer, index[m], rects[m], edges[m], inverse_depth[m],
                        int(key >> 16), int(key & 0xFFFF))


def _draw_batch(face, buffer, index, rects, edges, inverse_depth, width, height) -> None:
    u = (rects[:, :1] + np.arange(width)).astype(np.float32)[:, None, :]
    v = (rects[:, 1:2] + np.arange(height)).astype(np.float32)[:, :, None]
    mask = (u < rects[:, 2, None, None]) & (v < rects[:, 3, None, None])
    for k in range(4):
        a, b, c = (edges[:, k, j, None, None] for j in range(3))
        mask &= a * u >= -b * v - c
    which, row, column = np.nonzero(mask)
    if not len(which):
        return
    column = column + rects[which, 0]
    row = row + rects[which, 1]
    plane = inverse_depth[which]
    w = plane[:, 0] * column + (plane[:, 1] * row + plane[:, 2])
    w = w.astype(np.float32)
    pixel = row * buffer.shape[1] + column
    flat = buffer.reshape(-1)
    nearer = w > flat[pixel]
    pixel, w, which = pixel[nearer], w[nearer], which[nearer]
    np.maximum.at(flat, pixel, w)
    wins = flat[pixel] == w
    face.reshape(-1)[pixel[wins]] = index[which[wins]]
