"""Pinhole camera: projection and back-projection with Jacobians, resize, crop, turn."""

from dataclasses import dataclass, replace
from math import atan, degrees, isfinite

import torch
from torch import Tensor

from scenecode.optim.geometry.distortion import BrownConrady, DistortionModel

#: Points nearer than this (metres) to the image plane are not projected.
MIN_DEPTH = 1e-3
#: Samples of the angle between the optical axis and the edge of the image.
_ANGLES = 4096


@dataclass(frozen=True)
class PinholeCamera:
    """``u = fx x/z + cx``, ``v = fy y/z + cy``; pixel centres at integers.

    ``distortion`` is that of the lens, none by default.  ``project``, ``rays`` and
    ``backproject`` are ideal: images are undistorted once, at the source, by ``distort``.

    Raises ``ValueError`` for a focal length or a size that no camera has.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion: DistortionModel = BrownConrady()

    def __post_init__(self):
        if not all(isfinite(v) for v in (self.fx, self.fy, self.cx, self.cy)):
            raise ValueError(f"camera parameters must be finite numbers, got {self}")
        if self.width < 2 or self.height < 2:
            raise ValueError(f"image size must be at least 2x2, got {self.width}x{self.height}")
        largest = max(self.width, self.height)
        if not 0.1 * largest < min(self.fx, self.fy) or not max(self.fx, self.fy) < 20 * largest:
            raise ValueError(
                f"focal length {self.fx:g}, {self.fy:g} px is impossible for a "
                f"{self.width}x{self.height} image; expected 0.1 to 20 times its longer side")

    @staticmethod
    def centred(focal: float, width: int, height: int) -> "PinholeCamera":
        """Square pixels, the principal point in the middle of the image."""
        return PinholeCamera(fx=focal, fy=focal, cx=(width - 1) / 2, cy=(height - 1) / 2,
                             width=width, height=height)

    @property
    def focal(self) -> float:
        """Mean focal length in pixels."""
        return 0.5 * (self.fx + self.fy)

    @property
    def is_distorted(self) -> bool:
        return not self.distortion.is_identity

    @property
    def horizontal_view_deg(self) -> float:
        """Degrees between the rays of the outermost pixel centres in the principal point's row,
        through the lens."""
        return self._view_deg(self.cx) + self._view_deg(self.width - 1 - self.cx)

    def _view_deg(self, pixels: float) -> float:
        """Degrees from the optical axis to a point so many pixels from the principal point."""
        if not self.is_distorted:
            return degrees(atan(pixels / self.fx))
        angle = torch.linspace(0, self.distortion.largest_angle, _ANGLES, dtype=torch.float64)
        rays = torch.stack([angle.sin(), torch.zeros_like(angle), angle.cos()], -1)
        inside = self.fx * self.distortion.distort(rays)[:, 0] <= max(pixels, 0.0)
        return degrees(float(angle[inside][-1]))

    def resized(self, width: int, height: int) -> "PinholeCamera":
        """The camera of the same view resampled to another size (pixel areas kept)."""
        sx, sy = width / self.width, height / self.height
        return replace(self, fx=self.fx * sx, fy=self.fy * sy, cx=(self.cx + 0.5) * sx - 0.5,
                       cy=(self.cy + 0.5) * sy - 0.5, width=width, height=height)

    def cropped(self, left: int, top: int, width: int, height: int) -> "PinholeCamera":
        """The camera of a window of the image; the window must lie inside."""
        if left < 0 or top < 0 or left + width > self.width or top + height > self.height:
            raise ValueError(f"crop {width}x{height}+{left}+{top} leaves the "
                             f"{self.width}x{self.height} image")
        return replace(self, cx=self.cx - left, cy=self.cy - top, width=width, height=height)

    def turned(self, quarter_turns: int) -> "PinholeCamera":
        """The camera of the image turned clockwise so many times by 90 degrees."""
        camera = self
        for _ in range(quarter_turns % 4):
            camera = replace(camera, fx=camera.fy, fy=camera.fx, cx=camera.height - 1 - camera.cy,
                             cy=camera.cx, width=camera.height, height=camera.width,
                             distortion=camera.distortion.turned(1))
        return camera

    def undistorted(self) -> "PinholeCamera":
        """The ideal camera with the same matrix."""
        return replace(self, distortion=BrownConrady())

    def pixel_grid(self, dtype=torch.float32, device=None) -> Tensor:
        """All pixel centres (H*W, 2) as (u, v), row by row."""
        v, u = torch.meshgrid(torch.arange(self.height, dtype=dtype, device=device),
                              torch.arange(self.width, dtype=dtype, device=device), indexing="ij")
        return torch.stack([u, v], -1).reshape(-1, 2)

    def rays(self, pixels: Tensor) -> Tensor:
        """Points (..., 3) at depth 1 behind pixels (..., 2)."""
        x = (pixels[..., 0] - self.cx) / self.fx
        y = (pixels[..., 1] - self.cy) / self.fy
        return torch.stack([x, y, torch.ones_like(x)], -1)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Camera points (..., 3) to pixels (..., 2), and ``pixel_J_x`` (..., 2, 3).

        Points at or behind the image plane are divided by ``MIN_DEPTH`` instead of
        their depth: finite, and masked out by the caller through their z.
        """
        z = x[..., 2].clamp(min=MIN_DEPTH)
        inv = 1 / z
        a, b = x[..., 0] * inv, x[..., 1] * inv
        pixels = torch.stack([self.fx * a + self.cx, self.fy * b + self.cy], -1)
        zero = torch.zeros_like(z)
        in_front = (x[..., 2] > MIN_DEPTH).to(x.dtype)
        row_u = torch.stack([self.fx * inv, zero, -self.fx * a * inv * in_front], -1)
        row_v = torch.stack([zero, self.fy * inv, -self.fy * b * inv * in_front], -1)
        return pixels, torch.stack([row_u, row_v], -2)

    def backproject(self, pixels: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (..., 2) at depth (...) to camera points (..., 3), and ``x_J_depth`` (..., 3)."""
        rays = self.rays(pixels)
        return rays * depth.unsqueeze(-1), rays

    def distort(self, rays: Tensor) -> Tensor:
        """Rays (..., 3) to the pixels (..., 2) where the real lens images them."""
        x, y = self.distortion.distort(rays).unbind(-1)
        return torch.stack([self.fx * x + self.cx, self.fy * y + self.cy], -1)
