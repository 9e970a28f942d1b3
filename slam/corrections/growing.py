"""The region that a click means: the part of a surface that looks alike and has one label."""

from dataclasses import dataclass

import cv2
import numpy as np

from scenecode.optim.imaging.neighbours import neighbour_regions
from scenecode.slam.corrections.regions import Region
from scenecode.slam.records.snapshot import KeyframeView

#: Difference of colour (0-255, each channel) from the surroundings of the click at most.
COLOUR_TOLERANCE = 32
#: Relative step of depth between neighbouring pixels that separates two surfaces.
DEPTH_STEP = 0.04
#: Radius in pixels of the disc that is taken at least, and of the blur of colours.
LEAST_RADIUS, _BLUR = 4.0, 5


@dataclass(frozen=True)
class Surroundings:
    """What the region around a pixel is grown on; arrays of a keyframe (H, W)."""

    #: (H, W, 3) uint8
    image: np.ndarray
    depth: np.ndarray
    labels: np.ndarray

    @staticmethod
    def of(view: KeyframeView) -> "Surroundings":
        return Surroundings(image=view.image, depth=view.depth, labels=view.labels)


def grow(around: Surroundings, at: tuple[float, float]) -> Region:
    """The pixels that are connected with ``at`` (u, v) by pixels of the same label and similar
    colour, without a step of depth; with the disc of ``LEAST_RADIUS`` around it."""
    height, width = around.labels.shape
    u, v = (int(round(x)) for x in at)
    blocked = np.zeros((height + 2, width + 2), np.uint8)
    inside = blocked[1:-1, 1:-1]
    inside[around.labels != around.labels[v, u]] = 1
    inside[_depth_edges(around.depth)] = 1
    inside[v, u] = 0
    blurred = cv2.medianBlur(around.image, _BLUR)
    tolerance = (COLOUR_TOLERANCE,) * 3
    cv2.floodFill(np.ascontiguousarray(blurred), blocked, (u, v), (0, 0, 0), tolerance, tolerance,
                  4 | 255 << 8 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY)
    grown = (inside == 255).astype(np.uint8)
    # pixels at edges and of noise, which the fill leaves out, belong to it
    closed = cv2.morphologyEx(grown, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    disc = Region.disc(at, LEAST_RADIUS, width, height).mask
    same = around.labels == around.labels[v, u]
    return Region.of_mask((closed | disc) & same)


def _depth_edges(depth: np.ndarray) -> np.ndarray:
    edges = np.zeros(depth.shape, bool)
    log_depth = np.log(np.maximum(depth, 1e-6))
    for here, there in (neighbour_regions(1, 0), neighbour_regions(0, 1)):
        edges[here] |= np.abs(log_depth[there] - log_depth[here]) > DEPTH_STEP
    return edges
