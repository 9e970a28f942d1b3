"""Camera paths as text: TUM, KITTI, EuRoC and a table.

All hold ``T_world_cam`` of every tracked frame as known at the end: positions of the camera in the
map's world frame, metres; the camera looks along +z with +y down.  Frames whose pose is unknown
are left out.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from scenecode.core.atomic_write import write_text
from scenecode.slam.output.saved_map import SavedMap
from scenecode.slam.records.trajectory import Trajectory, nearest_stamps, write_tum

#: Stamps closer than this are of the same frame, seconds: half of the last digit in TUM files.
_SAME_TIME = 1e-6
_EUROC_HEADER = ("#timestamp [ns],p_RS_R_x [m],p_RS_R_y [m],p_RS_R_z [m],"
                 "q_RS_w [],q_RS_x [],q_RS_y [],q_RS_z []\n")
_CSV_HEADER = "timestamp,x,y,z,qx,qy,qz,qw,keyframe\n"


def write_tum_path(saved: SavedMap, out: Path) -> None:
    """``timestamp tx ty tz qx qy qz qw``, seconds."""
    write_tum(out, saved.trajectory)


def write_kitti_path(saved: SavedMap, out: Path) -> None:
    """The first three rows of each pose, row by row; ``NAME_times.txt`` beside it holds the
    seconds of each line, since the format has none."""
    path = saved.trajectory
    rows = path.T_world_cam[:, :3].reshape(-1, 12)
    write_text(times_file(out), "".join(f"{t:.6f}\n" for t in path.timestamps))
    write_text(out, "".join(" ".join(f"{v:.9e}" for v in row) + "\n" for row in rows))


def times_file(out: Path) -> Path:
    """The file of times that belongs to a KITTI path."""
    return out.with_name(f"{out.stem}_times.txt")


def write_euroc_path(saved: SavedMap, out: Path) -> None:
    """As EuRoC's ``state_groundtruth_estimate0/data.csv``, its first eight columns, nanoseconds;
    the body frame is that of the camera."""
    path = saved.trajectory
    stamps = np.rint(path.timestamps * 1e9).astype(np.int64)
    rows = zip(stamps.tolist(), path.positions.tolist(), _quaternions(path).tolist())
    write_text(out, _EUROC_HEADER + "".join(
        f"{t},{x:.9f},{y:.9f},{z:.9f},{qw:.9f},{qx:.9f},{qy:.9f},{qz:.9f}\n"
        for t, (x, y, z), (qx, qy, qz, qw) in rows))


def write_csv_path(saved: SavedMap, out: Path) -> None:
    """A table with a header: seconds, position, quaternion, and whether the frame is a keyframe
    (1 or 0)."""
    path = saved.trajectory
    keys = np.sort([view.timestamp for view in saved.keyframes])
    is_key = np.zeros(len(path), bool)
    if len(keys):
        nearest = keys[nearest_stamps(keys, path.timestamps)]
        is_key = np.abs(path.timestamps - nearest) <= _SAME_TIME
    rows = zip(path.timestamps.tolist(), path.positions.tolist(), _quaternions(path).tolist(),
               is_key.tolist())
    write_text(out, _CSV_HEADER + "".join(
        f"{t:.6f}," + ",".join(f"{v:.9f}" for v in (*position, *rotation)) + f",{key:d}\n"
        for t, position, rotation, key in rows))


def _quaternions(path: Trajectory) -> np.ndarray:
    """(N, 4) x, y, z, w."""
    if not len(path):
        return np.zeros((0, 4))
    return Rotation.from_matrix(path.rotations).as_quat()
