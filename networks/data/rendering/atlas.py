"""All textures of a scene at all mip levels in one image, and look-ups in it."""

import numpy as np

#: side of every texture, pixels
TEXTURE_SIZE = 128
#: mip levels kept: 128 down to 2 pixels
LEVELS = 7


def mip_atlas(textures: list[np.ndarray]) -> np.ndarray:
    """All textures at all levels in one image (rows, T * (S + 2), 3) float32.

    A texture is a column; its level l starts at row ``level_rows()[l]``; each level has a
    border of one pixel, wrapped around, so that bilinear look-ups tile.
    """
    rows = level_rows()
    atlas = np.zeros((rows[-1], len(textures) * (TEXTURE_SIZE + 2), 3), np.float32)
    for index, level in enumerate(textures):
        left = index * (TEXTURE_SIZE + 2)
        for k in range(LEVELS):
            size = len(level)
            atlas[rows[k]:rows[k] + size + 2, left:left + size + 2] = np.pad(
                level, ((1, 1), (1, 1), (0, 0)), mode="wrap")
            level = level.reshape(size // 2, 2, size // 2, 2, 3).mean((1, 3))
    return atlas


def level_rows() -> np.ndarray:
    """First atlas row of each level, and the total number of rows last."""
    return np.concatenate([[0], np.cumsum([(TEXTURE_SIZE >> k) + 2 for k in range(LEVELS)])])
