"""The one way from an original image to network size: undistort, crop, resize, camera in step."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.errors import SourceError
from scenecode.networks.data.base.images import image_tensor, resample_area, resample_nearest
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame, GroundTruth

#: Step by which the crop shrinks while it still shows what the lens never saw.
_CROP_STEP = 0.01
#: A crop smaller than this part of the image means that the distortion is wrong.
_SMALLEST_CROP = 0.3


@dataclass(frozen=True)
class RawTruth:
    """Known facts about an original image, before undistortion; any may be absent."""

    #: (4, 4) float64
    T_world_cam: np.ndarray | None = None
    #: (h, w) float32, z in metres, 0 where unknown; any size that covers the image's view
    depth: np.ndarray | None = None
    #: (h, w) uint8 class ids
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class Rectifier:
    """Built once per source for its original camera; see ``for_camera``."""

    #: the original camera, with its distortion
    original: PinholeCamera
    #: the ideal camera of the frames given out
    camera: PinholeCamera
    #: central crop (left, top, width, height) of the undistorted original
    box: tuple[int, int, int, int]
    #: (H, W, 2) float32, where to look in the original; None for an ideal lens
    lookup: np.ndarray | None

    @staticmethod
    def for_camera(original: PinholeCamera, width: int, height: int) -> "Rectifier":
        """Frames of ``width`` x ``height`` from images of ``original``.

        The crop is the largest central one of the wanted shape in which every pixel was seen
        by the lens.  Raises ``SourceError`` when the distortion leaves hardly any.
        """
        lookup = original.undistortion_map().numpy() if original.is_distorted else None
        box = _central_crop(original, lookup, width / height)
        camera = original.undistorted().cropped(*box).resized(width, height)
        return Rectifier(original, camera, box,
                           None if lookup is None else lookup.astype(np.float32))

    def fits(self, image: np.ndarray) -> bool:
        """True when an (H, W, ...) array has the original's size."""
        return image.shape[:2] == (self.original.height, self.original.width)

    def image(self, rgb: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 to (3, height, width) float32 in [0, 1]."""
        if self.lookup is not None:
            rgb = cv2.remap(rgb, self.lookup, None, cv2.INTER_LINEAR)
        return image_tensor(resample_area(rgb, self.box, self.camera.width, self.camera.height))

    def nearest(self, values: np.ndarray) -> Tensor:
        """Depth or labels (h, w) to (height, width), values taken over unmixed."""
        size = (self.original.width, self.original.height)
        if self.lookup is not None:
            if (values.shape[1], values.shape[0]) != size:
                values = resample_nearest(values, (0, 0, values.shape[1], values.shape[0]), *size)
            values = cv2.remap(values, self.lookup, None, cv2.INTER_NEAREST)
        values = resample_nearest(values, self.box, self.camera.width, self.camera.height, size)
        return torch.from_numpy(np.ascontiguousarray(values))

    def frame(self, index: int, timestamp: float, rgb: np.ndarray,
              truth: RawTruth | None = None) -> Frame:
        """A frame from an original image (H, W, 3) and what is known about it."""
        return Frame(index, timestamp, self.image(rgb), self.camera, self._truth(truth))

    def _truth(self, raw: RawTruth | None) -> GroundTruth | None:
        if raw is None or all(v is None for v in (raw.T_world_cam, raw.depth, raw.labels)):
            return None
        return GroundTruth(
            T_world_cam=None if raw.T_world_cam is None else torch.from_numpy(raw.T_world_cam),
            depth=None if raw.depth is None else self.nearest(raw.depth),
            labels=None if raw.labels is None else self.nearest(raw.labels))


def _central_crop(camera: PinholeCamera, lookup: np.ndarray | None,
                  aspect: float) -> tuple[int, int, int, int]:
    W, H = camera.width, camera.height
    unseen = None if lookup is None else ~(
        (lookup[..., 0] >= 0) & (lookup[..., 0] <= W - 1)
        & (lookup[..., 1] >= 0) & (lookup[..., 1] <= H - 1))
    for part in np.arange(1.0, _SMALLEST_CROP, -_CROP_STEP):
        width = round(part * min(W, H * aspect))
        height = round(part * min(H, W / aspect))
        left, top = (W - width) // 2, (H - height) // 2
        if unseen is None or not unseen[top:top + height, left:left + width].any():
            return left, top, width, height
    raise SourceError(f"distortion {camera.distortion} leaves no part of the {W}x{H} image that "
                      "the lens saw; check the order k1, k2, p1, p2, k3")
