"""Poses of KITTI raw from its GPS and inertial unit (``oxts/data/NNNNNNNNNN.txt``)."""

from math import cos, log, pi, radians, tan
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError
from scenecode.core.text_file import read_text
from scenecode.networks.data.driving.kitti_calibration import matrix, read_matrices, rigid

#: Metres; the radius of the published development kit.
EARTH_RADIUS = 6_378_137.0


def read_oxts(folder: Path, frames: list[str]) -> list[np.ndarray | None]:
    """(4, 4) pose of the unit in a frame that begins at the first of them, x east and z up, for
    each name of a frame; ``None`` where its file is absent.

    By Mercator's projection at the latitude of the first (Geiger et al. 2013, section IV).
    Raises ``DataError`` for a file of something else.
    """
    poses: list[np.ndarray | None] = []
    scale, origin = None, np.zeros(3)
    for frame in frames:
        path = folder / f"{frame}.txt"
        if not path.is_file():
            poses.append(None)
            continue
        try:
            latitude, longitude, altitude, roll, pitch, yaw = \
                (float(word) for word in read_text(path).split()[:6])
        except ValueError as error:
            raise DataError(f"{path}: must begin with latitude, longitude, altitude, roll, pitch "
                            f"and yaw ({error}); fetch it again") from error
        first = scale is None
        scale = cos(radians(latitude)) if scale is None else scale
        place = np.array([scale * EARTH_RADIUS * radians(longitude),
                          scale * EARTH_RADIUS * log(tan(pi / 4 + radians(latitude) / 2)),
                          altitude])
        origin = place if first else origin
        poses.append(rigid(_rotation(roll, pitch, yaw), place - origin))
    return poses


def camera_from_unit(day: Path, camera: str) -> np.ndarray:
    """(4, 4) from the unit to a rectified camera (``02``), of a day's three calibrations."""
    cameras, laser, unit = (day / f"calib_{name}.txt"
                            for name in ("cam_to_cam", "velo_to_cam", "imu_to_velo"))
    found, velo, imu = (read_matrices(path) for path in (cameras, laser, unit))
    projection = matrix(found, f"P_rect_{camera}", 3, 4, cameras)
    # x_cam = x_cam0 + K^-1 p4
    baseline = rigid(np.eye(3), np.linalg.solve(projection[:, :3], projection[:, 3]))
    return (baseline @ rigid(matrix(found, "R_rect_00", 3, 3, cameras), np.zeros(3))
            @ rigid(matrix(velo, "R", 3, 3, laser), matrix(velo, "T", 3, 1, laser))
            @ rigid(matrix(imu, "R", 3, 3, unit), matrix(imu, "T", 3, 1, unit)))


def _rotation(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """R_z(yaw) R_y(pitch) R_x(roll), angles in radians."""
    (cr, cp, cy), (sr, sp, sy) = np.cos([roll, pitch, yaw]), np.sin([roll, pitch, yaw])
    Rx = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    Ry = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    Rz = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return Rz @ Ry @ Rx
