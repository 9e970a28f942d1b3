"""The surface of a map as a page gets it: triangles in pieces of space."""

from collections.abc import Iterator

import numpy as np

from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.viewer.transport.point_chunks import RECORD
from scenecode.viewer.transport.wire import binary_message

#: Edge of a piece, metres.
PIECE_EDGE = 4.0


def surface_pieces(mesh: TriangleMesh) -> Iterator[tuple[str, TriangleMesh]]:
    """Key and triangles of each piece of a mesh: of those whose first corner is in a cube of
    ``PIECE_EDGE``."""
    if not len(mesh.triangles):
        return
    cells = np.floor(mesh.vertices[mesh.triangles[:, 0]] / PIECE_EDGE).astype(np.int64)
    names, inverse = np.unique(cells, axis=0, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(inverse.ravel(), minlength=len(names)))
    for name, members in zip(names, np.split(order, ends[:-1])):
        used, corners = np.unique(mesh.triangles[members], return_inverse=True)
        yield ".".join(map(str, name)), TriangleMesh(
            vertices=mesh.vertices[used], triangles=corners.reshape(-1, 3).astype(np.int32),
            colours=mesh.colours[used], labels=mesh.labels[used],
            confidence=mesh.confidence[used], normals=mesh.normals[used])


def surface_message(key: str, mesh: TriangleMesh) -> bytes:
    """A piece: its vertices as records of points, normals as bytes, corners of triangles."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    step = np.maximum(high - low, 1e-6) / 65535
    records = np.zeros(len(mesh.vertices), RECORD)
    records["position"] = np.rint((mesh.vertices - low) / step)
    records["label"] = mesh.labels
    records["confidence"] = np.rint(255 * np.clip(mesh.confidence, 0, 1))
    records["colour"] = mesh.colours
    normals = np.zeros((len(mesh.vertices), 4), np.int8)
    normals[:, :3] = np.rint(127 * np.clip(mesh.normals, -1, 1))
    return binary_message({"type": "mesh", "key": key, "low": low, "step": step},
                          {"records": records.view(np.uint8), "normals": normals,
                           "triangles": mesh.triangles.astype(np.uint32)})
