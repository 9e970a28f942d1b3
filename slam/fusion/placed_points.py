"""The points of fused keyframes in the world, in one cloud: a keyframe that moved takes its points
along, and nothing else is made again."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scenecode.slam.fusion.resting_result import RestingResult
from scenecode.slam.fusion.voxel_map import VoxelMap
from scenecode.slam.records.snapshot import FusedCloud

#: The edge of the cells follows what is asked for when it differs by more than this factor.
VOXEL_SLACK = 1.25
#: Part of a cell's edge by which points may be off while the map changes, and where that is
#: measured, as a multiple of the median depth.
SMALLEST_MOVE, _FAR = 0.25, 1.5
#: Keyframes whose points are in memory at a time.
_PLACED_AT_ONCE = 16


@dataclass(frozen=True)
class Placement:
    """A result and where in the world its keyframe is."""

    result: RestingResult
    #: (4, 4)
    T_world_cam: np.ndarray
    #: of the keyframe
    median_depth: float


class PlacedPoints:
    """One point for each cell of the world that results have points in.  Owned by one thread."""

    def __init__(self) -> None:
        self._voxels: VoxelMap | None = None
        #: what the cloud holds, by number of the keyframe
        self._placed: dict[int, Placement] = {}
        #: points in the cloud whose keyframe is gone
        self._orphans: list[Placement] = []

    @property
    def cloud(self) -> FusedCloud:
        """The points, in chunks of which the unchanged ones are the same objects as before."""
        return FusedCloud() if self._voxels is None else self._voxels.cloud

    def forget(self, number: int) -> None:
        """Let the points of a keyframe go with the next change."""
        placed = self._placed.pop(number, None)
        if placed is not None:
            self._orphans.append(placed)

    def place(self, wanted: Mapping[int, Placement], edge: float, class_count: int,
              exactly: bool, at_most: int | None = None) -> bool:
        """Move the points of keyframes to where they are ``wanted``, those of ``at_most`` so many,
        in the order given; whether any are left to be moved.

        All are where the ``edge`` of cells asks for another size.  Small moves wait until they add
        up, unless points are to be placed ``exactly``.
        """
        is_new = bool(wanted) and self._cells_are_new(edge, class_count)
        voxels = self._voxels
        if voxels is None:
            return False
        moved = [number for number, placement in wanted.items()
                 if self._is_moved(number, placement, exactly, voxels.size)]
        chosen = moved if is_new else moved[:at_most]
        removed, self._orphans = self._orphans, []
        for start in range(0, max(len(chosen), 1), _PLACED_AT_ONCE):
            added = []
            for number in chosen[start:start + _PLACED_AT_ONCE]:
                if number in self._placed:
                    removed.append(self._placed[number])
                self._placed[number] = wanted[number]
                added.append(wanted[number])
            voxels.change([voxels.contribution(p.result.points(p.T_world_cam)) for p in removed],
                          [voxels.contribution(p.result.points(p.T_world_cam)) for p in added])
            removed = []
        return len(chosen) < len(moved)

    def _cells_are_new(self, edge: float, class_count: int) -> bool:
        """Begin the cells anew where another size is asked for; whether they were."""
        if self._voxels is not None \
                and 1 / VOXEL_SLACK < edge / self._voxels.size < VOXEL_SLACK:
            return False
        self._voxels = VoxelMap(edge, class_count)
        self._orphans, self._placed = [], {}
        return True

    def _is_moved(self, number: int, wanted: Placement, exactly: bool, edge: float) -> bool:
        placed = self._placed.get(number)
        if placed is None or not placed.result.is_rescaled(wanted.result):
            return True
        there, here = placed.T_world_cam, wanted.T_world_cam
        if exactly:
            return placed.result is not wanted.result or not np.array_equal(there, here)
        far = _FAR * wanted.median_depth
        # the Frobenius norm of the difference of rotations by a small angle is sqrt(2) times it
        turned = np.linalg.norm(there[:3, :3] - here[:3, :3]) / np.sqrt(2)
        grown = abs(wanted.result.average_depth / placed.result.average_depth - 1)
        moved = np.linalg.norm(there[:3, 3] - here[:3, 3])
        return bool(moved + far * (turned + grown) > SMALLEST_MOVE * edge)
