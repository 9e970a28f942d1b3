"""Refinement of depth by superpixels: a plane for each, one for all of the road ("Twins",
section III-B)."""

import cv2
import numpy as np

from scenecode.optim.segmentation.planes import fit_planes, plane_values, road_plane
from scenecode.optim.segmentation.snic import superpixels

#: Classes whose pixels lie in one plane.
ROAD_CLASSES = ("road", "floor")


def refined_disparity(image: np.ndarray, labels: np.ndarray, disparity: np.ndarray,
                      road: tuple[int, ...]) -> np.ndarray:
    """(H, W) float64 disparity in pixels, planar in each superpixel.

    ``image`` (H, W, 3) uint8 RGB, ``labels`` (H, W) uint8, ``disparity`` (H, W) positive, of
    which each superpixel keeps the range; ``road`` are the ids of ``ROAD_CLASSES``.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    found = superpixels(lab, labels)
    planes = fit_planes(found.index, len(found), disparity)
    low, high = np.full(len(found), np.inf), np.full(len(found), -np.inf)
    np.minimum.at(low, found.index, disparity)
    np.maximum.at(high, found.index, disparity)
    planar = np.clip(plane_values(planes, found.index), low[found.index], high[found.index])
    is_road = np.isin(labels, road)
    v, u = np.nonzero(is_road)
    plane = road_plane(u, v, disparity[is_road])
    if plane is not None:
        on_plane = np.isin(found.labels, road)[found.index]
        values = plane_values(plane[None], np.zeros(labels.shape, int))
        planar = np.where(on_plane & (values > 0), values, planar)
    return planar
