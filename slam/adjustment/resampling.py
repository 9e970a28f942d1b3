"""One image as another camera sees it, where the depth of that one is known."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
from scenecode.optim.imaging import image as imaging


@dataclass(frozen=True)
class Resampling:
    """Where the pixels of a camera A are in the image of a camera B."""

    #: (H, W) float32 columns and rows, and 1 where that is in the image
    columns: np.ndarray
    rows: np.ndarray
    inside: np.ndarray

    @staticmethod
    def of(depth: Tensor, camera: PinholeCamera, other: PinholeCamera,
           T_ba: Tensor) -> "Resampling":
        """Of the pixels of ``camera`` (A) at their depth (H, W) in metres, in ``other`` (B)."""
        x = camera.rays(camera.pixel_grid(dtype=torch.float64)) * depth.double().view(-1, 1)
        x_b = se3.act(T_ba.double(), x)
        pixels, _ = other.project(x_b)
        inside = (x_b[:, 2] > MIN_DEPTH) & imaging.inside(pixels, other.width, other.height)
        columns, rows, seen = (values.float().view(depth.shape).numpy() for values in (
            pixels[:, 0].contiguous(), pixels[:, 1].contiguous(), inside))
        return Resampling(columns=columns, rows=rows, inside=seen)

    def resampled(self, image: np.ndarray) -> np.ndarray:
        """B's image (h, w) as A sees it."""
        return cv2.remap(image, self.columns, self.rows, cv2.INTER_CUBIC,
                         borderMode=cv2.BORDER_REPLICATE)

    def at(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """B's pixels (N, 2) of A's pixels (N, 2), and whether they are in its image (N,)."""
        if not len(pixels):
            return pixels, torch.zeros(0, dtype=torch.bool)
        x, y = (np.ascontiguousarray(values, np.float32) for values in pixels.numpy().T[..., None])
        column, row, inside = (cv2.remap(values, x, y, cv2.INTER_LINEAR)[:, 0]
                               for values in (self.columns, self.rows, self.inside))
        return torch.from_numpy(np.stack([column, row], 1)), torch.from_numpy(inside == 1)
