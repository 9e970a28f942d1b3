"""The polygons of one keyframe."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from scenecode.networks.classes import VOID, ClassSet
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.segmentation.boundaries import Boundaries, trace_boundaries
from scenecode.optim.segmentation.planes import fit_planes, plane_values, road_plane
from scenecode.optim.segmentation.simplification import simplified
from scenecode.optim.segmentation.snic import Superpixels, superpixels
from scenecode.slam.polygons.config import PolygonConfig
from scenecode.slam.records.snapshot import KeyframeView

#: Classes without a place, and those whose polygons lie in one plane; in lower case.
SKY_CLASSES = ("sky",)
ROAD_CLASSES = ("road", "floor", "ground")


@dataclass(frozen=True)
class Change:
    """What polygons change of a keyframe's maps."""

    #: pixels whose label is known, and those of them that have another one after the polygons
    #: are drawn
    labelled: int
    relabelled: int
    #: pixels whose depth is known and whose polygon has a plane; sums of the absolute and the
    #: squared difference of their disparities in pixels
    measured: int
    sum_error: float
    sum_squared_error: float


@dataclass(frozen=True)
class KeyframePolygons:
    """K polygons that cover a keyframe's image; those that are in the map are ``kept``."""

    frame_index: int
    #: (4, 4) float64
    T_world_cam: np.ndarray
    camera: PinholeCamera
    #: on the lattice of pixel corners; region k is polygon k
    boundaries: Boundaries
    #: (K, 3) float64: inverse depth (1/m) at pixel (u, v) is ``a u + b v + c``; NaN where unknown
    planes: np.ndarray
    #: (K,) uint8
    labels: np.ndarray
    #: (K, 3) uint8 mean colours
    colours: np.ndarray
    #: (K,) pixels of each superpixel, and those of them beside another one
    sizes: np.ndarray
    boundary_sizes: np.ndarray
    #: (K,) bool
    kept: np.ndarray
    change: Change

    @cached_property
    def rings(self) -> list[list[np.ndarray]]:
        """Of each polygon: its rings on the lattice, the outer one first."""
        return self.boundaries.rings()

    def inverse_depth(self, polygon: int, lattice: np.ndarray) -> np.ndarray:
        """(n,) of lattice points (n, 2) in the plane of a polygon."""
        a, b, c = self.planes[polygon]
        return a * (lattice[:, 0] - 0.5) + b * (lattice[:, 1] - 0.5) + c

    def world(self, polygon: int, lattice: np.ndarray) -> np.ndarray:
        """(n, 3) float64 metres: lattice points (n, 2) in the plane of a polygon."""
        camera = self.camera
        rays = np.stack([(lattice[:, 0] - 0.5 - camera.cx) / camera.fx,
                         (lattice[:, 1] - 0.5 - camera.cy) / camera.fy,
                         np.ones(len(lattice))], 1)
        x = rays / self.inverse_depth(polygon, lattice)[:, None]
        return x @ self.T_world_cam[:3, :3].T + self.T_world_cam[:3, 3]

    @property
    def depth(self) -> np.ndarray:
        """(H, W) float64 metres of the polygons' planes; NaN where there is none."""
        return 1 / plane_values(self.planes, self.boundaries.rasterised())


def polygonise(view: KeyframeView, classes: ClassSet, config: PolygonConfig) -> KeyframePolygons:
    """Superpixels, polygons and planes of a keyframe.

    Kept are polygons that are not sky or unlabelled, have a plane, are no further away than
    ``config.max_depth`` at any vertex, and do not span an edge of depth.
    """
    image, labels, depth = view.image, view.labels, view.depth
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    found = superpixels(
        lab, labels, max(1, round(labels.size / config.superpixel)),
        compactness=config.compactness, label_penalty=config.label_penalty,
        min_region=config.min_region)
    traced = trace_boundaries(found.index)
    inner = np.minimum(traced.left, traced.right) >= 0
    is_one_label = found.labels[traced.left] == found.labels[traced.right]
    bounds = simplified(traced, np.where(is_one_label | ~inner, config.tolerance,
                                         config.label_tolerance))
    inverse = np.divide(1, depth, out=np.zeros(depth.shape), where=depth > 0)
    planes, is_road = _planes(found, inverse, classes, view.camera.focal * config.baseline)
    return KeyframePolygons(
        frame_index=view.frame_index, T_world_cam=np.asarray(view.T_world_cam, np.float64),
        camera=view.camera, boundaries=bounds, planes=planes,
        labels=found.labels.astype(np.uint8), colours=_mean_colours(found, image),
        sizes=found.sizes, boundary_sizes=_boundary_sizes(found),
        kept=_placed(bounds, planes, found.labels, is_road, classes, config),
        change=_change(bounds, planes, found.labels, labels, inverse,
                       view.camera.focal * config.baseline))


def class_ids(classes: ClassSet, names: tuple[str, ...]) -> list[int]:
    """Ids of the classes that have one of the names, in any case."""
    return [n for n, name in enumerate(classes.names) if name.lower() in names]


def _planes(found: Superpixels, inverse: np.ndarray, classes: ClassSet,
            disparity_scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(K, 3) planes, and (K,) whether they are the road's."""
    planes = fit_planes(found.index, len(found), inverse)
    is_road = np.isin(found.labels, class_ids(classes, ROAD_CLASSES))
    pixels = is_road[found.index] & (inverse > 0)
    v, u = np.nonzero(pixels)
    road = road_plane(u, v, inverse[pixels], 1 / disparity_scale)
    if road is None:
        return planes, np.zeros(len(found), bool)
    # road pixels above its horizon keep the planes that were fitted to them
    values = np.full(found.index.shape, np.inf)
    values[pixels] = road[0] * u + road[1] * v + road[2]
    lowest = np.full(len(found), np.inf)
    np.minimum.at(lowest, found.index.ravel(), values.ravel())
    is_road &= np.isfinite(lowest) & (lowest > 0)
    planes[is_road] = road
    return planes, is_road


def _placed(bounds: Boundaries, planes: np.ndarray, labels: np.ndarray, is_road: np.ndarray,
            classes: ClassSet, config: PolygonConfig) -> np.ndarray:
    """(K,) bool: which polygons have a place in the world."""
    low, high = _inverse_depth_range(bounds, planes)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = (low > 0) & (low >= 1 / config.max_depth)
        is_flat = is_road | (high <= config.max_depth_ratio * low)
    left_out = [*class_ids(classes, SKY_CLASSES), VOID]
    if config.mask_moving:
        left_out += classes.moving
    is_seen = ~np.isin(labels, left_out)
    return is_seen & np.isfinite(planes[:, 2]) & near & is_flat


def _inverse_depth_range(bounds: Boundaries, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K,) least and largest inverse depth at the vertices of each polygon."""
    counts = np.diff(bounds.arc_start)
    vertices = np.concatenate([bounds.vertices] * 2)
    region = np.concatenate([np.repeat(bounds.left, counts), np.repeat(bounds.right, counts)])
    vertices, region = vertices[region >= 0], region[region >= 0]
    a, b, c = planes[region].T
    values = a * (vertices[:, 0] - 0.5) + b * (vertices[:, 1] - 0.5) + c
    low, high = np.full(len(planes), np.inf), np.full(len(planes), -np.inf)
    with np.errstate(invalid="ignore"):     # of polygons without a plane
        np.minimum.at(low, region, values)
        np.maximum.at(high, region, values)
    return low, high


def _change(bounds: Boundaries, planes: np.ndarray, polygon_labels: np.ndarray,
            labels: np.ndarray, inverse: np.ndarray, disparity_scale: float) -> Change:
    drawn = bounds.rasterised()
    known = labels != VOID
    fitted = plane_values(planes, drawn)
    measured = (inverse > 0) & np.isfinite(fitted)
    error = np.abs(fitted - inverse)[measured] * disparity_scale
    return Change(labelled=int(known.sum()),
                  relabelled=int((polygon_labels[drawn] != labels)[known].sum()),
                  measured=int(measured.sum()), sum_error=float(error.sum()),
                  sum_squared_error=float((error ** 2).sum()))


def _mean_colours(found: Superpixels, image: np.ndarray) -> np.ndarray:
    sums = [np.bincount(found.index.ravel(), image[..., n].ravel(), len(found)) for n in range(3)]
    return np.rint(np.stack(sums, 1) / found.sizes[:, None]).astype(np.uint8)


def _boundary_sizes(found: Superpixels) -> np.ndarray:
    """(K,) pixels that have a 4-neighbour in another superpixel."""
    padded = np.pad(found.index, 1, mode="edge")
    middle = padded[1:-1, 1:-1]
    is_boundary = (padded[:-2, 1:-1] != middle) | (padded[2:, 1:-1] != middle) \
        | (padded[1:-1, :-2] != middle) | (padded[1:-1, 2:] != middle)
    return np.bincount(found.index[is_boundary], minlength=len(found))
