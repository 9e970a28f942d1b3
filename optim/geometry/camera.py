"""Pinhole camera: projection and back-projection with Jacobians, resize, crop, distortion."""

from dataclasses import dataclass, replace
from math import isfinite

import torch
from torch import Tensor

#: Landmarks nearer than this (metres) to the image plane are not projected.
MIN_DEPTH = 1e-3


@dataclass(frozen=True)
class PinholeCamera:
    """``u = fx x/z + cx``, ``v = fy y/z + cy``; pixel centres at integers.

    ``distortion`` is OpenCV's (k1, k2, p1, p2, k3), zeros for an ideal camera;
    projection here is ideal, and images are undistorted once, at the source.

    Raises ``ValueError`` for a focal length or a size that no camera has.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)

    def __post_init__(self):
        if not all(isfinite(v) for v in (self.fx, self.fy, self.cx, self.cy, *self.distortion)):
            raise ValueError(f"camera parameters must be finite numbers, got {self}")
        if self.width < 2 or self.height < 2:
            raise ValueError(f"image size must be at least 2x2, got {self.width}x{self.height}")
        largest = max(self.width, self.height)
        if not 0.1 * largest < min(self.fx, self.fy) or not max(self.fx, self.fy) < 20 * largest:
            raise ValueError(
                f"focal length {self.fx:g}, {self.fy:g} px is impossible for a "
                f"{self.width}x{self.height} image; expected 0.1 to 20 times its longer side")
        if len(self.distortion) != 5:
            raise ValueError(f"distortion needs k1, k2, p1, p2, k3; got {self.distortion}")

    @property
    def focal(self) -> float:
        """Mean focal length in pixels."""
        return 0.5 * (self.fx + self.fy)

    @property
    def is_distorted(self) -> bool:
        return any(k != 0 for k in self.distortion)

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

    def undistorted(self) -> "PinholeCamera":
        """The ideal camera with the same matrix."""
        return replace(self, distortion=(0.0,) * 5)

    def pixel_grid(self, dtype=torch.float32, device=None) -> Tensor:
        """All pixel centres (H*W, 2) as (u, v), row by row."""
        v, u = torch.meshgrid(torch.arange(self.height, dtype=dtype, device=device),
                              torch.arange(self.width, dtype=dtype, device=device), indexing="ij")
        return torch.stack([u, v], -1).reshape(-1, 2)

    def rays(self, pixels: Tensor) -> Tensor:
        """Landmarks (..., 3) at depth 1 behind pixels (..., 2)."""
        x = (pixels[..., 0] - self.cx) / self.fx
        y = (pixels[..., 1] - self.cy) / self.fy
        return torch.stack([x, y, torch.ones_like(x)], -1)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Camera points (..., 3) to pixels (..., 2), and ``pixel_J_x`` (..., 2, 3).

        Landmarks at or behind the image plane are divided by ``MIN_DEPTH`` instead of
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
        """Ideal rays (..., 3) to the pixels (..., 2) where the real lens images them
        (Brown-Conrady, as in OpenCV)."""
        k1, k2, p1, p2, k3 = self.distortion
        x, y = rays[..., 0] / rays[..., 2], rays[..., 1] / rays[..., 2]
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        return torch.stack([self.fx * xd + self.cx, self.fy * yd + self.cy], -1)

    def undistortion_map(self) -> Tensor:
        """For each pixel of the ideal image, where to look in the real one: (H, W, 2)."""
        grid = self.pixel_grid(dtype=torch.float64)
        return self.distort(self.rays(grid)).reshape(self.height, self.width, 2)
