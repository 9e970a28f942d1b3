"""Refinement of depth by superpixels: a plane for each, one for all of the road ("Twins",
section III-B)."""

import cv2
import numpy as np

from scenecode.optim.segmentation.planes import fit_planes, ransac_plane
from scenecode.optim.segmentation.snic import superpixels

#: Classes whose pixels lie in one plane.
ROAD_CLASSES = ("road", "floor")
#: Pixels of disparity within which a pixel is in the plane of the road, and the share of the
#: road's pixels that must be, for the plane to be used.
ROAD_THRESHOLD, MIN_ROAD = 1.0, 0.3


def refined_disparity(image: np.ndarray, labels: np.ndarray, disparity: np.ndarray,
                      road: tuple[int, ...]) -> np.ndarray:
    """(H, W) float64 disparity in pixels, planar in each superpixel.

    ``image`` (H, W, 3) uint8 RGB, ``labels`` (H, W) uint8, ``disparity`` (H, W) positive, of
    which each superpixel keeps the range; ``road`` are the ids of ``ROAD_CLASSES``.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    found = superpixels(lab, labels)
    planes = fit_planes(found.index, len(found), disparity)
    grid = np.indices(labels.shape)
    v, u = grid[0], grid[1]

    def value(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        return a * u + b * v + c

    low, high = np.full(len(found), np.inf), np.full(len(found), -np.inf)
    np.minimum.at(low, found.index, disparity)
    np.maximum.at(high, found.index, disparity)
    planar = np.clip(value(*planes[found.index].transpose(2, 0, 1)), low[found.index],
                     high[found.index])
    is_road = np.isin(labels, road)
    fitted = ransac_plane(u[is_road], v[is_road], disparity[is_road], ROAD_THRESHOLD)
    if fitted is not None and fitted.inlier_ratio >= MIN_ROAD:
        on_plane = np.isin(found.labels, road)[found.index]
        values = value(*fitted.plane)
        planar = np.where(on_plane & (values > 0), values, planar)
    return planar
