"""Kalibr's camera chains (``cam0:`` with ``intrinsics``), and EuRoC's ``sensor.yaml``, which has
the same entries at its top."""

import logging

from scenecode.core.errors import SourceError
from scenecode.slam.sources.calibration.stated_camera import (
    Content,
    StatedCamera,
    distortion_by_name,
    numbers,
    simple,
)

_log = logging.getLogger(__name__)


def parse(content: Content, origin: str) -> StatedCamera | None:
    """The first camera of the chain, or None when there are no such entries.  Raises
    ``SourceError`` for camera models other than pinhole, ``TypeError`` or ``ValueError`` for what
    is no number."""
    cameras = sorted(key for key, value in content.items()
                     if key.startswith("cam") and isinstance(value, dict)
                     and "intrinsics" in value)
    if cameras:
        if len(cameras) > 1:
            _log.warning("%s holds %s; taking %s", origin, ", ".join(cameras), cameras[0])
        return _camera(content[cameras[0]], origin)
    return _camera(content, origin) if "intrinsics" in content else None


def _camera(entries: Content, origin: str) -> StatedCamera:
    model = entries.get("camera_model", "pinhole")
    if simple(model) != "pinhole":
        raise SourceError(f"{origin}: the camera model '{model}' is not supported; calibrate with "
                          "Kalibr's --models pinhole-equi for a wide lens, pinhole-radtan for "
                          "another one")
    intrinsics = numbers(entries["intrinsics"])
    if len(intrinsics) != 4:
        raise SourceError(f"{origin}: {len(intrinsics)} intrinsics, needs fu fv cu cv")
    fx, fy, cx, cy = intrinsics
    coefficients = numbers(entries.get("distortion_coeffs",
                                       entries.get("distortion_coefficients", [])))
    size = None
    if "resolution" in entries:
        width, height = numbers(entries["resolution"])
        size = int(width), int(height)
    return StatedCamera(
        fx=fx, fy=fy, cx=cx, cy=cy, size=size,
        distortion=distortion_by_name(entries.get("distortion_model", "none"), coefficients,
                                      origin))
