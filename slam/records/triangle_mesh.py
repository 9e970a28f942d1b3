"""Labelled triangle meshes."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

#: Chunk of space: its integer coordinates, in edges of a chunk.
ChunkKey = tuple[int, int, int]


@dataclass(frozen=True)
class TriangleMesh:
    """Triangles in the world frame; seen from outside their corners run counter-clockwise."""

    #: (N, 3) float32 metres
    vertices: np.ndarray
    #: (M, 3) int32 indices of vertices
    triangles: np.ndarray
    #: (N, 3) uint8
    colours: np.ndarray
    #: (N,) uint8 class ids
    labels: np.ndarray
    #: (N,) float32 in [0, 1], probability of the label
    confidence: np.ndarray
    #: (N, 3) float32 unit vectors, towards the side that cameras saw
    normals: np.ndarray

    @staticmethod
    def empty() -> "TriangleMesh":
        return TriangleMesh(vertices=np.zeros((0, 3), np.float32),
                            triangles=np.zeros((0, 3), np.int32),
                            colours=np.zeros((0, 3), np.uint8), labels=np.zeros(0, np.uint8),
                            confidence=np.zeros(0, np.float32),
                            normals=np.zeros((0, 3), np.float32))

    @staticmethod
    def joined(meshes: Iterable["TriangleMesh"]) -> "TriangleMesh":
        """All triangles of several meshes; none of their vertices are united."""
        # the empty one gives shapes and types where there is no mesh
        parts = [TriangleMesh.empty(), *meshes]
        first = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
        triangles = [part.triangles + np.int32(start) for part, start in zip(parts, first)]
        return TriangleMesh(vertices=np.concatenate([part.vertices for part in parts]),
                            triangles=np.concatenate(triangles),
                            colours=np.concatenate([part.colours for part in parts]),
                            labels=np.concatenate([part.labels for part in parts]),
                            confidence=np.concatenate([part.confidence for part in parts]),
                            normals=np.concatenate([part.normals for part in parts]))

    @property
    def num_bytes(self) -> int:
        """Of all arrays."""
        return sum(array.nbytes for array in (self.vertices, self.triangles, self.colours,
                                              self.labels, self.confidence, self.normals))
