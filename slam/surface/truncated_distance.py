"""A truncated signed distance field in chunks of voxels (Curless and Levoy, 1996).

Distances are along the optical axis, in front of the surface positive.  Every keyframe counts with
the inverse variance of its depth; pixels at depth edges and grazing ones do not count, so that no
surface spans an edge.  Voxels hold sums of integers: what a keyframe added is subtracted without
a remainder when it moves.
"""

import zlib
from dataclasses import dataclass, fields

import numpy as np

from scenecode.optim.imaging.neighbours import neighbour_regions
from scenecode.slam.records.snapshot import KeyframeView
from scenecode.slam.records.triangle_mesh import ChunkKey

#: Voxels along an edge of a chunk.
CHUNK = 16
#: Distance at which the field is truncated, in voxels.
TRUNCATION = 3
#: Relative difference of neighbouring depths beyond which both are at an edge, or grazing.
_EDGE = 0.05
#: Steps of a voxel in which distances are summed, and largest weight and confidence of one
#: observation.  Sums fit for 4,000 keyframes that see one voxel.
DISTANCE_STEPS, _WEIGHTS, VOTES = 256, 255, 15

_VOXELS = CHUNK ** 3
_OFFSETS = np.stack(np.meshgrid(*[np.arange(CHUNK)] * 3, indexing="ij"), -1).reshape(-1, 3)


@dataclass
class Chunk:
    """Sums over keyframes of the N = 4096 voxels of a chunk, the last coordinate fastest."""

    #: (N,) int32 weight times truncated distance, in ``DISTANCE_STEPS`` of a voxel
    distance: np.ndarray
    #: (N,) int32
    weight: np.ndarray
    #: (N,) uint16 keyframes that saw a surface within the truncation
    views: np.ndarray
    #: (N, 3) int32 weight times colour, and (N,) the weights, of these keyframes
    colour: np.ndarray
    colour_weight: np.ndarray
    #: (N, C) uint16 confidence of each class, in ``VOTES``
    votes: np.ndarray

    @staticmethod
    def empty(classes: int) -> "Chunk":
        return Chunk(distance=np.zeros(_VOXELS, np.int32), weight=np.zeros(_VOXELS, np.int32),
                     views=np.zeros(_VOXELS, np.uint16), colour=np.zeros((_VOXELS, 3), np.int32),
                     colour_weight=np.zeros(_VOXELS, np.int32),
                     votes=np.zeros((_VOXELS, classes), np.uint16))

    @property
    def num_bytes(self) -> int:
        return sum(getattr(self, part.name).nbytes for part in fields(self))

    def packed(self) -> bytes:
        """Compressed, mostly to a tenth."""
        return zlib.compress(b"".join(getattr(self, part.name).tobytes()
                                      for part in fields(self)), 1)

    @staticmethod
    def unpacked(data: bytes, classes: int) -> "Chunk":
        """The chunk that ``packed`` gave these bytes of."""
        raw, at, chunk = bytearray(zlib.decompress(data)), 0, Chunk.empty(classes)
        for part in fields(Chunk):
            array = getattr(chunk, part.name)
            filled = np.frombuffer(raw, array.dtype, array.size, at).reshape(array.shape)
            setattr(chunk, part.name, filled)
            at += array.nbytes
        return chunk


@dataclass(frozen=True)
class Observation:
    """What a keyframe says about the surface, decoded once; arrays are (H * W,)."""

    view: KeyframeView
    #: float32 metres, 0 where it does not count
    depth: np.ndarray
    #: int32 from 1 to 255
    weight: np.ndarray
    #: (H * W, 3) uint8
    image: np.ndarray
    #: uint8 class ids; those that are no class have no vote
    labels: np.ndarray
    #: uint16 from 0 to ``VOTES``
    votes: np.ndarray
    #: median and largest depth that counts, metres; 0 without any
    median: float
    farthest: float

    @staticmethod
    def of(view: KeyframeView, voxel: float, classes: int) -> "Observation":
        depth = usable_depth(view.depth).ravel()
        weight = _WEIGHTS / ((view.depth_std.ravel() / voxel) ** 2 + 1)
        labels = view.labels.ravel()
        votes = np.rint(VOTES * np.clip(view.confidence.ravel(), 0, 1)).clip(1)
        seen = depth[depth > 0]
        return Observation(
            view=view, depth=depth, weight=np.rint(weight).clip(1).astype(np.int32),
            image=view.image.reshape(-1, 3), labels=np.where(labels < classes, labels, 0),
            votes=np.where(labels < classes, votes, 0).astype(np.uint16),
            median=float(np.median(seen)) if len(seen) else 0.0,
            farthest=float(seen.max(initial=0)))

    def surface_chunks(self, voxel: float) -> set[ChunkKey]:
        """The chunks within the truncation of its surface."""
        view, index = self.view, np.flatnonzero(self.depth)
        camera, z = view.camera, self.depth[index].astype(np.float64)
        v, u = np.divmod(index, camera.width)
        rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy,
                         np.ones(len(u))], -1)
        keys = set()
        for distance in (-TRUNCATION * voxel, 0.0, TRUNCATION * voxel):
            points = (rays * (z + distance)[:, None]) @ view.T_world_cam[:3, :3].T \
                + view.T_world_cam[:3, 3]
            cells = np.floor(points / (CHUNK * voxel)).astype(np.int64)
            # one number for a cell is sorted many times as fast as its three coordinates
            low = cells.min(0, initial=0)
            size = tuple(cells.max(0, initial=0) - low + 1)
            packed = np.unique(np.ravel_multi_index(tuple((cells - low).T), size))
            found = np.stack(np.unravel_index(packed, size), 1) + low
            keys |= {(x, y, z) for x, y, z in found.tolist()}
        return keys


class Projector:
    """Adds an observation to chunks, or subtracts it."""

    def __init__(self, observation: Observation, voxel: float):
        self._seen, self._voxel = observation, voxel
        R = observation.view.T_world_cam[:3, :3]
        #: (3, N) from a chunk's first voxel to the others, in the camera's axes
        self._offsets = np.ascontiguousarray((_OFFSETS * voxel @ R).T.astype(np.float32))

    def add(self, chunk: Chunk, key: ChunkKey, sign: int) -> bool:
        """Add the observation to a chunk, or with ``sign`` -1 subtract what was added before;
        whether that changed anything."""
        seen, view = self._seen, self._seen.view
        camera = view.camera
        first = (np.array(key) * (CHUNK * self._voxel) - view.T_world_cam[:3, 3]) \
            @ view.T_world_cam[:3, :3]
        x, y, z = self._offsets + first.astype(np.float32)[:, None]
        front = np.maximum(z, np.float32(1e-6))
        u = np.rint(np.float32(camera.fx) * x / front + np.float32(camera.cx))
        v = np.rint(np.float32(camera.fy) * y / front + np.float32(camera.cy))
        index = np.flatnonzero((z > 0) & (u >= 0) & (u < camera.width) & (v >= 0)
                               & (v < camera.height))
        pixel = v[index].astype(np.intp) * camera.width + u[index].astype(np.intp)
        depth = seen.depth[pixel]
        steps = np.rint((depth - z[index]) * np.float32(DISTANCE_STEPS / self._voxel))
        # behind the surface nothing is known
        known = (depth > 0) & (steps > -TRUNCATION * DISTANCE_STEPS)
        index, pixel = index[known], pixel[known]
        if not len(index):
            return False
        distance = np.minimum(steps[known], TRUNCATION * DISTANCE_STEPS).astype(np.int32)
        weight = sign * seen.weight[pixel]
        chunk.distance[index] += weight * distance
        chunk.weight[index] += weight
        near = distance < TRUNCATION * DISTANCE_STEPS
        index, pixel, weight = index[near], pixel[near], weight[near]
        chunk.colour[index] += weight[:, None] * seen.image[pixel]
        chunk.colour_weight[index] += weight
        change = np.add if sign > 0 else np.subtract
        chunk.views[index] = change(chunk.views[index], np.uint16(1))
        labels = seen.labels[pixel]
        chunk.votes[index, labels] = change(chunk.votes[index, labels], seen.votes[pixel])
        return True


def could_see(view: KeyframeView, farthest: float, keys: np.ndarray, voxel: float) -> np.ndarray:
    """(K,) bool of chunks (K, 3): whether a sphere around them is in front of the camera, not
    beyond the ``farthest`` depth in metres, and in the image."""
    edge, camera = CHUNK * voxel, view.camera
    x = ((keys + 0.5) * edge - view.T_world_cam[:3, 3]) @ view.T_world_cam[:3, :3]
    radius = edge * np.sqrt(3) / 2
    z = np.maximum(x[:, 2], radius)
    margin = radius / z
    near = (x[:, 2] > -radius) & (x[:, 2] < farthest + radius + TRUNCATION * voxel)
    for coordinate, f, c, size in ((0, camera.fx, camera.cx, camera.width),
                                   (1, camera.fy, camera.cy, camera.height)):
        pixel = f * x[:, coordinate] / z + c
        near &= (pixel > -f * margin) & (pixel < size + f * margin)
    return near


def usable_depth(depth: np.ndarray) -> np.ndarray:
    """(H, W) metres, 0 at depth edges, where the surface is grazed, and where there is none."""
    usable = np.isfinite(depth) & (depth > 0)
    for here, there in (neighbour_regions(1, 0), neighbour_regions(0, 1)):
        step = np.abs(depth[there] - depth[here]) > _EDGE * np.minimum(depth[here], depth[there])
        usable[here] &= ~step
        usable[there] &= ~step
    return np.where(usable, depth, 0).astype(np.float32)
