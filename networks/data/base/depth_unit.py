"""What a stored depth stands for: the unit that a folder states in a file of its own.

16 bits of millimetres end at 65.5 m, so folders with larger depths state another unit: in
``camera.json`` or a ``.yaml`` file as ``depth_unit: 0.01`` (metres of one step) or
``depth_scale: 100`` (steps of one metre), in ``camera.txt`` as a line ``depth_unit 0.01``.
"""

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

import yaml

from scenecode.core.errors import DataError
from scenecode.core.text_file import read_text

UNIT, SCALE = "depth_unit", "depth_scale"
#: Larger files than this many bytes are no small statement.
_LARGEST_FILE = 100_000


def stated_depth_scale(folder: Path) -> float | None:
    """Steps of one metre that a folder states; ``None`` where it states nothing.

    Raises ``DataError`` for a number that is not positive.
    """
    for path in (folder / "camera.json", folder / "camera.txt",
                 *sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])):
        if path.is_file() and path.stat().st_size <= _LARGEST_FILE:
            stated = _stated(path)
            if stated is not None:
                return _scale(*stated, path)
    return None


def without_depth_unit(lines: list[str]) -> list[str]:
    """The lines of a ``camera.txt`` that state the camera."""
    return [line for line in lines if not line.split()[:1] == [UNIT]]


def _stated(path: Path) -> tuple[str, object] | None:
    """Key and value of a file; other tools' files, of whatever form, state nothing."""
    try:
        text = read_text(path)
        if path.suffix == ".txt":
            words = next((line.split() for line in text.splitlines()
                          if line.split()[:1] == [UNIT]), None)
            return None if words is None else (UNIT, words[1] if len(words) > 1 else "")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return None
    if not isinstance(found, Mapping):
        return None
    return next(((key, found[key]) for key in (UNIT, SCALE) if key in found), None)


def _scale(key: str, value: object, path: Path) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not isfinite(number) or number <= 0:
        raise DataError(f"{path}: {key} must be a positive number, got '{value}'; 0.01 as "
                        "depth_unit, or 100 as depth_scale, are centimetres")
    return number if key == SCALE else 1 / number
