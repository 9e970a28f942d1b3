"""The one way from an original image to network size: undistort, crop, resize, camera in step."""

import logging
from dataclasses import dataclass
from math import radians, tan

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.errors import SourceError
from scenecode.core.images import image_tensor, resample_area, resample_nearest
from scenecode.networks.classes import ClassSet
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame, GroundTruth

#: Step by which the crop shrinks while it still shows what the lens never saw.
_CROP_STEP = 0.01
#: A crop smaller than this part of the image means that the distortion is wrong.
_SMALLEST_CROP = 0.3
#: Field of view in degrees along the longer side that is kept of a wide-angle lens, at most: in a
#: pinhole image the edge pixels of a wider one cover little of the scene, and the network was
#: trained on views of about 60 degrees.
_WIDEST_VIEW_DEG = 100.0
#: A view narrower than this of a wide-angle lens means that the distortion is wrong.
_NARROWEST_VIEW_DEG = 20.0
#: Halvings in the search for the widest view; the last one is far below a pixel.
_HALVINGS = 20
#: Points on each side of a view's outline that are tested.
_OUTLINE = 129

#: OpenCV takes both coordinates from the first map where the second one is empty.
_NO_SECOND_MAP = np.empty(0, np.float32)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawTruth:
    """Known facts about an original image, before undistortion; any may be absent."""

    #: (4, 4) float64
    T_world_cam: np.ndarray | None = None
    #: (h, w) float32, z in metres, 0 where unknown; any size that covers the image's view
    depth: np.ndarray | None = None
    #: (h, w) uint8 class ids
    labels: np.ndarray | None = None
    #: what the labels stand for; None: the classes of the network
    classes: ClassSet | None = None


@dataclass(frozen=True)
class Rectifier:
    """Built once per source for its original camera; see ``for_camera``."""

    #: the original camera, with its distortion
    original: PinholeCamera
    #: the ideal camera of the frames given out
    camera: PinholeCamera
    #: central crop (left, top, width, height) of the undistorted image
    box: tuple[int, int, int, int]
    #: (h, w, 2) float32, where in the original each pixel of the undistorted image lies; None for
    #: an ideal lens, whose original is the undistorted image
    lookup: np.ndarray | None
    #: see ``Frame.camera_is_known``
    is_known: bool = False
    #: see ``Frame.camera_height``
    camera_height: float | None = None

    @staticmethod
    def for_camera(original: PinholeCamera, width: int, height: int,
                   is_known: bool = False, camera_height: float | None = None) -> "Rectifier":
        """Frames of ``width`` x ``height`` from images of ``original``.

        The undistorted image has the original's size and camera matrix, and the crop is the
        largest central one of the wanted shape in which every pixel was seen by the lens.  For a
        wide-angle lens it is instead the widest pinhole view around the optical axis that the
        lens fills, at most ``_WIDEST_VIEW_DEG`` wide.

        Raises ``SourceError`` when the distortion leaves hardly any view.
        """
        lookup = None
        if original.distortion.is_wide_angle:
            undistorted = _widest_view(original, width / height)
            lookup, _ = _look_up(original, undistorted)
            box = (0, 0, undistorted.width, undistorted.height)
        else:
            undistorted = original.undistorted()
            seen = None
            if original.is_distorted:
                lookup, seen = _look_up(original, undistorted)
            box = _central_crop(original, seen, width / height)
        camera = undistorted.cropped(*box).resized(width, height)
        if original.is_distorted:
            _log.log(logging.WARNING if original.distortion.is_wide_angle else logging.INFO,
                     "the lens sees %.0f degrees from left to right; the map uses %.0f degrees",
                     original.horizontal_view_deg, camera.horizontal_view_deg)
        return Rectifier(original=original, camera=camera, box=box,
                         lookup=None if lookup is None else lookup.astype(np.float32),
                         is_known=is_known, camera_height=camera_height)

    def fits(self, image: np.ndarray) -> bool:
        """True when an (H, W, ...) array has the original's size."""
        return image.shape[:2] == (self.original.height, self.original.width)

    def image(self, rgb: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 to (3, height, width) float32 in [0, 1]."""
        if self.lookup is not None:
            rgb = cv2.remap(rgb, self.lookup, _NO_SECOND_MAP, cv2.INTER_LINEAR)
        return image_tensor(resample_area(rgb, self.box, self.camera.width, self.camera.height))

    def nearest(self, values: np.ndarray) -> Tensor:
        """Depth or labels (h, w) to (height, width), values taken over without mixing."""
        size = (self.original.width, self.original.height)
        if self.lookup is not None:
            if (values.shape[1], values.shape[0]) != size:
                values = resample_nearest(values, (0, 0, values.shape[1], values.shape[0]), *size)
            values = cv2.remap(values, self.lookup, _NO_SECOND_MAP, cv2.INTER_NEAREST)
            size = (values.shape[1], values.shape[0])
        values = resample_nearest(values, self.box, self.camera.width, self.camera.height, size)
        return torch.from_numpy(np.ascontiguousarray(values))

    def frame(self, index: int, timestamp: float, rgb: np.ndarray,
              truth: RawTruth | None = None) -> Frame:
        """A frame from an original image (H, W, 3) and what is known about it."""
        return Frame(index=index, timestamp=timestamp, image=self.image(rgb), camera=self.camera,
                     truth=self._truth(truth), camera_is_known=self.is_known,
                     camera_height=self.camera_height)

    def _truth(self, raw: RawTruth | None) -> GroundTruth | None:
        if raw is None or all(v is None for v in (raw.T_world_cam, raw.depth, raw.labels)):
            return None
        return GroundTruth(
            T_world_cam=None if raw.T_world_cam is None else torch.from_numpy(raw.T_world_cam),
            depth=None if raw.depth is None else self.nearest(raw.depth),
            labels=None if raw.labels is None else self.nearest(raw.labels), classes=raw.classes)


def _look_up(original: PinholeCamera, undistorted: PinholeCamera) -> tuple[np.ndarray, np.ndarray]:
    """Where in the original each pixel of an ideal camera's image lies, (h, w, 2) float64, and
    which of them the lens saw, (h, w) bool."""
    shape = (undistorted.height, undistorted.width)
    rays = undistorted.rays(undistorted.pixel_grid(torch.float64))
    pixels = original.distort(rays)
    return pixels.reshape(*shape, 2).numpy(), _seen(original, rays, pixels).reshape(shape).numpy()


def _seen(original: PinholeCamera, rays: Tensor, pixels: Tensor) -> Tensor:
    """Which rays (N, 3) fall on the original image, and not by a polynomial that folds back."""
    angle = torch.atan2(rays[:, :2].norm(dim=1), rays[:, 2])
    last = torch.tensor([original.width - 1, original.height - 1])
    inside = ((pixels >= 0) & (pixels <= last)).all(1)
    return inside & (angle <= original.distortion.largest_angle)


def _central_crop(camera: PinholeCamera, seen: np.ndarray | None,
                  aspect: float) -> tuple[int, int, int, int]:
    W, H = camera.width, camera.height
    for part in np.arange(1.0, _SMALLEST_CROP, -_CROP_STEP):
        width = round(part * min(W, H * aspect))
        height = round(part * min(H, W / aspect))
        left, top = (W - width) // 2, (H - height) // 2
        if seen is None or seen[top:top + height, left:left + width].all():
            return left, top, width, height
    raise _hopeless(camera)


def _widest_view(original: PinholeCamera, aspect: float) -> PinholeCamera:
    """The ideal camera of the given aspect ratio around the optical axis that sees as much as the
    lens fills, with about the original's resolution on the axis."""
    side = torch.linspace(-1, 1, _OUTLINE, dtype=torch.float64)
    end = torch.ones_like(side)
    x, y = torch.stack([torch.cat([side, side, end, -end]), torch.cat([end, -end, side, side])])
    outline = torch.stack([x * min(1.0, aspect), y * min(1.0, 1 / aspect)], -1)

    def fills(half: float) -> bool:
        rays = torch.cat([half * outline, torch.ones(len(outline), 1, dtype=torch.float64)], 1)
        return bool(_seen(original, rays, original.distort(rays)).all())

    # half the view's longer side at focal length 1
    low = tan(radians(0.5 * _NARROWEST_VIEW_DEG))
    high = tan(radians(0.5 * _WIDEST_VIEW_DEG))
    if not fills(low):
        raise _hopeless(original)
    if not fills(high):
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if fills(middle) else (low, middle)
        high = low
    longer_side = round(2 * high * original.focal)
    # rounded down, so that the shorter side does not reach beyond the outline
    shorter_side = int(longer_side * min(aspect, 1 / aspect) + 1e-6)
    width, height = (longer_side, shorter_side)[::1 if aspect >= 1 else -1]
    focal = 0.5 * (longer_side - 1) / high
    return PinholeCamera(fx=focal, fy=focal, cx=0.5 * (width - 1), cy=0.5 * (height - 1),
                         width=width, height=height)


def _hopeless(camera: PinholeCamera) -> SourceError:
    return SourceError(f"distortion {camera.distortion} leaves no part of the "
                       f"{camera.width}x{camera.height} image that the lens saw; check the order "
                       "of the coefficients and the lens model")
