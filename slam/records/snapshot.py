"""Frozen views of the map for those who only look: viewer, export, report.

A snapshot shares no memory with the live system, so that a reader needs no lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from scenecode.networks.classes import ClassSet
from scenecode.optim.geometry.camera import PinholeCamera


class DenseMaps(Protocol):
    """What a keyframe shows: arrays (H, W) at network size, which may be computed at every
    access.  The maps of a keyframe never change; when the keyframe does, it gets others."""

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8"""
        ...

    @property
    def depth(self) -> np.ndarray:
        """(H, W) float32 metres"""
        ...

    @property
    def depth_std(self) -> np.ndarray:
        """(H, W) float32, standard deviation of depth in metres"""
        ...

    @property
    def labels(self) -> np.ndarray:
        """(H, W) uint8 class ids"""
        ...

    @property
    def confidence(self) -> np.ndarray:
        """(H, W) float32, probability of the label"""
        ...


#: Relative error within which a depth is right.
RIGHT_WITHIN = 0.1
#: Factor of the standard deviation in the confidence: errors of poses and lens, which whole
#: keyframes share, differ from one recording to the next.
CONFIDENCE_MARGIN = 1.6


@dataclass(frozen=True)
class StoredMaps:
    """The ``DenseMaps`` as arrays in memory."""

    image: np.ndarray
    depth: np.ndarray
    depth_std: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True)
class KeyframeView:
    """A keyframe as it stands.  Its arrays are computed at every access: keep one that is needed
    more than once."""

    #: index of the frame it was made from
    frame_index: int
    timestamp: float
    #: (4, 4) float64
    T_world_cam: np.ndarray
    camera: PinholeCamera
    maps: DenseMaps

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8"""
        return self.maps.image

    @property
    def depth(self) -> np.ndarray:
        """(H, W) float32 metres"""
        return self.maps.depth

    @property
    def depth_std(self) -> np.ndarray:
        """(H, W) float32, standard deviation of depth in metres"""
        return self.maps.depth_std

    @property
    def depth_confidence(self) -> np.ndarray:
        """(H, W) float32, probability that depth is right within a tenth, on the safe side"""
        return depth_confidence(self.depth, self.depth_std)

    @property
    def labels(self) -> np.ndarray:
        """(H, W) uint8 class ids"""
        return self.maps.labels

    @property
    def confidence(self) -> np.ndarray:
        """(H, W) float32, probability of the label"""
        return self.maps.confidence

    def pixels_of(self, points: np.ndarray
                  ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Where points (N, 3) of the world fall into the image: the indices (K,) of those that
        do, the columns and rows of their pixels, and their depths in metres."""
        T, camera = self.T_world_cam, self.camera
        x = (points - T[:3, 3]) @ T[:3, :3]
        index = np.flatnonzero(x[:, 2] > 0)
        x = x[index]
        u = np.rint(camera.fx * x[:, 0] / x[:, 2] + camera.cx)
        v = np.rint(camera.fy * x[:, 1] / x[:, 2] + camera.cy)
        inside = (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
        return index[inside], u[inside].astype(int), v[inside].astype(int), x[inside, 2]


class HasKeyframes(Protocol):
    """A map as far as its surface and its polygons depend on it, such as a ``SavedMap`` or a
    ``Snapshot``."""

    @property
    def keyframes(self) -> Sequence[KeyframeView]: ...

    @property
    def classes(self) -> ClassSet: ...


def depth_confidence(depth: np.ndarray, depth_std: np.ndarray) -> np.ndarray:
    """Probability that a depth is off by ``RIGHT_WITHIN`` of it at most, where its error has a
    Laplace distribution with ``CONFIDENCE_MARGIN`` times the standard deviation ``depth_std``;
    both in metres, of one shape."""
    relative = CONFIDENCE_MARGIN * np.maximum(depth_std, 1e-9) / np.maximum(depth, 1e-9)
    return (1 - np.exp(-np.sqrt(2) * RIGHT_WITHIN / relative)).astype(np.float32)


@dataclass(frozen=True)
class PointCloud:
    """Points in the world frame."""

    #: (N, 3) float32 metres
    points: np.ndarray
    #: (N, 3) uint8
    colours: np.ndarray
    #: (N,) uint8 class ids
    labels: np.ndarray
    #: (N,) float32 in [0, 1]
    confidence: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    @staticmethod
    def empty() -> "PointCloud":
        return PointCloud(points=np.zeros((0, 3), np.float32), colours=np.zeros((0, 3), np.uint8),
                          labels=np.zeros(0, np.uint8), confidence=np.zeros(0, np.float32))


@dataclass(frozen=True)
class FusedCloud:
    """The fused points of the map in chunks of space.  A chunk that does not change stays the
    same object from one snapshot to the next; none is empty.

    ``points`` and the other arrays are those of all chunks, put together at the first access.
    """

    chunks: Mapping[int, PointCloud] = field(default_factory=dict)

    @staticmethod
    def of(cloud: PointCloud) -> "FusedCloud":
        """A cloud in one chunk."""
        return FusedCloud({0: cloud} if len(cloud) else {})

    def __len__(self) -> int:
        return sum(len(chunk) for chunk in self.chunks.values())

    @property
    def points(self) -> np.ndarray:
        """(N, 3) float32 metres"""
        return self._whole.points

    @property
    def colours(self) -> np.ndarray:
        """(N, 3) uint8"""
        return self._whole.colours

    @property
    def labels(self) -> np.ndarray:
        """(N,) uint8 class ids"""
        return self._whole.labels

    @property
    def confidence(self) -> np.ndarray:
        """(N,) float32 in [0, 1]"""
        return self._whole.confidence

    @cached_property
    def _whole(self) -> PointCloud:
        # the empty one gives shapes and types where there is no chunk
        chunks = [PointCloud.empty(), *self.chunks.values()]
        return PointCloud(points=np.concatenate([chunk.points for chunk in chunks]),
                          colours=np.concatenate([chunk.colours for chunk in chunks]),
                          labels=np.concatenate([chunk.labels for chunk in chunks]),
                          confidence=np.concatenate([chunk.confidence for chunk in chunks]))


@dataclass(frozen=True)
class LiveView:
    """The newest tracked frame, with the map's depth and labels seen from it."""

    frame_index: int
    timestamp: float
    #: (4, 4) float64; the last known pose while lost
    T_world_cam: np.ndarray
    camera: PinholeCamera
    #: (H, W, 3) uint8
    image: np.ndarray
    #: (H, W) float32 metres, 0 where nothing is known
    depth: np.ndarray
    #: (H, W) uint8, VOID where nothing is known
    labels: np.ndarray
    lost: bool = False


@dataclass(frozen=True)
class Snapshot:
    """Everything there is to show at one moment."""

    #: grows with every change of the keyframes or the cloud
    version: int
    classes: ClassSet
    keyframes: tuple[KeyframeView, ...] = ()
    cloud: FusedCloud = field(default_factory=FusedCloud)
    #: (N, 4, 4) float64 poses T_world_cam of the tracked frames, in order
    trajectory: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 4)))
    #: (N,) float64 seconds of the poses; empty where they are not known
    timestamps: np.ndarray = field(default_factory=lambda: np.zeros(0))
    #: frame indices of the older and the newer keyframe of each closed loop
    loops: tuple[tuple[int, int], ...] = ()
    #: first and last frame index of each uninterrupted loss of the pose
    losses: tuple[tuple[int, int], ...] = ()
    live: LiveView | None = None
