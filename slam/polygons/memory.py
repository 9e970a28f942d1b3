"""What a polygon map takes, against points and boundary pixels that hold the same."""

from dataclasses import dataclass

import numpy as np

from scenecode.slam.polygons.polygon_map import PolygonMap

#: Bytes: a point (position 12, normal or confidence 4, colour and label 4); a vertex of an arc or
#: a boundary pixel (two coordinates of 16 bits); the plane and the label of a polygon.
POINT, VERTEX, PLANE, LABEL = 20, 4, 12, 1


@dataclass(frozen=True)
class MemoryTable:
    """The polygons of a map and the pixels that they cover, in three forms."""

    polygons: int
    #: vertices of arcs, each arc once
    vertices: int
    points: int
    boundary_pixels: int
    #: share of labelled pixels of all keyframes that have another label as polygons
    label_change: float
    #: mean and root mean square difference of disparities in pixels between planes and depth
    disparity_error_px: float
    disparity_rms_px: float

    @property
    def polygon_bytes(self) -> int:
        return VERTEX * self.vertices + (PLANE + LABEL) * self.polygons

    @property
    def point_bytes(self) -> int:
        return POINT * self.points

    @property
    def boundary_bytes(self) -> int:
        return VERTEX * self.boundary_pixels + (PLANE + LABEL) * self.polygons

    def report(self) -> dict[str, float]:
        """Its part of ``report.json``."""
        return {"polygons": self.polygons, "polygon_bytes": self.polygon_bytes,
                "point_bytes": self.point_bytes, "boundary_bytes": self.boundary_bytes,
                "polygon_label_change": self.label_change,
                "polygon_disparity_error_px": self.disparity_error_px,
                "polygon_disparity_rms_px": self.disparity_rms_px}


def memory_table(polygons: PolygonMap) -> MemoryTable:
    """The table of a map; changes of labels and depth are over all pixels of its keyframes."""
    vertices = points = boundary = 0
    for keyframe in polygons.keyframes:
        bounds, kept = keyframe.boundaries, keyframe.kept
        # beside a polygon of the map; region -1 is outside
        is_used = np.append(kept, False)
        uses = is_used[bounds.left] | is_used[bounds.right]
        vertices += int(np.diff(bounds.arc_start)[uses].sum())
        points += int(keyframe.sizes[kept].sum())
        boundary += int(keyframe.boundary_sizes[kept].sum())
    changes = [keyframe.change for keyframe in polygons.keyframes]
    labelled = max(sum(change.labelled for change in changes), 1)
    measured = max(sum(change.measured for change in changes), 1)
    return MemoryTable(
        polygons=len(polygons), vertices=vertices, points=points, boundary_pixels=boundary,
        label_change=sum(change.relabelled for change in changes) / labelled,
        disparity_error_px=sum(change.sum_error for change in changes) / measured,
        disparity_rms_px=(sum(change.sum_squared_error for change in changes) / measured) ** 0.5)
