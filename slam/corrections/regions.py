"""Regions of pixels of one image."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np


@dataclass(frozen=True)
class Region:
    """Some pixels of an image (height, width)."""

    width: int
    height: int
    #: lengths of the runs of pixels outside and inside in turn, row by row, the first one outside
    runs: tuple[int, ...]

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1 or min(self.runs, default=0) < 0 \
                or sum(self.runs) != self.width * self.height:
            raise ValueError(f"the runs of a region do not fill {self.width}x{self.height} pixels")

    @staticmethod
    def of_mask(mask: np.ndarray) -> "Region":
        """Of the pixels where ``mask`` (H, W) is true."""
        flat = np.concatenate([[False], np.asarray(mask, bool).ravel()])
        ends = np.flatnonzero(flat[1:] != flat[:-1])
        runs = np.diff(np.concatenate([[0], ends, [mask.size]]))
        return Region(width=mask.shape[1], height=mask.shape[0], runs=tuple(runs.tolist()))

    @staticmethod
    def disc(at: tuple[float, float], radius: float, width: int, height: int) -> "Region":
        """Pixels whose centre is not further than ``radius`` from a pixel (u, v)."""
        v, u = np.mgrid[:height, :width]
        return Region.of_mask(np.hypot(u - at[0], v - at[1]) <= radius)

    @staticmethod
    def polygon(corners: Sequence[tuple[float, float]], width: int, height: int) -> "Region":
        """Pixels inside a polygon of corners (u, v), with its border."""
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [np.rint(np.asarray(corners, np.float64)).astype(np.int32)], 1)
        return Region.of_mask(mask)

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool"""
        flat = np.zeros(self.width * self.height, bool)
        ends = [*accumulate(self.runs)]
        for start, end in zip(ends[::2], ends[1::2]):
            flat[start:end] = True
        return flat.reshape(self.height, self.width)

    def __len__(self) -> int:
        return sum(self.runs[1::2])
