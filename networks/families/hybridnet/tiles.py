"""Covering an image by square tiles, and joining what a network says about each (section 5.1)."""

import torch
from torch import Tensor


def tile_starts(length: int, tile: int) -> list[int]:
    """Where the fewest tiles that cover ``length`` pixels begin, evenly spaced."""
    count = -(-length // tile)
    return torch.linspace(0, length - tile, count).round().int().tolist()


def tile_corners(width: int, height: int, tile: int) -> list[tuple[int, int]]:
    """(row, column) of the first pixel of each tile."""
    return [(row, column) for row in tile_starts(height, tile)
            for column in tile_starts(width, tile)]


class JoinedTiles:
    """Maps of an image from those of its tiles: where tiles overlap, the labels of the one with
    the highest probability and the mean depth."""

    def __init__(self, classes: int, width: int, height: int, device: torch.device):
        self._logits = torch.zeros(classes, height, width, device=device)
        self._confidence = torch.zeros(height, width, device=device)
        self._depth = torch.zeros(height, width, device=device)
        self._count = torch.zeros(height, width, device=device)

    def add(self, row: int, column: int, logits: Tensor, depth: Tensor) -> None:
        """Logits (C, t, t) and depth (t, t) of the tile whose first pixel is (row, column)."""
        rows, columns = (slice(first, first + length)
                         for first, length in zip((row, column), depth.shape))
        at = (rows, columns)
        confidence = logits.softmax(0).amax(0)
        better = confidence > self._confidence[at]
        self._confidence[at] = confidence.maximum(self._confidence[at])
        inside = self._logits[:, rows, columns]
        inside.copy_(logits.where(better, inside))
        self._depth[at] += depth
        self._count[at] += 1

    def maps(self) -> tuple[Tensor, Tensor]:
        """Logits (C, H, W) and depth (H, W)."""
        return self._logits, self._depth / self._count
