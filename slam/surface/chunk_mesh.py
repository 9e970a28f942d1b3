"""The triangles of a chunk of a distance field."""

from collections.abc import Callable

import numpy as np
from skimage.measure import marching_cubes

from scenecode.networks.classes import VOID
from scenecode.slam.records.triangle_mesh import ChunkKey, TriangleMesh
from scenecode.slam.surface.truncated_distance import CHUNK, DISTANCE_STEPS, VOTES, Chunk


def chunk_mesh(chunk_at: Callable[[ChunkKey], Chunk | None], key: ChunkKey, voxel: float,
               min_views: int) -> TriangleMesh:
    """The surface in a chunk, where as many keyframes saw it.

    A chunk's last voxels are joined with the first ones of the chunks behind it, so that chunks
    meet without cracks.
    """
    own = chunk_at(key)
    if own is None or not (own.views >= min_views).any():
        return TriangleMesh.empty()
    chunks = {step: chunk_at((key[0] + step[0], key[1] + step[1], key[2] + step[2]))
              for step in np.ndindex(2, 2, 2)}
    weight, views = (_with_next(chunks, name) for name in ("weight", "views"))
    known = (views >= min_views) & (weight > 0)
    distance = np.full(known.shape, np.nan, np.float32)
    distance[known] = _with_next(chunks, "distance")[known] / (DISTANCE_STEPS * weight[known])
    # a zero has no side
    distance[distance == 0] = np.finfo(np.float32).tiny
    # unknown corners make both NaN
    low, high = (_of_corners(choose, distance) for choose in (np.minimum, np.maximum))
    if not ((low < 0) & (high > 0)).any():
        return TriangleMesh.empty()
    # a triangle with a corner beside an unknown voxel has no place; others stay
    positions, triangles, _, _ = marching_cubes(distance, 0.0, gradient_direction="descent")
    triangles = triangles[np.isfinite(positions).all(1)[triangles].all(1)]
    used, triangles = np.unique(triangles, return_inverse=True)
    positions, triangles = positions[used], triangles.reshape(-1, 3).astype(np.int32)
    nearest = tuple(np.rint(positions).astype(int).T)
    votes, views = _with_next(chunks, "votes")[nearest], views[nearest]
    labels = votes.argmax(1)
    most = votes[np.arange(len(votes)), labels]
    colour = _with_next(chunks, "colour")[nearest] / _with_next(chunks, "colour_weight")[
        nearest][:, None].clip(1)
    vertices = ((np.array(key) * CHUNK + positions) * voxel).astype(np.float32)
    return TriangleMesh(
        vertices=vertices, triangles=triangles, colours=np.rint(colour).astype(np.uint8),
        labels=np.where(most > 0, labels, VOID).astype(np.uint8),
        confidence=(most / (VOTES * views.clip(1).astype(np.float32))).astype(np.float32),
        normals=_vertex_normals(vertices, triangles))


def _with_next(chunks: dict[tuple[int, ...], Chunk | None], name: str) -> np.ndarray:
    """Values of a chunk's voxels and of the first ones of the chunks behind it, (17, 17, 17); 0
    where there is no chunk."""
    own = getattr(chunks[0, 0, 0], name)
    values = np.zeros((CHUNK + 1,) * 3 + own.shape[1:], own.dtype)
    for step, chunk in chunks.items():
        if chunk is not None:
            to = tuple(slice(CHUNK, None) if k else slice(0, CHUNK) for k in step)
            source = tuple(slice(0, 1) if k else slice(None) for k in step)
            values[to] = getattr(chunk, name).reshape(*[CHUNK] * 3, *own.shape[1:])[source]
    return values


def _of_corners(choose: np.ufunc, values: np.ndarray) -> np.ndarray:
    """Of voxels (N, N, N) the one that is chosen of the eight corners of a cell, (N - 1, ...)."""
    for axis in range(3):
        first, second = np.split(values, [-1], axis)[0], np.split(values, [1], axis)[1]
        values = choose(first, second)
    return values


def _vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(N, 3) float32: means of the triangles' normals, weighted by area."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, triangles[:, k], np.cross(b - a, c - a))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.maximum(length, 1e-12)).astype(np.float32)
