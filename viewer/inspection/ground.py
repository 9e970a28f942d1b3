"""The floor of a map, from which heights are measured."""

import numpy as np

from scenecode.slam.output.saved_map import GROUND_CLASSES
from scenecode.slam.records.ground import ground_frame
from scenecode.slam.records.snapshot import Snapshot

#: Percent of the points, at either end of each coordinate, that do not count as the map's extent.
OUTLIERS = 1.0
#: Points, spread over the map, that its extent is measured with.
SAMPLES = 50_000


def ground_of(snapshot: Snapshot) -> np.ndarray:
    """(4, 4) float64 T_ground_world: z up from the floor; see ``ground_frame``."""
    poses = [view.T_world_cam for view in snapshot.keyframes] or [*snapshot.trajectory[:1]]
    ids = [n for n, name in enumerate(snapshot.classes.names) if name in GROUND_CLASSES]
    points = snapshot.cloud.points
    floor = points[np.isin(snapshot.cloud.labels, ids)]
    return ground_frame(np.array(poses).reshape(-1, 4, 4), points, floor)


def extent(snapshot: Snapshot, T_ground_world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner (3,) of the map in the ground frame, without outliers, metres."""
    parts = [snapshot.cloud.points, snapshot.trajectory[:, :3, 3],
             *(view.T_world_cam[None, :3, 3] for view in snapshot.keyframes)]
    parts = [points[:: len(points) // SAMPLES + 1] for points in parts if len(points)]
    corners = [np.percentile(transformed(points, T_ground_world), [OUTLIERS, 100 - OUTLIERS],
                             axis=0) for points in parts]
    if not corners:
        return np.full(3, -1.0), np.full(3, 1.0)
    both = np.concatenate(corners)
    low, high = both.min(0) - 0.05, both.max(0) + 0.05
    return np.minimum(low, (*low[:2], 0.0)), high   # the floor is a part of every map


def transformed(points: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Points (N, 3) by a rigid motion (4, 4)."""
    return np.asarray(points, np.float64) @ T[:3, :3].T + T[:3, 3]
