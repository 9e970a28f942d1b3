"""Pictures of polygons: of a map from above, and of keyframes."""

from collections.abc import Sequence

import cv2
import numpy as np

from scenecode.core.colours import depth_colours
from scenecode.slam.polygons.keyframe_polygons import KeyframePolygons
from scenecode.slam.polygons.polygon_map import PolygonMap, WorldPolygon
from scenecode.slam.records.ground import ground_axes

#: Size of each of the two map panels, and the number of keyframes below them.
PANEL_WIDTH, PANEL_HEIGHT = 900, 640
SHOWN_KEYFRAMES = 3
#: How steeply the map is looked down upon, degrees.
ELEVATION_DEG = 42.0
#: Percent of the vertices, at either end of each coordinate, that do not set the scale.
_OUTLIERS = 1.0
_BACKGROUND, _PATH_COLOUR, _EDGE_COLOUR = 24, (255, 255, 255), (255, 255, 255)
#: Bits of subpixel coordinates of OpenCV's polygons.
_SHIFT = 4
#: Depth in metres whose colour the median depth of a keyframe has: streets are larger than rooms.
_MEDIAN_DEPTH = 2.0


def polygon_picture(polygons: PolygonMap, path: np.ndarray,
                    images: Sequence[np.ndarray]) -> np.ndarray:
    """(H, W, 3) uint8: filled polygons by image and by class from behind and above, with the
    camera's ``path`` (N, 3), over keyframes: their ``images`` (one for each keyframe) with the
    outlines, the polygons by image, by class, and by depth."""
    top = np.hstack([_map_panel(polygons, path, by_class) for by_class in (False, True)])
    if not polygons.keyframes:
        return top
    chosen = np.linspace(0, len(polygons.keyframes) - 1, SHOWN_KEYFRAMES).round().astype(int)
    columns = [np.vstack(_keyframe_pictures(polygons, polygons.keyframes[n], images[n]))
               for n in np.unique(chosen)]
    strip = np.hstack(columns)
    height = round(strip.shape[0] * top.shape[1] / strip.shape[1])
    return np.vstack([top, cv2.resize(strip, (top.shape[1], height),
                                      interpolation=cv2.INTER_AREA)])


def _keyframe_pictures(polygons: PolygonMap, keyframe: KeyframePolygons,
                       image: np.ndarray) -> list[np.ndarray]:
    index = keyframe.boundaries.rasterised()
    outlined = image.copy()
    for rings in keyframe.rings:
        # from lattice points to pixel centres
        cv2.polylines(outlined, [np.rint((ring - 0.5) * 2 ** _SHIFT).astype(np.int32)
                                 for ring in rings], True, _EDGE_COLOUR, 1, cv2.LINE_AA, _SHIFT)
    by_class = polygons.classes.paint(keyframe.labels[:, None])[:, 0]
    depth = keyframe.depth
    known = depth > 0
    median = float(np.median(depth[known])) if known.any() else 1.0
    return [outlined, keyframe.colours[index], by_class[index],
            depth_colours(_MEDIAN_DEPTH / median * depth)]


def _map_panel(polygons: PolygonMap, path: np.ndarray, by_class: bool) -> np.ndarray:
    """The polygons in parallel projection, the furthest first."""
    panel = np.full((PANEL_HEIGHT, PANEL_WIDTH, 3), _BACKGROUND, np.uint8)
    shown = list(polygons.polygons())
    if not shown:
        return panel
    R = _view_rotation(np.stack([keyframe.T_world_cam for keyframe in polygons.keyframes]))
    seen = np.concatenate([polygon.rings[0] for polygon in shown]) @ R.T
    path = path @ R.T
    low, high = np.percentile(seen[:, :2], [_OUTLIERS, 100 - _OUTLIERS], axis=0)
    corners = np.vstack([low, high, path[:, :2]])
    low, high = corners.min(0), corners.max(0)
    size = np.array([PANEL_WIDTH, PANEL_HEIGHT])
    scale = 0.92 * (size / np.maximum(high - low, 1e-6)).min()

    def place(x: np.ndarray) -> np.ndarray:
        at = (x[:, :2] - (low + high) / 2) * scale + size / 2
        return np.rint(at * 2 ** _SHIFT).clip(-2 ** 20, 2 ** 20).astype(np.int32)

    placed: list[tuple[float, list[np.ndarray], WorldPolygon]] = []
    for polygon in shown:
        rings = [ring @ R.T for ring in polygon.rings]
        placed.append((-float(rings[0][:, 2].mean()), [place(ring) for ring in rings], polygon))
    for _, rings, polygon in sorted(placed, key=lambda entry: entry[0]):
        colour = polygons.classes.colours[polygon.label] if by_class else polygon.colour.tolist()
        cv2.fillPoly(panel, rings, colour, cv2.LINE_8, _SHIFT)
    cv2.polylines(panel, [place(path).reshape(-1, 1, 2)], False, _PATH_COLOUR, 2, cv2.LINE_AA,
                  _SHIFT)
    return panel


def _view_rotation(T_world_cam: np.ndarray) -> np.ndarray:
    """(3, 3) world to picture (right, down, away), looking down by ``ELEVATION_DEG``."""
    right, down, ahead = ground_axes(T_world_cam)
    tilt = np.radians(ELEVATION_DEG)
    away = np.cos(tilt) * ahead + np.sin(tilt) * down
    return np.stack([right, np.cross(away, right), away])
