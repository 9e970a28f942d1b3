"""Intrinsics from numbers and from calibration files of other tools."""

import re
from pathlib import Path

import yaml

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady

#: Where the principal point of a real camera lies, as fractions of the image size.  The
#: range is wide, yet numbers made for an image of twice or half the size fall outside.
PRINCIPAL_POINT_RANGE = (0.3, 0.7)
#: Largest relative difference of two aspect ratios that still counts as the same view.
ASPECT_TOLERANCE = 0.01

_FORM = "fx,fy,cx,cy[,k1,k2,p1,p2[,k3]]"
_TEXT_MODELS = ("pinhole", "radtan", "fov", "equidistant", "kannalabrandt", "equi")
_FISHEYE = re.compile(r"fisheye|equidistant|kannala|equi$|fov$", re.IGNORECASE)


def parse_intrinsics(text: str) -> tuple[float, ...]:
    """``fx,fy,cx,cy[,k1,k2,p1,p2[,k3]]`` to 4, 8 or 9 numbers (commas or blanks).

    Raises ``SourceError`` for anything else.
    """
    try:
        values = tuple(float(v) for v in text.replace(",", " ").split())
    except ValueError as error:
        raise SourceError(f"intrinsics '{text}': {error}; give {_FORM}") from error
    _check_count(values, f"intrinsics '{text}'")
    return values


def camera_from_values(values: tuple[float, ...], width: int, height: int,
                       origin: str) -> PinholeCamera:
    """A camera from 4, 8 or 9 numbers in pixels of a ``width`` x ``height`` image.

    Raises ``SourceError`` that begins with ``origin`` when the count is wrong or no camera
    with such an image has these numbers.
    """
    _check_count(values, origin)
    distortion = tuple(values[4:]) + (0.0,) * (9 - len(values))
    try:
        camera = PinholeCamera(*values[:4], width, height, BrownConrady(*distortion))
    except ValueError as error:
        raise SourceError(f"{origin}: {error}; give them in pixels of the original "
                          "image") from error
    check_plausible(camera, origin)
    return camera


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
                          f"factor of two; check the order {_FORM}")


def rescaled(camera: PinholeCamera, width: int, height: int, origin: str) -> PinholeCamera:
    """The camera for the same view at another size; ``SourceError`` when the shape differs."""
    if (camera.width, camera.height) == (width, height):
        return camera
    ratio = (width * camera.height) / (height * camera.width)
    if abs(ratio - 1) > ASPECT_TOLERANCE:
        raise SourceError(f"{origin} is for {camera.width}x{camera.height} images, but these are "
                          f"{width}x{height}: another shape, so the crop is unknown. Calibrate at "
                          "this size, or resize the images without cropping")
    return camera.resized(width, height)


def read_calibration(path: str | Path, width: int, height: int) -> PinholeCamera:
    """The camera of a ``width`` x ``height`` image from a calibration file.

    Reads OpenCV and ROS YAML (``camera_matrix``, ``distortion_coefficients``), ORB-SLAM YAML
    (``Camera.fx`` ...), MASt3R-SLAM YAML (``width height calibration``), DSO files
    (four lines, absolute or relative numbers, without distortion or ``RadTan``), and one
    line ``fx fy cx cy [k1 k2 p1 p2 [k3]]``.  A file that states the size of its images is
    rescaled.  Raises ``SourceError`` naming file, rule and cure.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read the calibration {path}: {error}") from error
    origin = f"calibration {path}"
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        raise SourceError(f"{origin} is empty; one line '{_FORM}' is enough")
    if _is_plain_text(lines[0]):
        values, size = _parse_text(lines, origin)
    else:
        values, size = _parse_yaml(text, origin)
    return rescaled(camera_from_values(values, *(size or (width, height)), origin),
                    width, height, origin)


def _check_count(values: tuple[float, ...], origin: str) -> None:
    if len(values) not in (4, 8, 9):
        raise SourceError(f"{origin}: {len(values)} numbers; give 4, 8 or 9: {_FORM}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_plain_text(line: str) -> bool:
    words = line.replace(",", " ").split()
    return all(_is_number(w) for w in words) or (
        words[0].lower() in _TEXT_MODELS and all(_is_number(w) for w in words[1:]))


def _parse_text(lines: list[str], origin: str):
    """Values and stated size (or None) of a one-line or a DSO file."""
    words = lines[0].replace(",", " ").split()
    if len(lines) == 1 and _is_number(words[0]):
        return tuple(float(w) for w in words), None
    model = "fov" if _is_number(words[0]) else words.pop(0).lower()
    values = tuple(float(w) for w in words)
    if model != "radtan":
        if any(v != 0 for v in values[4:]) or model not in ("pinhole", "fov"):
            raise SourceError(f"{origin}: the lens model '{model}' is not supported; undistort the "
                              "images, or calibrate with OpenCV's k1 k2 p1 p2 k3")
        values = values[:4]
    _check_count(values, origin)
    size_words = lines[1].split() if len(lines) > 1 else []
    if len(size_words) != 2 or not all(w.isdigit() for w in size_words):
        raise SourceError(f"{origin}: the second line of a DSO file must be 'width height'")
    width, height = int(size_words[0]), int(size_words[1])
    if values[2] < 1 and values[3] < 1:
        # relative to the size; in DSO's unit square the outer edges, not the centres, are 0 and 1
        values = (values[0] * width, values[1] * height,
                  values[2] * width - 0.5, values[3] * height - 0.5, *values[4:])
    return values, (width, height)


class _CalibrationLoader(yaml.SafeLoader):
    """SafeLoader that also knows OpenCV's matrix tag."""


_CalibrationLoader.add_constructor(
    "tag:yaml.org,2002:opencv-matrix", lambda loader, node: loader.construct_mapping(node, True))


def _parse_yaml(text: str, origin: str):
    """Values and stated size (or None) of the YAML forms."""
    # OpenCV writes '%YAML:1.0', which is not a directive that YAML knows
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%YAML"))
    try:
        content = yaml.load(body, Loader=_CalibrationLoader)
    except yaml.YAMLError as error:
        raise SourceError(f"{origin} is neither numbers nor YAML: {error}") from error
    if not isinstance(content, dict):
        raise SourceError(f"{origin}: expected 'key: value' lines, or one line '{_FORM}'")
    content = {str(k).lower(): v for k, v in content.items()}
    for key in ("distortion_model", "camera.type", "camera_model"):
        if _FISHEYE.search(str(content.get(key, ""))):
            raise SourceError(f"{origin}: {key} '{content[key]}' is not supported; undistort the "
                              "images, or calibrate with OpenCV's k1 k2 p1 p2 k3")
    try:
        return _yaml_values(content, origin), _yaml_size(content)
    except (TypeError, ValueError) as error:
        raise SourceError(f"{origin}: a parameter is not a number: {error}") from error


def _yaml_values(content: dict, origin: str) -> tuple[float, ...]:
    if "camera_matrix" in content:
        matrix = _numbers(content["camera_matrix"])
        if len(matrix) != 9:
            raise SourceError(f"{origin}: camera_matrix has {len(matrix)} numbers, needs 9")
        lens = _numbers(content.get("distortion_coefficients", content.get("dist_coeffs", [])))
        return (matrix[0], matrix[4], matrix[2], matrix[5], *_five(lens, origin))
    if "calibration" in content:
        return _numbers(content["calibration"])
    for prefix in ("camera.", "camera1.", ""):
        if all(f"{prefix}{key}" in content for key in ("fx", "fy", "cx", "cy")):
            lens = [float(content.get(prefix + k, 0.0)) for k in ("k1", "k2", "p1", "p2", "k3")]
            pinhole = (float(content[prefix + k]) for k in ("fx", "fy", "cx", "cy"))
            return (*pinhole, *lens)
    raise SourceError(f"{origin}: found no camera_matrix, no Camera.fx and no calibration entry; "
                      f"one line '{_FORM}' is enough")


def _five(lens: tuple[float, ...], origin: str) -> tuple[float, ...]:
    """k1 k2 p1 p2 k3 of OpenCV's 0, 4, 5, 8, 12 or 14 coefficients."""
    if any(v != 0 for v in lens[5:]):
        raise SourceError(f"{origin}: OpenCV's rational and thin-prism lens models are not "
                          "supported; calibrate with five coefficients (the default)")
    return (*lens[:5], *(0.0,) * (5 - len(lens)))


def _yaml_size(content: dict) -> tuple[int, int] | None:
    for w, h in (("image_width", "image_height"), ("width", "height"),
                 ("camera.width", "camera.height")):
        if w in content and h in content:
            return int(content[w]), int(content[h])
    return None


def _numbers(value) -> tuple[float, ...]:
    """Numbers of a matrix in any of its spellings: flat, nested, or {rows, cols, data}."""
    if isinstance(value, dict):
        value = value.get("data", [])
    if isinstance(value, (list, tuple)):
        return tuple(number for entry in value for number in _numbers(entry))
    return (float(value),)
