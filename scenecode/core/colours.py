"""Numbers to colours: depth, amounts and influence; the only place that knows colour maps."""

import cv2
import numpy as np

#: Depth in metres at the two ends of the depth colours, so that a colour means the
#: same distance in every picture.
NEAREST, FARTHEST = 0.5, 8.0


def depth_colours(depth: np.ndarray) -> np.ndarray:
    """Depth (H, W) metres to (H, W, 3) uint8, near red to far blue in even ratios;
    black where depth is not positive or not finite."""
    known = np.isfinite(depth) & (depth > 0)
    metres = np.clip(np.where(known, depth, FARTHEST), NEAREST, FARTHEST)
    nearness = np.log(FARTHEST / metres) / np.log(FARTHEST / NEAREST)
    colours = _ramp(nearness, cv2.COLORMAP_TURBO)
    colours[~known] = 0
    return colours


def amount_colours(amounts: np.ndarray) -> np.ndarray:
    """Amounts (H, W), 0 to 1, to (H, W, 3) uint8: dark violet (none) to yellow (all)."""
    return _ramp(amounts, cv2.COLORMAP_VIRIDIS)


def signed_colours(values: np.ndarray) -> np.ndarray:
    """Values (H, W), -1 to 1, to (H, W, 3) uint8: blue (-1), white (0), red (1)."""
    values = np.clip(values, -1, 1)
    fading = 1 - np.abs(values)
    colours = np.stack([np.where(values < 0, fading, 1), fading,
                        np.where(values > 0, fading, 1)], -1)
    return np.round(255 * colours).astype(np.uint8)


def _ramp(values: np.ndarray, colour_map: int) -> np.ndarray:
    """(H, W) values in 0..1 to (H, W, 3) uint8 RGB."""
    levels = np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, colour_map), cv2.COLOR_BGR2RGB)
