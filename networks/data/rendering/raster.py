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
from scenecode.optim.segmentation.compiled import compiled

#: nothing nearer than this (metres) is drawn
NEAR = 0.02
#: faces grow by this fraction so that neighbours leave no cracks
_CRACK = 1e-4
#: faces are seen from the front: their normals point this much to the camera, at least
_FACING = 1e-12
#: pixels that bounds may be off by, for rounding
_MARGIN = 1e-2


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
    T_world_cam = np.asarray(T_world_cam, np.float64)
    intrinsics = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    rects = _rectangles(faces.origin, faces.edge_s, faces.edge_t, faces.kind, T_world_cam,
                        intrinsics, camera.width, camera.height)
    seen = np.flatnonzero(rects[:, 2] > rects[:, 0])
    planes = np.zeros((len(faces), 3, 3))
    planes[seen] = _planes(faces, seen, T_world_cam, camera)
    face = np.full((camera.height, camera.width), -1, np.int32)
    buffer = np.zeros((camera.height, camera.width), np.float32)
    _draw(face, buffer, seen, rects[seen],
          _half_planes(planes[seen], faces.kind[seen]).astype(np.float32),
          planes[seen].astype(np.float32), faces.kind[seen] == DISC)
    return Visibility(face, buffer, planes)


@compiled
def _rectangles(origin, edge_s, edge_t, kind, T_world_cam, intrinsics, width, height):
    """(F, 4) int64 pixels (u0, v0, u1, v1) that front faces in view lie within, the far side
    excluded; all 0 for others."""
    rects = np.zeros((len(origin), 4), np.int64)
    fx, fy, cx, cy = intrinsics
    x = np.empty((4, 3))
    for k in range(len(origin)):
        o = origin[k] - T_world_cam[:3, 3]
        s, t = edge_s[k], edge_t[k]
        facing = (s[1] * t[2] - s[2] * t[1]) * o[0] + (s[2] * t[0] - s[0] * t[2]) * o[1] \
            + (s[0] * t[1] - s[1] * t[0]) * o[2]
        if facing >= -_FACING:
            continue
        far = 0.0 if kind[k] == TRIANGLE else 1.0
        nearest, farthest = np.inf, -np.inf
        for j in range(3):
            # a triangle repeats its last corner
            a = o[0] * T_world_cam[0, j] + o[1] * T_world_cam[1, j] + o[2] * T_world_cam[2, j]
            b = s[0] * T_world_cam[0, j] + s[1] * T_world_cam[1, j] + s[2] * T_world_cam[2, j]
            c = t[0] * T_world_cam[0, j] + t[1] * T_world_cam[1, j] + t[2] * T_world_cam[2, j]
            x[0, j], x[1, j], x[2, j], x[3, j] = a, a + b, a + b + far * c, a + c
        for i in range(4):
            nearest, farthest = min(nearest, x[i, 2]), max(farthest, x[i, 2])
        if farthest < NEAR:
            continue
        u0, v0, u1, v1 = np.inf, np.inf, -np.inf, -np.inf
        for i in range(4):
            following = (i + 1) % 4
            if x[i, 2] >= NEAR:
                u, v = fx * x[i, 0] / x[i, 2] + cx, fy * x[i, 1] / x[i, 2] + cy
                u0, v0, u1, v1 = min(u0, u), min(v0, v), max(u1, u), max(v1, v)
            if (x[i, 2] < NEAR) != (x[following, 2] < NEAR):
                # where the edge is cut by the near plane
                at = (NEAR - x[i, 2]) / (x[following, 2] - x[i, 2])
                u = fx * (x[i, 0] + at * (x[following, 0] - x[i, 0])) / NEAR + cx
                v = fy * (x[i, 1] + at * (x[following, 1] - x[i, 1])) / NEAR + cy
                u0, v0, u1, v1 = min(u0, u), min(v0, v), max(u1, u), max(v1, v)
        left = min(max(np.ceil(u0 - _MARGIN), 0.0), float(width))
        top = min(max(np.ceil(v0 - _MARGIN), 0.0), float(height))
        right = min(max(np.floor(u1 + _MARGIN) + 1, 0.0), float(width))
        bottom = min(max(np.floor(v1 + _MARGIN) + 1, 0.0), float(height))
        if right > left and bottom > top:
            rects[k, 0], rects[k, 1], rects[k, 2], rects[k, 3] = left, top, right, bottom
    return rects


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


@compiled
def _draw(face, buffer, index, rects, edges, planes, is_disc):
    """Draw faces of ``index`` (V,) into (H, W) face and 1/z: float32 half planes (V, 4, 3) and
    ``planes`` (V, 3, 3)."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    for k in range(len(index)):
        u0, v0, u1, v1 = rects[k]
        e, p = edges[k], planes[k]
        for row in range(v0, v1):
            v = np.float32(row)
            limit0, limit1 = -e[0, 1] * v - e[0, 2], -e[1, 1] * v - e[1, 2]
            limit2, limit3 = -e[2, 1] * v - e[2, 2], -e[3, 1] * v - e[3, 2]
            # single precision would move shadows, which are seen from far away
            start = np.float64(p[2, 1]) * row + np.float64(p[2, 2])
            for column in range(u0, u1):
                u = np.float32(column)
                w = np.float32(np.float64(p[2, 0]) * column + start)
                if w <= buffer[row, column] or e[0, 0] * u < limit0 or e[1, 0] * u < limit1 \
                        or e[2, 0] * u < limit2 or e[3, 0] * u < limit3:
                    continue
                if is_disc[k]:
                    s = (p[0, 0] * u + (p[0, 1] * v + p[0, 2])) / w - half
                    t = (p[1, 0] * u + (p[1, 1] * v + p[1, 2])) / w - half
                    if s * s + t * t > quarter:
                        continue
                buffer[row, column] = w
                face[row, column] = index[k]
