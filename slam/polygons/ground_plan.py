"""A polygon map as GeoJSON of the ground plan."""

from typing import Any

import numpy as np

from scenecode.slam.polygons.polygon_map import PolygonMap

#: Decimals of coordinates: millimetres.
_DECIMALS = 3


def ground_plan(polygons: PolygonMap, T_ground_world: np.ndarray) -> dict[str, Any]:
    """A GeoJSON ``FeatureCollection`` of ``Polygon`` features, as seen from above.

    Coordinates are metres of the ground frame, x to the right, y ahead of the first camera;
    properties: ``class``, ``label``, ``colour`` (#rrggbb as in the image), ``class_colour``,
    ``height_min`` and ``height_max`` over the ground in metres, and ``frame_index`` of the
    keyframe.  Outer rings run counter-clockwise (RFC 7946).
    """
    classes, R, t = polygons.classes, T_ground_world[:3, :3], T_ground_world[:3, 3]
    features = []
    for polygon in polygons.polygons():
        rings = [ring @ R.T + t for ring in polygon.rings]
        heights = rings[0][:, 2]
        features.append({
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [
                _closed(ring[:, :2], is_outer=n == 0) for n, ring in enumerate(rings)]},
            "properties": {
                "class": classes.names[polygon.label], "label": polygon.label,
                "colour": _hex(polygon.colour), "class_colour": _hex(
                    classes.colours[polygon.label]),
                "height_min": round(float(heights.min()), _DECIMALS),
                "height_max": round(float(heights.max()), _DECIMALS),
                "frame_index": polygon.frame_index}})
    return {"type": "FeatureCollection", "features": features}


def _closed(ring: np.ndarray, is_outer: bool) -> list[list[float]]:
    x, y = ring.T
    area = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum()
    if (area < 0) == is_outer:
        ring = ring[::-1]
    return np.concatenate([ring, ring[:1]]).round(_DECIMALS).tolist()


def _hex(colour) -> str:
    return "#" + "".join(f"{int(value):02x}" for value in colour)
