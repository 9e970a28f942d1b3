"""What the map's points are coloured by."""

import numpy as np

from scenecode.core.colours import amount_colours
from scenecode.networks.classes import ClassSet
from scenecode.slam.records.snapshot import PointCloud

#: What a map can be coloured by, in the order offered.
COLOUR_MODES = ("image", "class", "confidence")


def cloud_colours(cloud: PointCloud, classes: ClassSet, mode: str) -> np.ndarray:
    """(N, 3) uint8 colours of the points by one of ``COLOUR_MODES``; confidence runs
    from dark violet (0) to yellow (1)."""
    if mode == "image":
        return cloud.colours
    if mode == "class":
        return classes.paint(cloud.labels)
    return amount_colours(cloud.confidence[:, None])[:, 0]
