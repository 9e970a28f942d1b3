"""Frozen views of the map for those who only look: viewer, export, report.

A snapshot shares no memory with the live system, so that a reader needs no lock.
"""

from dataclasses import dataclass, field

import numpy as np

from scenecode.networks.classes import ClassSet
from scenecode.optim.geometry.camera import PinholeCamera


@dataclass(frozen=True)
class KeyframeView:
    """A keyframe as it stands: arrays are (H, W) at network size."""

    #: index of the frame it was made from
    frame_index: int
    timestamp: float
    #: (4, 4) float64
    T_world_cam: np.ndarray
    camera: PinholeCamera
    #: (H, W, 3) uint8
    image: np.ndarray
    #: (H, W) float32 metres
    depth: np.ndarray
    #: (H, W) float32, standard deviation of depth in metres
    depth_std: np.ndarray
    #: (H, W) uint8 class ids
    labels: np.ndarray
    #: (H, W) float32, probability of the label
    confidence: np.ndarray


@dataclass(frozen=True)
class PointCloud:
    """Fused points in the world frame."""

    #: (N, 3) float32 metres
    points: np.ndarray
    #: (N, 3) uint8
    colours: np.ndarray
    #: (N,) uint8 class ids
    labels: np.ndarray
    #: (N,) float32 in [0, 1]
    confidence: np.ndarray

    @staticmethod
    def empty() -> "PointCloud":
        return PointCloud(points=np.zeros((0, 3), np.float32), colours=np.zeros((0, 3), np.uint8),
                          labels=np.zeros(0, np.uint8), confidence=np.zeros(0, np.float32))


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
    cloud: PointCloud = field(default_factory=PointCloud.empty)
    #: (N, 4, 4) float64 poses T_world_cam of the tracked frames, in order
    trajectory: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 4)))
    live: LiveView | None = None
