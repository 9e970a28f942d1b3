"""A map of labelled polygons over many keyframes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import mapbox_earcut
import numpy as np

from scenecode.networks.classes import ClassSet
from scenecode.slam.polygons.config import PolygonConfig
from scenecode.slam.polygons.keyframe_polygons import KeyframePolygons, polygonise
from scenecode.slam.records.snapshot import KeyframeView
from scenecode.slam.records.triangle_mesh import TriangleMesh

#: Every so many columns and rows of a keyframe are looked for in others.
_STEP = 3
#: Keyframes next to a keyframe that may show its polygons from nearer by.
_NEIGHBOURS = 16
#: Relative difference of depth up to which two keyframes show one surface, and up to which they
#: show it from as near.
_DEPTH_TOLERANCE, _EQUAL_DEPTH = 0.1, 0.01

#: Called with the keyframes that are done and the number of all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class WorldPolygon:
    """A polygon of the map."""

    frame_index: int
    label: int
    #: (3,) uint8
    colour: np.ndarray
    #: (n, 3) float64 metres in the world frame; the outer one first
    rings: list[np.ndarray]


@dataclass(frozen=True)
class PolygonMap:
    """The polygons of all keyframes, in the order of time."""

    classes: ClassSet
    keyframes: tuple[KeyframePolygons, ...]

    def __len__(self) -> int:
        """Polygons in the map."""
        return sum(int(keyframe.kept.sum()) for keyframe in self.keyframes)

    def polygons(self) -> Iterable[WorldPolygon]:
        """Those of the map, keyframe by keyframe."""
        for keyframe in self.keyframes:
            for k in np.flatnonzero(keyframe.kept).tolist():
                yield WorldPolygon(
                    frame_index=keyframe.frame_index, label=int(keyframe.labels[k]),
                    colour=keyframe.colours[k],
                    rings=[keyframe.world(k, ring) for ring in keyframe.rings[k]])

    def mesh(self) -> TriangleMesh:
        """The polygons as triangles that do not share vertices between polygons; of one colour
        and label each, normals towards the camera."""
        return TriangleMesh.joined(map(_triangles, self.keyframes))


def polygon_map(views: Sequence[KeyframeView], classes: ClassSet, config: PolygonConfig,
                progress: Progress = lambda done, total: None) -> PolygonMap:
    """The polygons of keyframes, without those that other keyframes show from nearer by."""
    found = []
    for done, view in enumerate(views, 1):
        found.append(polygonise(view, classes, config))
        progress(done, len(views))
    return PolygonMap(classes=classes, keyframes=tuple(_without_covered(found, config)))


def _without_covered(keyframes: list[KeyframePolygons],
                     config: PolygonConfig) -> list[KeyframePolygons]:
    if config.covered >= 1 or len(keyframes) < 2:
        return keyframes
    centres = np.array([keyframe.T_world_cam[:3, 3] for keyframe in keyframes])
    depths = [_kept_depth(keyframe).astype(np.float32) for keyframe in keyframes]
    result = []
    for i, keyframe in enumerate(keyframes):
        away = np.linalg.norm(centres - centres[i], axis=1)
        nearest = np.argsort(away, kind="stable")[:_NEIGHBOURS + 1].tolist()
        others = [j for j in nearest if j != i and away[j] < config.max_depth]
        share = _covered_share(keyframe, depths[i], [(keyframes[j], depths[j], j < i)
                                                     for j in others])
        result.append(replace(keyframe, kept=keyframe.kept & (share < config.covered)))
    return result


def _kept_depth(keyframe: KeyframePolygons) -> np.ndarray:
    """(H, W) metres, NaN where no polygon is kept."""
    depth = keyframe.depth
    depth[~keyframe.kept[keyframe.boundaries.rasterised()]] = np.nan
    return depth


def _covered_share(keyframe: KeyframePolygons, depth: np.ndarray,
                   others: list[tuple[KeyframePolygons, np.ndarray, bool]]) -> np.ndarray:
    """(K,) share of each polygon's pixels that one of the others shows from nearer by, or from
    as near and is earlier."""
    index = keyframe.boundaries.rasterised()
    v, u = np.nonzero(np.isfinite(depth))
    sampled = (v % _STEP == 0) & (u % _STEP == 0)
    v, u = v[sampled], u[sampled]
    z = depth[v, u].astype(np.float64)
    camera = keyframe.camera
    x = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], 1)
    world = x @ keyframe.T_world_cam[:3, :3].T + keyframe.T_world_cam[:3, 3]
    is_covered = np.zeros(len(z), bool)
    for other, other_depth, is_earlier in others:
        T, c = other.T_world_cam, other.camera
        seen = (world - T[:3, 3]) @ T[:3, :3]
        with np.errstate(divide="ignore", invalid="ignore"):
            column = np.rint(c.fx * seen[:, 0] / seen[:, 2] + c.cx)
            row = np.rint(c.fy * seen[:, 1] / seen[:, 2] + c.cy)
            inside = (seen[:, 2] > 0) & (column >= 0) & (column < c.width) & (row >= 0) \
                & (row < c.height)
        inside &= seen[:, 2] < z * (1 + _EQUAL_DEPTH if is_earlier else 1 - _EQUAL_DEPTH)
        at = np.flatnonzero(inside & ~is_covered)
        shown = other_depth[row[at].astype(int), column[at].astype(int)]
        is_covered[at] = np.abs(shown - seen[at, 2]) < _DEPTH_TOLERANCE * seen[at, 2]
    polygon = index[v, u]
    count = len(keyframe.kept)
    return np.bincount(polygon, is_covered, count) \
        / np.maximum(np.bincount(polygon, minlength=count), 1)


def _triangles(keyframe: KeyframePolygons) -> TriangleMesh:
    """The triangles of a keyframe's polygons."""
    vertices, triangles, owners = [np.zeros((0, 3))], [np.zeros((0, 3), np.int64)], []
    total = 0
    for k in np.flatnonzero(keyframe.kept).tolist():
        rings = keyframe.rings[k]
        lattice = np.concatenate(rings)
        ends = np.cumsum([len(ring) for ring in rings]).astype(np.uint32)
        corners = mapbox_earcut.triangulate_float32(lattice.astype(np.float32), ends)
        vertices.append(keyframe.world(k, lattice))
        triangles.append(corners.reshape(-1, 3).astype(np.int64) + total)
        owners.append(np.full(len(lattice), k))
        total += len(lattice)
    polygon = np.concatenate([np.zeros(0, int), *owners])
    points, corners = np.concatenate(vertices), np.concatenate(triangles)
    normals = _normals(keyframe)[polygon]
    a, b, c = (points[corners[:, n]] for n in range(3))
    turns_away = (np.cross(b - a, c - a) * normals[corners[:, 0]]).sum(1) < 0
    corners[turns_away] = corners[turns_away][:, ::-1]
    return TriangleMesh(
        vertices=points.astype(np.float32), triangles=corners.astype(np.int32),
        colours=keyframe.colours[polygon], labels=keyframe.labels[polygon],
        confidence=np.ones(len(points), np.float32), normals=normals.astype(np.float32))


def _normals(keyframe: KeyframePolygons) -> np.ndarray:
    """(K, 3) unit normals of the planes in the world, towards the camera."""
    camera = keyframe.camera
    a, b, c = keyframe.planes.T
    # a u + b v + c = n . x / z with u, v the projection of x; n . x = 1 in the plane
    normals = -np.stack([a * camera.fx, b * camera.fy, a * camera.cx + b * camera.cy + c], 1)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.maximum(length, 1e-12) @ keyframe.T_world_cam[:3, :3].T
