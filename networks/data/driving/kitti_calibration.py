"""KITTI's calibration files and laser scans: matrices by name, cameras, projected depth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError
from scenecode.core.text_file import read_text
from scenecode.optim.geometry.camera import PinholeCamera

#: Published rectified colour cameras (2 and 3) of each day of recording: focal length in pixels,
#: principal point, size of the images.
CAMERAS_BY_DATE = {
    "2011_09_26": PinholeCamera(fx=721.5377, fy=721.5377, cx=609.5593, cy=172.8540, width=1242,
                                height=375),
    "2011_09_28": PinholeCamera(fx=707.0493, fy=707.0493, cx=604.0814, cy=180.5066, width=1224,
                                height=370),
    "2011_09_29": PinholeCamera(fx=718.3351, fy=718.3351, cx=600.3891, cy=181.5122, width=1238,
                                height=374),
    "2011_09_30": PinholeCamera(fx=707.0912, fy=707.0912, cx=601.8873, cy=183.1104, width=1226,
                                height=370),
    "2011_10_03": PinholeCamera(fx=718.8560, fy=718.8560, cx=607.1928, cy=185.2157, width=1241,
                                height=376),
}
#: Metres between the two colour cameras.
COLOUR_BASELINE = 0.5327


@dataclass(frozen=True)
class LaserCalibration:
    """How points of the laser scanner fall into an image."""

    #: (3, 4) from points of the scanner in metres to pixels times depth
    projection: np.ndarray

    def depth(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """(height, width) float32 metres of points (N, 3), 0 where none falls; of several in a
        pixel the nearest."""
        u, v, z = self.projection[:, :3] @ points.T.astype(np.float64) + self.projection[:, 3:]
        in_front = z > 0
        u, v, z = (values[in_front] for values in (u, v, z))
        x, y = np.rint(u / z), np.rint(v / z)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        depth = np.full((height, width), np.inf, np.float32)
        np.minimum.at(depth, (y[inside].astype(np.intp), x[inside].astype(np.intp)),
                      z[inside].astype(np.float32))
        depth[np.isinf(depth)] = 0
        return depth


def read_matrices(path: Path) -> dict[str, np.ndarray]:
    """The numbers of each line ``NAME: numbers`` of a calibration file, flat; lines of numbers
    without a name are ``P0``, ``P1`` and so on.  Lines of anything else are left out.

    Raises ``DataError`` for a file that cannot be read.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); fetch the data set's calibration"
                        ) from error
    found: dict[str, np.ndarray] = {}
    unnamed = 0
    for line in lines:
        name, colon, numbers = line.partition(":")
        if not colon:
            name, numbers = f"P{unnamed}", line
        try:
            values = np.array(numbers.split(), np.float64)
        except ValueError:
            continue
        if values.size:
            found[name.strip()] = values
            unnamed += not colon
    return found


def matrix(found: dict[str, np.ndarray], name: str, rows: int, columns: int,
           path: Path) -> np.ndarray:
    """(rows, columns) of one entry; raises ``DataError`` naming the file where it lacks it."""
    values = found.get(name)
    if values is None or values.size != rows * columns:
        raise DataError(f"{path}: has no {name} of {rows * columns} numbers; fetch the data "
                        "set's calibration")
    return values.reshape(rows, columns)


def camera_of_projection(projection: np.ndarray, width: int, height: int,
                         path: Path) -> PinholeCamera:
    """The camera of a rectified projection (3, 4) for images of this size."""
    try:
        return PinholeCamera(fx=float(projection[0, 0]), fy=float(projection[1, 1]),
                             cx=float(projection[0, 2]), cy=float(projection[1, 2]),
                             width=width, height=height)
    except ValueError as error:
        raise DataError(f"{path}: {error}; fetch the data set's calibration") from error


def rigid(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """(4, 4) of a rotation (3, 3) and a translation (3,)."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation, translation.ravel()
    return T


def read_scan(path: Path) -> np.ndarray:
    """(N, 3) metres of a ``.bin`` file of x, y, z, reflectance in float32."""
    try:
        data = np.fromfile(path, np.float32)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); fetch it again") from error
    if data.size % 4:
        raise DataError(f"{path}: is no laser scan of four numbers a point; fetch it again")
    return data.reshape(-1, 4)[:, :3]


def camera_by_size(width: int, height: int, where: Path) -> PinholeCamera:
    """The published camera of the day whose images have this size."""
    for camera in CAMERAS_BY_DATE.values():
        if (camera.width, camera.height) == (width, height):
            return camera
    raise DataError(f"{where}: no day of KITTI's has {width}x{height} images; put the calibration "
                    "file beside them")
