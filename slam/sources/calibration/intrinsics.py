"""Intrinsics as plain numbers, from the command line or a file of one line."""

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.sources.calibration.image_fit import fit_stated
from scenecode.slam.sources.calibration.stated_camera import StatedCamera

#: How the numbers are written.
FORM = "fx,fy,cx,cy[,k1,k2,p1,p2[,k3]]"


def parse_intrinsics(text: str) -> tuple[float, ...]:
    """``fx,fy,cx,cy[,k1,k2,p1,p2[,k3]]`` to 4, 8 or 9 numbers (commas or blanks).

    Raises ``SourceError`` for anything else.
    """
    try:
        values = tuple(float(v) for v in text.replace(",", " ").split())
    except ValueError as error:
        raise SourceError(f"intrinsics '{text}': {error}; give {FORM}") from error
    _check_count(values, f"intrinsics '{text}'")
    return values


def stated_by_values(values: tuple[float, ...], origin: str) -> StatedCamera:
    """What 4, 8 or 9 numbers state; ``SourceError`` for another count or what is no number."""
    _check_count(values, origin)
    fx, fy, cx, cy = values[:4]
    try:
        return StatedCamera(fx=fx, fy=fy, cx=cx, cy=cy, distortion=BrownConrady(*values[4:]))
    except ValueError as error:
        raise SourceError(f"{origin}: {error}") from error


def camera_from_values(values: tuple[float, ...], width: int, height: int, origin: str,
                       turned_clockwise: int = 0) -> PinholeCamera:
    """A camera from 4, 8 or 9 numbers in pixels of a ``width`` x ``height`` image, which was
    turned clockwise by so many degrees since the sensor gave it.

    Raises ``SourceError`` that begins with ``origin`` when the count is wrong or no camera
    with such an image has these numbers.
    """
    return fit_stated(stated_by_values(values, origin), width, height, origin, turned_clockwise)


def _check_count(values: tuple[float, ...], origin: str) -> None:
    if len(values) not in (4, 8, 9):
        raise SourceError(f"{origin}: {len(values)} numbers; give 4, 8 or 9: {FORM}")
