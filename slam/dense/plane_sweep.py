"""Plane sweep around a known depth: how well the images of other views fit at other depths.

Hypotheses are multiples of the depth that a pixel has already, so that all of them keep its
surface's slant and the windows of the comparison stay in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera

#: Side of the window of the correlation, pixels.
WINDOW = 5
#: Standard deviation of intensity (0-1) below which a window has no texture to compare.
NOISE = 0.006
#: Cost of a window that does not correlate at all.
MAX_COST = 1.0


@dataclass(frozen=True)
class SweepView:
    """An image to compare with the reference image."""

    #: (H, W) float32 intensity in [0, 1]
    intensity: np.ndarray
    camera: PinholeCamera
    #: (4, 4) from the reference camera to this one
    T_view_ref: np.ndarray


def matching_costs(intensity: np.ndarray, camera: PinholeCamera, depth: np.ndarray,
                   views: list[SweepView], log_factors: np.ndarray) -> Iterator[np.ndarray]:
    """N times (H, W) float32 in [0, MAX_COST]: of depths ``depth * exp(log_factors)`` the mean
    over the views of one minus the zero-mean normalised cross-correlation of windows.

    ``intensity`` (H, W) in [0, 1] and ``depth`` (H, W) in metres are of the reference
    ``camera``, ``log_factors`` (N,).  A view counts where the point falls into it; where none
    counts, the cost is ``MAX_COST``.
    """
    own = _Windows(intensity.astype(np.float32))
    height, width = depth.shape
    points = _points(camera, depth)
    projections = [_Projection.of(view, points) for view in views]
    for factor in np.exp(log_factors):
        total, count = np.zeros((2, height, width), np.float32)
        for view, projection in zip(views, projections, strict=True):
            x, y, seen = projection.pixels(np.float32(factor))
            warped = cv2.remap(view.intensity, x, y, cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_REPLICATE)
            total += np.where(seen, own.cost(warped), 0)
            count += seen
        yield np.where(count > 0, total / np.maximum(count, 1), np.float32(MAX_COST))


class _Windows:
    """The windows of an image, to be correlated with those of others."""

    def __init__(self, image: np.ndarray):
        self._image, self._mean = image, _box(image)
        self._inverse_std = 1 / np.sqrt(_variance(image, self._mean))

    def cost(self, other: np.ndarray) -> np.ndarray:
        """(H, W) of an image (H, W) at the same pixels."""
        mean = _box(other)
        covariance = _box(self._image * other) - self._mean * mean
        correlation = covariance * self._inverse_std / np.sqrt(_variance(other, mean))
        return np.minimum(1 - correlation, np.float32(MAX_COST))


def _box(image: np.ndarray) -> np.ndarray:
    return cv2.boxFilter(image, -1, (WINDOW, WINDOW), borderType=cv2.BORDER_REFLECT)


def _variance(image: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(H, W) of the windows, and that of noise."""
    return np.maximum(_box(image * image) - mean * mean, 0) + np.float32(NOISE ** 2)


@dataclass(frozen=True)
class _Projection:
    """How points, moved along their rays, project into a view: (H, W) arrays of homogeneous
    pixels at the known depth, and the part that does not depend on it."""

    at_depth: np.ndarray
    offset: np.ndarray
    width: int
    height: int

    @staticmethod
    def of(view: SweepView, points: np.ndarray) -> "_Projection":
        """Of points (3, H, W) of the reference camera."""
        c = view.camera
        K = np.array([[c.fx, 0, c.cx], [0, c.fy, c.cy], [0, 0, 1]])
        turned = np.tensordot(K @ view.T_view_ref[:3, :3], points, 1)
        return _Projection(at_depth=turned.astype(np.float32),
                           offset=(K @ view.T_view_ref[:3, 3]).astype(np.float32),
                           width=c.width, height=c.height)

    def pixels(self, factor: np.float32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns, rows (H, W) float32 at so many times the depth, and whether they are in the
        image and in front of it."""
        z = self.at_depth[2] * factor + self.offset[2]
        inverse = 1 / np.maximum(z, np.float32(MIN_DEPTH))
        x = (self.at_depth[0] * factor + self.offset[0]) * inverse
        y = (self.at_depth[1] * factor + self.offset[1]) * inverse
        seen = (z > MIN_DEPTH) & (x >= 0) & (x <= self.width - 1) & (y >= 0) \
            & (y <= self.height - 1)
        return x, y, seen


def _points(camera: PinholeCamera, depth: np.ndarray) -> np.ndarray:
    """(3, H, W) in the frame of the camera."""
    rays = camera.rays(camera.pixel_grid()).numpy().reshape(*depth.shape, 3)
    return np.moveaxis(rays * depth[..., None], -1, 0)
