"""What a calibration file states about a camera, whatever its format; parts that formats share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.distortion import (
    BrownConrady,
    DistortionModel,
    FieldOfView,
    KannalaBrandt,
)

#: Entries of a YAML, XML or JSON file under lower-case keys.
Content = Mapping[str, Any]

_IDEAL = ("", "none", "ideal", "rectified")
_BROWN_CONRADY = ("radtan", "radialtangential", "plumbbob", "brownconrady", "rationalpolynomial",
                  "opencv", "pinhole", "perspective")
_KANNALA_BRANDT = ("equi", "equidistant", "fisheye", "opencvfisheye", "kannalabrandt",
                   "kannalabrandt4", "kannalabrandt8", "kb4", "kb8")
_FIELD_OF_VIEW = ("fov", "atan")
_KEYS = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
_KEYS_OF_FISHEYE = ("k1", "k2", "k3", "k4")
_CURE = ("calibrate with OpenCV's k1 k2 p1 p2 k3, a fisheye model with four coefficients "
         "(equidistant, Kannala-Brandt) or the FOV model, or undistort the images")


@dataclass(frozen=True)
class StatedCamera:
    """Intrinsics in pixels, pixel centres at integers, with the size of the images that they were
    measured in where the file states it."""

    fx: float
    fy: float
    cx: float
    cy: float
    distortion: DistortionModel = BrownConrady()
    #: (width, height)
    size: tuple[int, int] | None = None


def numbers(value: Any) -> tuple[float, ...]:
    """Numbers of a matrix in any of its spellings: flat, nested, or {rows, cols, data}.

    Raises ``TypeError`` or ``ValueError`` for what is no number.
    """
    if isinstance(value, Mapping):
        value = value.get("data", [])
    if isinstance(value, str):
        value = value.replace(",", " ").split()
        return tuple(float(word) for word in value)
    if isinstance(value, (list, tuple)):
        return tuple(number for entry in value for number in numbers(entry))
    return (float(value),)


def stated_size(content: Content, *pairs: tuple[str, str]) -> tuple[int, int] | None:
    """(width, height) under the first pair of keys that are both there."""
    for width, height in pairs:
        if width in content and height in content:
            return int(float(content[width])), int(float(content[height]))
    return None


def simple(name: object) -> str:
    """A name in lower case without blanks, underscores and other signs."""
    return re.sub("[^a-z0-9]", "", str(name).lower())


def distortion_by_name(name: object, coefficients: tuple[float, ...],
                       origin: str) -> DistortionModel:
    """The model that any of the tools calls ``name``; ``SourceError`` that begins with ``origin``
    for an unknown name or a count of coefficients that it does not have."""
    model = simple(name)
    if model in _IDEAL:
        if any(coefficients):
            raise SourceError(f"{origin}: distortion coefficients {coefficients} but no "
                              "distortion model; state one, for example 'radtan' or 'equidistant'")
        return BrownConrady()
    if model in _BROWN_CONRADY:
        return brown_conrady(coefficients, origin)
    if model in _KANNALA_BRANDT:
        return KannalaBrandt(*_exactly(4, coefficients, "fisheye (Kannala-Brandt)", origin))
    if model in _FIELD_OF_VIEW:
        omega, = _exactly(1, coefficients, "FOV", origin)
        return field_of_view(omega)
    raise SourceError(f"{origin}: the lens model '{name}' is not supported; {_CURE}")


def distortion_by_keys(name: object, entries: Content, origin: str) -> DistortionModel:
    """``distortion_by_name`` with coefficients under keys of their own (``k1``, ``p1``,
    ``omega``, ...), 0 where absent."""
    model = simple(name)
    keys = _KEYS_OF_FISHEYE if model in _KANNALA_BRANDT else \
        ("omega",) if model in _FIELD_OF_VIEW else () if model in _IDEAL else _KEYS
    return distortion_by_name(name, tuple(float(entries.get(key, 0)) for key in keys), origin)


def brown_conrady(coefficients: tuple[float, ...], origin: str) -> BrownConrady:
    """k1 k2 p1 p2 [k3 [k4 k5 k6]] in OpenCV's order, of OpenCV's 0, 4, 5, 8, 12 or 14
    coefficients."""
    if any(coefficients[8:]):
        raise SourceError(f"{origin}: OpenCV's thin-prism and tilted lens models are not "
                          "supported; calibrate with five coefficients (the default) or eight")
    if len(coefficients) in (1, 2, 3, 6, 7):
        raise SourceError(f"{origin}: {len(coefficients)} distortion coefficients; OpenCV's model "
                          "has 4 (k1 k2 p1 p2), 5 (and k3) or 8 (and k4 k5 k6)")
    return BrownConrady(*coefficients[:8])


def field_of_view(omega: float) -> DistortionModel:
    """The FOV model; an ideal lens for 0, as DSO reads it."""
    return FieldOfView(omega) if omega != 0 else BrownConrady()


def _exactly(count: int, coefficients: tuple[float, ...], model: str,
             origin: str) -> tuple[float, ...]:
    """The first ``count`` coefficients, where the others are zeros that a tool filled up."""
    if len(coefficients) < count or any(coefficients[count:]):
        raise SourceError(f"{origin}: {len(coefficients)} distortion coefficients; the {model} "
                          f"model has {count}")
    return coefficients[:count]
