"""Numbers to colours: depth, class and confidence."""

import cv2
import numpy as np

from networks.classes import ClassSet
from slam.snapshot import PointCloud

#: What a map can be coloured by, in the order offered.
COLOUR_MODES = ("image", "class", "confidence")
#: Depth in metres at the two ends of the depth colours, so that a colour means the
#: same distance in every frame.
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


def cloud_colours(cloud: PointCloud, classes: ClassSet, mode: str) -> np.ndarray:
    """(N, 3) uint8 colours of the points by one of ``COLOUR_MODES``; confidence runs
    from dark violet (0) to yellow (1)."""
    if mode == "image":
        return cloud.colours
    if mode == "class":
        return classes.paint(cloud.labels)
    return _ramp(cloud.confidence[:, None], cv2.COLORMAP_VIRIDIS)[:, 0]


def _ramp(values: np.ndarray, colour_map: int) -> np.ndarray:
    """(H, W) values in 0..1 to (H, W, 3) uint8 RGB."""
    levels = np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, colour_map), cv2.COLOR_BGR2RGB)
