"""The surface of a map."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from skimage.measure import marching_cubes

from scenecode.slam.records.snapshot import KeyframeView
from scenecode.slam.records.triangle_mesh import ChunkKey, TriangleMesh
from scenecode.slam.surface.truncated_distance import CHUNK, DistanceField

#: Edge of a voxel: share of the median depth, from 2 centimetres on.
_VOXEL_SHARE, _MIN_VOXEL = 0.0125, 0.02
#: Keyframes that must have seen a surface.
_MIN_VIEWS = 2


class HasKeyframes(Protocol):
    """A map as far as its surface depends on it, such as a ``SavedMap`` or a ``Snapshot``."""

    @property
    def keyframes(self) -> Sequence[KeyframeView]: ...


def surface_of(saved: HasKeyframes) -> TriangleMesh:
    """The surface that at least two keyframes saw, or the one of a map of one keyframe, as one
    mesh in the world frame, metres; without triangles where there is none."""
    if not saved.keyframes:
        return TriangleMesh.empty()
    depths = [depth[depth > 0] for depth in (view.depth for view in saved.keyframes)]
    medians = [float(np.median(depth)) for depth in depths if len(depth)]
    if not medians:
        return TriangleMesh.empty()
    field = DistanceField(max(_MIN_VOXEL, _VOXEL_SHARE * float(np.median(medians))))
    for view in saved.keyframes:
        field.allocate(view)
    for view in saved.keyframes:
        field.integrate(view)
    min_views = min(_MIN_VIEWS, len(saved.keyframes))
    return TriangleMesh.joined(chunk_mesh(field, key, min_views) for key in sorted(field.chunks))


def chunk_mesh(field: DistanceField, key: ChunkKey, min_views: int) -> TriangleMesh:
    """The surface in a chunk, where as many keyframes saw it.

    A chunk's last voxels are joined with the first ones of the chunks behind it, so that chunks
    meet without cracks.
    """
    distance = _with_next(field, key, "distance", np.nan)
    distance[_with_next(field, key, "views", 0) < min_views] = np.nan
    # a zero has no side
    distance[distance == 0] = np.finfo(np.float32).tiny
    corners = sliding_window_view(distance, (2, 2, 2)).reshape(*[CHUNK] * 3, 8)
    # unknown corners make both NaN
    if not ((corners.min(-1) < 0) & (corners.max(-1) > 0)).any():
        return TriangleMesh.empty()
    # a triangle with a corner beside an unknown voxel has no place; others stay
    positions, triangles, _, _ = marching_cubes(distance, 0.0, gradient_direction="descent")
    triangles = triangles[np.isfinite(positions).all(1)[triangles].all(1)]
    used, triangles = np.unique(triangles, return_inverse=True)
    positions, triangles = positions[used], triangles.reshape(-1, 3).astype(np.int32)
    nearest = tuple(np.rint(positions).astype(int).T)
    votes = _with_next(field, key, "votes", 0)[nearest]
    lead = _with_next(field, key, "lead", 0)[nearest]
    vertices = ((np.array(key) * CHUNK + positions) * field.voxel).astype(np.float32)
    return TriangleMesh(
        vertices=vertices, triangles=triangles,
        colours=np.rint(_with_next(field, key, "colour", 0)[nearest]).astype(np.uint8),
        labels=_with_next(field, key, "label", 0)[nearest],
        confidence=np.divide(lead, votes, out=np.zeros_like(lead), where=votes > 0),
        normals=_vertex_normals(vertices, triangles))


def _with_next(field: DistanceField, key: ChunkKey, name: str, unknown: float) -> np.ndarray:
    """Values of a chunk's voxels and of the first ones of the chunks behind it, (17, 17, 17)."""
    own = getattr(field.chunks[key], name)
    values = np.full((CHUNK + 1,) * 3 + own.shape[3:], unknown, own.dtype)
    for step in np.ndindex(2, 2, 2):
        chunk = field.chunks.get((key[0] + step[0], key[1] + step[1], key[2] + step[2]))
        if chunk is not None:
            to = tuple(slice(CHUNK, None) if k else slice(0, CHUNK) for k in step)
            source = tuple(slice(0, 1) if k else slice(None) for k in step)
            values[to] = getattr(chunk, name)[source]
    return values


def _vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(N, 3) float32: means of the triangles' normals, weighted by area."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, triangles[:, k], np.cross(b - a, c - a))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.maximum(length, 1e-12)).astype(np.float32)
