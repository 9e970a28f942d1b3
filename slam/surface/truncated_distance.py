"""A truncated signed distance field in hashed chunks of voxels (Curless and Levoy, 1996).

Distances are along the optical axis, in front of the surface positive.  Every keyframe counts with
the inverse variance of its depth; pixels at depth edges and grazing ones do not count, so that no
surface spans an edge.
"""

from dataclasses import dataclass

import numpy as np

from scenecode.networks.classes import VOID
from scenecode.slam.records.snapshot import KeyframeView
from scenecode.slam.records.triangle_mesh import ChunkKey

#: Voxels along an edge of a chunk.
CHUNK = 16
#: Distance at which the field is truncated, in voxels.
TRUNCATION = 4.0
#: Relative difference of neighbouring depths beyond which both are at an edge, or grazing.
_EDGE = 0.05


@dataclass
class _Chunk:
    """Voxels of a chunk; arrays are (16, 16, 16) along x, y, z."""

    #: weighted mean of the truncated distances, in voxels
    distance: np.ndarray
    weight: np.ndarray
    #: keyframes that saw a surface within the truncation
    views: np.ndarray
    #: (16, 16, 16, 3) weighted mean
    colour: np.ndarray
    colour_weight: np.ndarray
    #: class ahead in a running vote, by how much, and the sum of all confidences
    label: np.ndarray
    lead: np.ndarray
    votes: np.ndarray

    @staticmethod
    def empty() -> "_Chunk":
        shape = (CHUNK,) * 3

        def zeros() -> np.ndarray:
            return np.zeros(shape, np.float32)

        return _Chunk(distance=zeros(), weight=zeros(), views=np.zeros(shape, np.uint8),
                      colour=np.zeros((*shape, 3), np.float32), colour_weight=zeros(),
                      label=np.full(shape, VOID, np.uint8), lead=zeros(), votes=zeros())


class DistanceField:
    """Keyframes, fused.  Memory follows the surface: about 150 kB for a chunk."""

    def __init__(self, voxel: float):
        """``voxel``: its edge in metres."""
        self.voxel = voxel
        self.chunks: dict[ChunkKey, _Chunk] = {}
        grid = np.stack(np.meshgrid(*[np.arange(CHUNK)] * 3, indexing="ij"), -1)
        self._offsets = (grid.reshape(-1, 3) * voxel).astype(np.float32)

    @property
    def edge(self) -> float:
        """Of a chunk, metres."""
        return CHUNK * self.voxel

    def allocate(self, view: KeyframeView) -> None:
        """Make the chunks around a keyframe's surface; before any keyframe is integrated."""
        depth = _usable_depth(view.depth)
        v, u = np.nonzero(depth > 0)
        z = depth[v, u]
        reach = TRUNCATION * self.voxel
        keys = set()
        for distance in (-reach, 0.0, reach):
            points = _backproject(view, u, v, z + distance)
            cells = np.floor(points / self.edge).astype(np.int64)
            # one number for a cell is sorted many times as fast as its three coordinates
            low = cells.min(0, initial=0)
            size = tuple(cells.max(0, initial=0) - low + 1)
            packed = np.unique(np.ravel_multi_index(tuple((cells - low).T), size))
            found = np.stack(np.unravel_index(packed, size), 1) + low
            keys |= {(x, y, z) for x, y, z in found.tolist()}
        for key in keys - self.chunks.keys():
            self.chunks[key] = _Chunk.empty()

    def integrate(self, view: KeyframeView) -> None:
        """Fuse the depth, colours and labels of a keyframe into the chunks that it sees."""
        depth, std = _usable_depth(view.depth), view.depth_std
        maps = (depth, std, view.image, view.labels, view.confidence)
        for key in self._seen(view, float(depth.max())):
            self._integrate_chunk(self.chunks[key], key, view, maps)

    def _seen(self, view: KeyframeView, farthest: float) -> list[ChunkKey]:
        """Chunks of which a sphere around them is in front of the camera and in its image."""
        keys = list(self.chunks)
        centres = (np.array(keys) + 0.5) * self.edge
        x = (centres - view.T_world_cam[:3, 3]) @ view.T_world_cam[:3, :3]
        radius, camera = self.edge * np.sqrt(3) / 2, view.camera
        z = np.maximum(x[:, 2], radius)
        margin = radius / z
        near = (x[:, 2] > -radius) & (x[:, 2] < farthest + radius + TRUNCATION * self.voxel)
        for coordinate, f, c, size in ((0, camera.fx, camera.cx, camera.width),
                                       (1, camera.fy, camera.cy, camera.height)):
            pixel = f * x[:, coordinate] / z + c
            near &= (pixel > -f * margin) & (pixel < size + f * margin)
        return [keys[i] for i in near.nonzero()[0]]

    def _integrate_chunk(self, chunk: _Chunk, key: ChunkKey, view: KeyframeView,
                         maps: tuple[np.ndarray, ...]) -> None:
        depth, std, image, labels, confidence = maps
        index, u, v, z = view.pixels_of(np.array(key) * self.edge + self._offsets)
        distance = (depth[v, u] - z) / self.voxel
        # behind the surface nothing is known
        known = (depth[v, u] > 0) & (distance > -TRUNCATION)
        index, u, v, distance = index[known], u[known], v[known], distance[known]
        if not len(index):
            return
        weight = (1 / ((std[v, u] / self.voxel) ** 2 + 1)).astype(np.float32)
        _average(chunk.distance, chunk.weight, index, np.minimum(distance, TRUNCATION), weight)
        near = np.abs(distance) < TRUNCATION
        index, u, v, weight = index[near], u[near], v[near], weight[near]
        views = chunk.views.reshape(-1)
        views[index] += views[index] < 255
        _average(chunk.colour, chunk.colour_weight, index, image[v, u], weight)
        _vote(chunk, index, labels[v, u], confidence[v, u])


def _average(mean: np.ndarray, weights: np.ndarray, index: np.ndarray, values: np.ndarray,
             weight: np.ndarray) -> None:
    """Take values into weighted means, in place."""
    flat = mean.reshape(CHUNK ** 3, *mean.shape[3:])
    total = weights.reshape(-1)
    total[index] += weight
    step = (weight / total[index]).reshape(-1, *[1] * (values.ndim - 1))
    flat[index] += step * (values - flat[index])


def _vote(chunk: _Chunk, index: np.ndarray, labels: np.ndarray, confidence: np.ndarray) -> None:
    """Boyer and Moore's majority vote, weighted by confidence, in place."""
    label, lead, votes = (values.reshape(-1) for values in (chunk.label, chunk.lead, chunk.votes))
    lead[index] += np.where(label[index] == labels, confidence, -confidence)
    overtaken = lead[index] < 0
    label[index[overtaken]] = labels[overtaken]
    lead[index] = np.abs(lead[index])
    votes[index] += confidence


def _usable_depth(depth: np.ndarray) -> np.ndarray:
    """(H, W) metres, 0 at depth edges, where the surface is grazed, and where there is none."""
    usable = np.isfinite(depth) & (depth > 0)
    for axis in (0, 1):
        step = np.abs(np.diff(depth, axis=axis)) > _EDGE * np.minimum(
            *(np.take(depth, range(k, depth.shape[axis] - 1 + k), axis) for k in (0, 1)))
        here, there = ([slice(None), slice(None)] for _ in range(2))
        here[axis], there[axis] = slice(0, -1), slice(1, None)
        usable[tuple(here)] &= ~step
        usable[tuple(there)] &= ~step
    return np.where(usable, depth, 0).astype(np.float32)


def _backproject(view: KeyframeView, u: np.ndarray, v: np.ndarray, z: np.ndarray) -> np.ndarray:
    camera, T = view.camera, view.T_world_cam
    x = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], -1)
    return x @ T[:3, :3].T + T[:3, 3]
