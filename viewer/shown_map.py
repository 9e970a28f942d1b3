"""The newest snapshot and what is computed from it once for all pages."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scenecode.slam.records.snapshot import KeyframeView, PointCloud, Snapshot
from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.slam.surface.saved_surface import voxel_edge
from scenecode.slam.surface.surface_map import SurfaceMap
from scenecode.viewer.inspection.class_statistics import (
    ClassStatistics,
    class_statistics,
    point_spacing,
)
from scenecode.viewer.inspection.ground import extent, ground_of
from scenecode.viewer.inspection.keyframe_maps import KeyframeMaps
from scenecode.viewer.inspection.objects import Found, connected_objects
from scenecode.viewer.inspection.point_attributes import AttributeIndex, PointAttributes
from scenecode.viewer.transport.point_chunks import Piece, PieceStore
from scenecode.viewer.transport.surface_pieces import SurfacePiece, SurfacePieces, pieces_of

#: The surface is begun anew with voxels of another size when the depth of keyframes asks for one
#: that differs by more than this factor.
VOXEL_SLACK = 1.25
#: Keyframes that are taken into the surface before it is shown.
SURFACE_KEYFRAMES = 8


@dataclass(frozen=True)
class ShownMap:
    """One version of the map; never changes, so that any thread may read it."""

    snapshot: Snapshot
    pieces: dict[str, Piece]
    #: (4, 4) z up from the floor
    T_ground_world: np.ndarray
    #: the size of the map in the ground frame
    low: np.ndarray
    high: np.ndarray
    #: metres between neighbouring points
    spacing: float

    @cached_property
    def cloud(self) -> PointCloud:
        """All points in one cloud."""
        whole = self.snapshot.cloud
        return PointCloud(points=whole.points, colours=whole.colours, labels=whole.labels,
                          confidence=whole.confidence)

    @cached_property
    def statistics(self) -> list[ClassStatistics]:
        return class_statistics(self.cloud, len(self.snapshot.classes))

    @cached_property
    def _objects(self) -> dict[tuple[int, float], Found]:
        return {}

    def objects(self, label: int, min_confidence: float) -> Found:
        """The connected objects of a class."""
        key = label, round(min_confidence, 2)
        if key not in self._objects:
            self._objects[key] = connected_objects(self.cloud, label, self.T_ground_world, key[1])
        return self._objects[key]

    def keyframe(self, frame_index: int) -> KeyframeView | None:
        """The keyframe that was made from a frame."""
        found = (view for view in self.snapshot.keyframes if view.frame_index == frame_index)
        return next(found, None)


class MapShower:
    """Makes a ``ShownMap`` of every new version of a snapshot.

    ``probabilities`` gives (C, H, W) of a keyframe by its frame index, ``error`` (H, W) of a
    keyframe's depth, None where unknown; ``triangles`` makes those that pages may
    show, by default the surface's.
    """

    def __init__(self, classes: int, probabilities: Callable[[int], np.ndarray | None],
                 error: Callable[[KeyframeView], np.ndarray | None],
                 triangles: Callable[[Snapshot], TriangleMesh] | None = None):
        self._triangles = triangles
        self.maps = KeyframeMaps(classes, probabilities, error)
        self._attributes = AttributeIndex(self.maps)
        self._attributed: ShownMap | None = None
        self._attributes_lock = threading.Lock()
        self._surface: tuple[SurfaceMap, SurfacePieces] | None = None
        #: pieces of triangles that are made at once
        self._made: dict[str, SurfacePiece] = {}
        #: the map that they are of, as far as they are
        self._surfaced: ShownMap | None = None
        self._surface_lock = threading.Lock()
        self._pieces = PieceStore()
        self._shown: ShownMap | None = None

    def show(self, snapshot: Snapshot) -> ShownMap:
        """Called by one thread."""
        before = self._shown
        if before is None or before.snapshot.version != snapshot.version \
                or before.snapshot.classes is not snapshot.classes:
            T = ground_of(snapshot)
            low, high = extent(snapshot, T)
            pieces = self._pieces.update(snapshot.cloud)
            largest = max(pieces.values(), key=len, default=None)
            spacing = point_spacing(np.zeros((0, 3)) if largest is None else largest.points)
            self._shown = ShownMap(snapshot=snapshot, pieces=pieces, T_ground_world=T, low=low,
                                   high=high, spacing=spacing)
        assert self._shown is not None
        return self._shown

    def surface(self, shown: ShownMap) -> tuple[dict[str, SurfacePiece], bool]:
        """The pieces of the surface, and whether they have all of the map: by one call some
        keyframes that changed are taken, for whoever asks."""
        with self._surface_lock:
            if self._triangles is None:
                return self._followed(shown)
            if self._surfaced is not shown:
                self._made = pieces_of(self._triangles(shown.snapshot))
                self._surfaced = shown
            return self._made, True

    def _followed(self, shown: ShownMap) -> tuple[dict[str, SurfacePiece], bool]:
        keyframes, is_live = shown.snapshot.keyframes, shown.snapshot.live is not None
        if self._surfaced is not shown:
            edge = voxel_edge(keyframes)
            if self._surface is None or not (
                    1 / VOXEL_SLACK < edge / self._surface[0].voxel < VOXEL_SLACK):
                self._surface = (SurfaceMap(edge, len(shown.snapshot.classes)),
                                 SurfacePieces(edge))
            self._surfaced = shown
        assert self._surface is not None
        surface, pieces = self._surface
        changed = surface.update(keyframes, SURFACE_KEYFRAMES, exactly=not is_live)
        pieces.update(changed, surface.chunk)
        return pieces.pieces, not surface.pending

    def attribute_message(self, shown: ShownMap, piece: Piece, count: int) -> bytes:
        """What keyframes know about the points of a piece; any thread may call."""
        return piece.attribute_message(self._attributes_of(shown, piece.points[:count]), count)

    def surface_attribute_message(self, shown: ShownMap, piece: SurfacePiece) -> bytes:
        """What they know about the vertices of a piece of the surface; any thread may call."""
        return piece.attribute_message(self._attributes_of(shown, piece.vertices))

    def _attributes_of(self, shown: ShownMap, points: np.ndarray) -> PointAttributes:
        with self._attributes_lock:
            if self._attributed is not shown:
                self._attributes.update(shown.snapshot.keyframes)
                self._attributed = shown
            return self._attributes.of(points)
