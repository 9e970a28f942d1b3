"""The surface of a map as a page gets it: triangles in pieces of space, with coarser ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scenecode.slam.records.triangle_mesh import ChunkKey, TriangleMesh
from scenecode.viewer.inspection.point_attributes import PointAttributes
from scenecode.viewer.transport.point_chunks import RECORD, attribute_records
from scenecode.viewer.transport.wire import binary_message

#: Chunks along an edge of a piece.
PIECE = 4
#: Edge of a piece of any other mesh, metres.
CUBE = 4.0
#: Edges of the cells, in voxels, in which the corners of coarser triangles are united.
COARSER = 2.5, 6.0, 15.0


@dataclass(frozen=True, eq=False)
class SurfacePiece:
    """The surface in a cube of ``PIECE`` chunks."""

    key: str
    message: bytes
    triangles: int
    #: (N, 3) float32 metres, in the order of sending
    vertices: np.ndarray

    def attribute_message(self, attributes: PointAttributes) -> bytes:
        """Attributes of the vertices."""
        return binary_message({"type": "mesh_attributes", "key": self.key}, {
            "records": attribute_records(attributes, len(self.vertices))})


class SurfacePieces:
    """The pieces of a surface that changes by chunks; those of which no chunk did stay the same
    objects."""

    def __init__(self, voxel: float):
        self._voxel = voxel
        self._meshes: dict[ChunkKey, dict[ChunkKey, TriangleMesh]] = {}
        self._pieces: dict[str, SurfacePiece] = {}

    def update(self, changed: Iterable[ChunkKey],
               mesh_of: Callable[[ChunkKey], TriangleMesh]) -> None:
        """Make the pieces of changed chunks again."""
        touched = set()
        for key in changed:
            place = key[0] // PIECE, key[1] // PIECE, key[2] // PIECE
            meshes, mesh = self._meshes.setdefault(place, {}), mesh_of(key)
            if len(mesh.triangles):
                meshes[key] = mesh
            elif meshes.pop(key, None) is None:
                continue
            touched.add(place)
        for place in touched:
            name, meshes = ".".join(map(str, place)), self._meshes[place]
            if meshes:
                mesh = TriangleMesh.joined(meshes[key] for key in sorted(meshes))
                self._pieces[name] = _piece(name, mesh,
                                            [cell * self._voxel for cell in COARSER])
            else:
                del self._meshes[place]
                self._pieces.pop(name, None)

    @property
    def pieces(self) -> dict[str, SurfacePiece]:
        """All pieces by key."""
        return dict(self._pieces)


def pieces_of(mesh: TriangleMesh) -> dict[str, SurfacePiece]:
    """Any mesh in pieces by key: the triangles whose first corner is in a cube of ``CUBE``."""
    if not len(mesh.triangles):
        return {}
    cells = np.floor(mesh.vertices[mesh.triangles[:, 0]] / CUBE).astype(np.int64)
    places, inverse = np.unique(cells, axis=0, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(inverse.ravel(), minlength=len(places)))
    made = {}
    for place, members in zip(places, np.split(order, ends[:-1])):
        used, corners = np.unique(mesh.triangles[members], return_inverse=True)
        name = ".".join(map(str, place))
        made[name] = _piece(name, TriangleMesh(
            vertices=mesh.vertices[used], triangles=corners.reshape(-1, 3).astype(np.int32),
            colours=mesh.colours[used], labels=mesh.labels[used],
            confidence=mesh.confidence[used], normals=mesh.normals[used]))
    return made


def _piece(key: str, mesh: TriangleMesh, coarser: Sequence[float] = ()) -> SurfacePiece:
    return SurfacePiece(key=key, message=surface_message(key, mesh, coarser),
                        triangles=len(mesh.triangles), vertices=mesh.vertices)


def surface_message(key: str, mesh: TriangleMesh, coarser: Sequence[float] = ()) -> bytes:
    """A piece: its vertices as records of points, normals as bytes, corners of triangles; behind
    them those of ``coarser`` triangles, of edges in metres, which share the vertices.  ``counts``
    says how many corners each level has, ``cells`` how long its edges are at the least."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    step = np.maximum(high - low, 1e-6) / 65535
    records = np.zeros(len(mesh.vertices), RECORD)
    records["position"] = np.rint((mesh.vertices - low) / step)
    records["label"] = mesh.labels
    records["confidence"] = np.rint(255 * np.clip(mesh.confidence, 0, 1))
    records["colour"] = mesh.colours
    normals = np.zeros((len(mesh.vertices), 4), np.int8)
    normals[:, :3] = np.rint(127 * np.clip(mesh.normals, -1, 1))
    levels = [mesh.triangles, *(coarser_triangles(mesh, cell) for cell in coarser)]
    small = np.uint16 if len(mesh.vertices) <= 65536 else np.uint32
    return binary_message(
        {"type": "mesh", "key": key, "low": low, "step": step,
         "counts": [3 * len(level) for level in levels],
         "cells": [0.0, *coarser]},
        {"records": records.view(np.uint8), "normals": normals,
         "triangles": np.concatenate(levels).astype(small)})


def coarser_triangles(mesh: TriangleMesh, cell: float) -> np.ndarray:
    """(K, 3) int32 triangles of a mesh whose corners in a cube of edge ``cell`` (metres) became
    one of them (Rossignac and Borrel, 1993); those that became lines or points are left out."""
    cells = np.floor(mesh.vertices / cell).astype(np.int64)
    cells -= cells.min(0)
    packed = np.ravel_multi_index(tuple(cells.T), tuple(cells.max(0) + 1))
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    corners = first[inverse.ravel()].astype(np.int32)[mesh.triangles]
    a, b, c = corners.T
    corners = corners[(a != b) & (b != c) & (c != a)]
    # many become the same: one is enough
    _, kept = np.unique(np.sort(corners, 1), axis=0, return_index=True)
    return corners[np.sort(kept)]
