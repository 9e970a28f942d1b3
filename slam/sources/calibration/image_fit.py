"""Does a calibration belong to these images: size, shape, orientation, plausible numbers."""

import logging

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.sources.calibration.stated_camera import StatedCamera

#: Where the principal point of a real camera lies, as fractions of the image size.  The
#: range is wide, yet numbers made for an image of twice or half the size fall outside.
PRINCIPAL_POINT_RANGE = (0.3, 0.7)
#: Largest relative difference of two aspect ratios that still counts as the same view.
ASPECT_TOLERANCE = 0.01
#: A principal point that is nearer to the middle by this fraction of the image once width and
#: height are exchanged was measured in an image of the other orientation.
ORIENTATION_MARGIN = 0.05

_log = logging.getLogger(__name__)


def fit_stated(stated: StatedCamera, width: int, height: int, origin: str,
               turned_clockwise: int = 0) -> PinholeCamera:
    """The camera of ``width`` x ``height`` images from what a user or a file states.

    A stated size scales the numbers; without one they are in pixels of these images.
    ``turned_clockwise`` (degrees) states how the images are turned against the sensor's:
    numbers that were measured before are turned with them.  Raises ``SourceError`` that begins
    with ``origin`` when the numbers cannot belong to such images.
    """
    if stated.size is not None:
        camera = _pinhole(stated, *stated.size, origin)
        check_plausible(camera, origin)
        return fit_size(camera, width, height, origin, turned_clockwise)
    camera = _pinhole(stated, width, height, origin)
    if has_other_orientation(camera):
        turned = _pinhole(stated, height, width, origin).turned(turned_clockwise // 90 or 1)
        if turned_clockwise % 180 == 0:
            raise SourceError(_orientation_text(stated, turned, origin))
        camera = turned
    check_plausible(camera, origin)
    return camera


def fit_size(camera: PinholeCamera, width: int, height: int, origin: str,
             turned_clockwise: int = 0) -> PinholeCamera:
    """The camera for the same view at another size, turned where width and height are exchanged;
    ``SourceError`` when the shape differs."""
    if _same_shape(camera.width, camera.height, width, height):
        return _resized(camera, width, height)
    if _same_shape(camera.height, camera.width, width, height):
        if turned_clockwise % 180 == 0:
            _log.warning("%s is for %dx%d images, but these are %dx%d: taken for turned "
                         "clockwise. Where they were turned the other way and the principal point "
                         "is not in the middle, calibrate with images like these", origin,
                         camera.width, camera.height, width, height)
        turns = turned_clockwise // 90 if turned_clockwise % 180 else 1
        return _resized(camera.turned(turns), width, height)
    raise SourceError(f"{origin} is for {camera.width}x{camera.height} images, but these are "
                      f"{width}x{height}: another shape, so the crop is unknown. Calibrate at "
                      "this size, or resize the images without cropping")


def check_plausible(camera: PinholeCamera, origin: str) -> None:
    """Raise ``SourceError`` when the numbers cannot belong to an image of this size."""
    low, high = PRINCIPAL_POINT_RANGE
    size = f"{camera.width}x{camera.height}"
    if not (low <= (camera.cx + 0.5) / camera.width <= high
            and low <= (camera.cy + 0.5) / camera.height <= high):
        raise SourceError(
            f"{origin}: principal point ({camera.cx:g}, {camera.cy:g}) is not near the middle of "
            f"the {size} image; the numbers look made for about {2 * camera.cx:.0f}x"
            f"{2 * camera.cy:.0f}. Scale all four to this image's size, or leave them out")
    if not 0.5 < camera.fx / camera.fy < 2:
        raise SourceError(f"{origin}: fx {camera.fx:g} and fy {camera.fy:g} differ by more than a "
                          "factor of two; check the order fx, fy, cx, cy")


def has_other_orientation(camera: PinholeCamera) -> bool:
    """True when the numbers were measured in a landscape image and this one is portrait, or the
    other way round."""
    def offset(width: int, height: int) -> float:
        return max(abs((camera.cx + 0.5) / width - 0.5), abs((camera.cy + 0.5) / height - 0.5))
    return offset(camera.height, camera.width) + ORIENTATION_MARGIN \
        < offset(camera.width, camera.height)


def _pinhole(stated: StatedCamera, width: int, height: int, origin: str) -> PinholeCamera:
    try:
        return PinholeCamera(fx=stated.fx, fy=stated.fy, cx=stated.cx, cy=stated.cy, width=width,
                             height=height, distortion=stated.distortion)
    except ValueError as error:
        raise SourceError(f"{origin}: {error}; give them in pixels of the original "
                          "image") from error


def _same_shape(width_a: int, height_a: int, width_b: int, height_b: int) -> bool:
    return abs((width_b * height_a) / (height_b * width_a) - 1) <= ASPECT_TOLERANCE


def _resized(camera: PinholeCamera, width: int, height: int) -> PinholeCamera:
    same = (camera.width, camera.height) == (width, height)
    return camera if same else camera.resized(width, height)


def _orientation_text(stated: StatedCamera, turned: PinholeCamera, origin: str) -> str:
    is_portrait = turned.width < turned.height
    measured, shown = ("landscape", "portrait") if is_portrait else ("portrait", "landscape")
    clockwise, other = (f"{c.fx:g},{c.fy:g},{c.cx:g},{c.cy:g}" for c in (turned, turned.turned(2)))
    numbers = clockwise if clockwise == other else \
        f"{clockwise} when it was turned clockwise, {other} counter-clockwise"
    return (f"{origin}: the principal point ({stated.cx:g}, {stated.cy:g}) is that of a "
            f"{measured} image, but these are {shown}, {turned.width}x{turned.height}. Give "
            f"fx,fy,cx,cy of the turned image, {numbers}; or turn the images back")
