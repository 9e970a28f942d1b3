"""Ground truth of a frame in little memory: images are kept as PNG files."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scenecode.core.images import from_png_bytes, png_bytes
from scenecode.networks.classes import ClassSet
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame, GroundTruth

_MAX_UINT16 = 65535


@dataclass(frozen=True)
class StoredDepth:
    """A depth image in 65535 equal steps up to its largest value; a depth of ``d`` metres at most
    is off by ``d / 131070``."""

    #: 16-bit, 0 where the depth is unknown
    png: bytes
    #: metres
    step: float

    @staticmethod
    def of(depth: Tensor) -> "StoredDepth":
        """Store (H, W) metres, 0 where unknown; what is not finite or negative is unknown, too."""
        metres = np.nan_to_num(depth.detach().cpu().double().numpy(), posinf=0.0).clip(min=0)
        step = float(metres.max(initial=0)) / _MAX_UINT16 or 1.0
        # a depth that is known stays known
        units = np.where(metres > 0, np.rint(metres / step).clip(1, _MAX_UINT16), 0)
        return StoredDepth(png=png_bytes(units.astype(np.uint16)), step=step)

    def tensor(self) -> Tensor:
        """(H, W) float32 metres, 0 where unknown."""
        return torch.from_numpy((from_png_bytes(self.png) * self.step).astype(np.float32))


@dataclass(frozen=True)
class StoredTruth:
    """What is known about a frame, its image and pyramid left out.  Used by evaluation only."""

    #: seconds
    timestamp: float
    camera: PinholeCamera
    #: (4, 4) float64
    T_world_cam: Tensor | None
    depth: StoredDepth | None
    #: PNG of 8-bit class ids
    labels: bytes | None
    #: what they stand for; None: the classes of the network
    classes: ClassSet | None

    @staticmethod
    def of(frame: Frame) -> "StoredTruth | None":
        """The truth of a frame; None where it has none."""
        truth = frame.truth
        if truth is None:
            return None
        return StoredTruth(
            timestamp=frame.timestamp, camera=frame.camera, T_world_cam=truth.T_world_cam,
            depth=None if truth.depth is None else StoredDepth.of(truth.depth),
            labels=None if truth.labels is None else png_bytes(truth.labels.cpu().numpy()),
            classes=truth.classes)

    def restored(self) -> GroundTruth:
        """The truth as tensors; they are decoded at every call."""
        return GroundTruth(
            T_world_cam=self.T_world_cam,
            depth=None if self.depth is None else self.depth.tensor(),
            labels=None if self.labels is None else torch.from_numpy(from_png_bytes(self.labels)),
            classes=self.classes)
