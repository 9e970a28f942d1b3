"""Calibration files of other tools: which format a file has, and the camera that it states."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

from scenecode.core.errors import SourceError
from scenecode.core.text_file import decode_text
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.sources.calibration import (
    colmap,
    dso,
    kalibr,
    mast3r_slam,
    nerfstudio,
    opencv,
    orb_slam,
)
from scenecode.slam.sources.calibration.image_fit import fit_stated
from scenecode.slam.sources.calibration.intrinsics import FORM
from scenecode.slam.sources.calibration.stated_camera import Content, StatedCamera

#: Formats of entries under keys, in the order in which they are tried.
_FORMATS = (kalibr.parse, orb_slam.parse, opencv.parse, nerfstudio.parse, mast3r_slam.parse)
_KNOWN_FORMS = (
    "OpenCV or ROS (camera_matrix, distortion_coefficients), ORB-SLAM or stella_vslam "
    "(Camera.fx), Kalibr (cam0: intrinsics) or EuRoC (sensor.yaml), DSO (four lines), nerfstudio "
    "(transforms.json), COLMAP (cameras.txt, cameras.bin), Open3D (intrinsic_matrix), "
    f"MASt3R-SLAM (calibration), or one line '{FORM}'")
#: Bytes of a calibration file, at most.
_LARGEST_FILE = 2 ** 24


def read_calibration(path: str | Path, width: int, height: int,
                     turned_clockwise: int = 0) -> PinholeCamera:
    """The camera, with its distortion, of ``width`` x ``height`` images from a calibration file.

    The format follows from the content; docs/inputs.md lists what is read.  A file that states
    the size of its images is rescaled.  ``turned_clockwise`` (degrees) states how the images were
    turned against what the sensor gave; numbers that were measured before are turned with them.
    Raises ``SourceError`` naming file, rule and cure.
    """
    origin = f"calibration {path}"
    try:
        stated = _stated(Path(path), origin, (width, height))
    except OSError as error:
        raise SourceError(f"cannot read the calibration {path}: {error}") from error
    except (TypeError, ValueError, KeyError, ArithmeticError, RecursionError) as error:
        raise SourceError(f"{origin}: a parameter is missing, not a number, or impossible: "
                          f"{error}") from error
    return fit_stated(stated, width, height, origin, turned_clockwise)


def _stated(path: Path, origin: str, images: tuple[int, int]) -> StatedCamera:
    if path.stat().st_size > _LARGEST_FILE:
        raise SourceError(f"{origin} is too large for a calibration; give {_KNOWN_FORMS}")
    data = path.read_bytes()
    if path.suffix.lower() == ".bin":
        return colmap.parse_binary(data, origin, images)
    try:
        text = decode_text(data)
    except UnicodeDecodeError as error:
        raise SourceError(f"{origin} is not a text file: {error}; give {_KNOWN_FORMS}") from error
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        raise SourceError(f"{origin} is empty; one line '{FORM}' is enough")
    if colmap.is_colmap(lines[0]):
        return colmap.parse(lines, origin, images)
    if dso.is_dso(lines[0]):
        return dso.parse(lines, origin, images)
    content = _entries(text, origin)
    for parse in _FORMATS:
        stated = parse(content, origin)
        if stated is not None:
            return stated
    raise SourceError(f"{origin}: found no camera in it; give {_KNOWN_FORMS}")


def _entries(text: str, origin: str) -> Content:
    """The top-level entries of a YAML, XML or JSON file, under lower-case keys."""
    content = _xml(text, origin) if text.lstrip().startswith("<") else _yaml(text, origin)
    if not isinstance(content, dict):
        raise SourceError(f"{origin}: expected 'key: value' lines; give {_KNOWN_FORMS}")
    return {str(key).lower(): value for key, value in content.items()}


class _CalibrationLoader(yaml.SafeLoader):
    """SafeLoader that also knows OpenCV's matrix tag."""


def _matrix(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    return loader.construct_mapping(node, True) if isinstance(node, yaml.MappingNode) else None


_CalibrationLoader.add_multi_constructor("tag:yaml.org,2002:opencv-", _matrix)


def _yaml(text: str, origin: str) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            pass    # YAML's flow style
    # OpenCV writes '%YAML:1.0', which is not a directive that YAML knows, and reads tabs
    body = "\n".join(line.expandtabs() for line in text.splitlines()
                     if not line.startswith("%YAML"))
    try:
        return yaml.load(body, Loader=_CalibrationLoader)
    except yaml.YAMLError as error:
        raise SourceError(f"{origin} is neither numbers nor YAML: {error}; give "
                          f"{_KNOWN_FORMS}") from error


def _xml(text: str, origin: str) -> Any:
    """OpenCV's XML: one element an entry, a matrix with its numbers in ``data``."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SourceError(f"{origin}: XML with its own entities is not read; save it with OpenCV")
    try:
        # the declaration may state another encoding than that of the decoded text
        root = ElementTree.fromstring(text.encode())
    except (ElementTree.ParseError, LookupError) as error:
        raise SourceError(f"{origin} is not XML: {error}") from error
    return {element.tag: (element.findtext("data") or element.text or "").strip()
            for element in root}
