"""COLMAP's ``cameras.txt`` and ``cameras.bin``.

COLMAP's image coordinates have the centre of the first pixel at (0.5, 0.5); here it is (0, 0).
"""

import struct
from collections.abc import Sequence

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.distortion import BrownConrady, DistortionModel, KannalaBrandt
from scenecode.slam.sources.calibration.stated_camera import StatedCamera, field_of_view

#: Model names by number, and their count of parameters (COLMAP, ``sensor/models.h``).
_MODELS = (
    ("SIMPLE_PINHOLE", 3), ("PINHOLE", 4), ("SIMPLE_RADIAL", 4), ("RADIAL", 5), ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8), ("FULL_OPENCV", 12), ("FOV", 5), ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5), ("THIN_PRISM_FISHEYE", 12), ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
)
_COUNTS = dict(_MODELS)
#: Models whose two focal lengths are one parameter.
_ONE_FOCAL_LENGTH = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE",
                     "RADIAL_FISHEYE")
_BROWN_CONRADY = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")
_KANNALA_BRANDT = ("OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE")


def is_colmap(line: str) -> bool:
    """True for a line ``CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]``."""
    words = line.split()
    return len(words) > 4 and words[0].isdecimal() and words[1] in _COUNTS


def parse(lines: Sequence[str], origin: str, images: tuple[int, int]) -> StatedCamera:
    """The camera of ``cameras.txt``, its lines without comments.

    Where there are several, the only one of the size of the ``images``.  Raises ``SourceError``
    for models that are not supported, and when it is not clear which camera is meant.
    """
    cameras = []
    for line in lines:
        words = line.split()
        if not is_colmap(line):
            raise SourceError(f"{origin}: must be lines 'CAMERA_ID MODEL WIDTH HEIGHT PARAMS', "
                              f"got '{line}'")
        cameras.append((words[1], int(words[2]), int(words[3]),
                        tuple(float(word) for word in words[4:])))
    return _chosen(cameras, origin, images)


def parse_binary(data: bytes, origin: str, images: tuple[int, int]) -> StatedCamera:
    """The same of ``cameras.bin``."""
    cameras = []
    try:
        count, = struct.unpack_from("<Q", data)
        offset = 8
        for _ in range(count):
            _, model, width, height = struct.unpack_from("<iiQQ", data, offset)
            offset += 24
            if not 0 <= model < len(_MODELS):
                raise SourceError(f"{origin}: unknown COLMAP camera model number {model}")
            name, parameters = _MODELS[model]
            values = struct.unpack_from(f"<{parameters}d", data, offset)
            offset += 8 * parameters
            cameras.append((name, width, height, values))
    except struct.error as error:
        raise SourceError(f"{origin} is not a COLMAP cameras.bin, or is cut off: "
                          f"{error}") from error
    return _chosen(cameras, origin, images)


def _chosen(cameras: list[tuple[str, int, int, tuple[float, ...]]], origin: str,
            images: tuple[int, int]) -> StatedCamera:
    different = sorted(set(cameras))
    if len(different) > 1:
        different = [camera for camera in different if camera[1:3] == images]
    if len(different) != 1:
        raise SourceError(f"{origin}: {len(cameras)} cameras, {len(different)} of which are for "
                          f"{images[0]}x{images[1]} images; leave the one that took them")
    return _stated(*different[0], origin)


def _stated(model: str, width: int, height: int, values: tuple[float, ...],
            origin: str) -> StatedCamera:
    if len(values) != _COUNTS[model]:
        raise SourceError(f"{origin}: {model} has {_COUNTS[model]} parameters, got {len(values)}")
    if model in _ONE_FOCAL_LENGTH:
        values = (values[0], *values)
    fx, fy, cx, cy = values[:4]
    return StatedCamera(fx=fx, fy=fy, cx=cx - 0.5, cy=cy - 0.5,
                        distortion=_distortion(model, values[4:], origin), size=(width, height))


def _distortion(model: str, lens: tuple[float, ...], origin: str) -> DistortionModel:
    if model in _BROWN_CONRADY:
        return BrownConrady(*lens)
    if model in _KANNALA_BRANDT:
        return KannalaBrandt(*lens)
    if model == "FOV":
        return field_of_view(lens[0])
    raise SourceError(f"{origin}: COLMAP's {model} is not supported; calibrate with OPENCV or "
                      "OPENCV_FISHEYE, or undistort with 'colmap image_undistorter'")
