"""Camera files of DSO, LDSO and the TUM monocular data set, and one line of plain numbers.

The first line is ``[MODEL] fx fy cx cy [coefficients]``, the second ``width height``; what
follows says how DSO rectifies and is not used.
"""

from collections.abc import Sequence

from scenecode.core.errors import SourceError
from scenecode.slam.sources.calibration.intrinsics import stated_by_values
from scenecode.slam.sources.calibration.stated_camera import (
    StatedCamera,
    brown_conrady,
    distortion_by_name,
    field_of_view,
)

#: Prefixes of the first line, in lower case.
MODELS = ("pinhole", "radtan", "equidistant", "kannalabrandt", "fov", "atan", "equi")


def is_dso(line: str) -> bool:
    """True for a first line of numbers, with or without the name of a model."""
    words = line.replace(",", " ").split()
    if words[0].lower() in MODELS:
        words.pop(0)
    return all(_is_number(word) for word in words)


def parse(lines: Sequence[str], origin: str, images: tuple[int, int]) -> StatedCamera:
    """The camera of such lines (none empty, at least one).

    Numbers relative to the size are multiplied by the stated one, or by that of the ``images``.
    Raises ``SourceError`` for another number of coefficients than the model has, ``ValueError``
    for values that no lens has.
    """
    words = lines[0].replace(",", " ").split()
    model = words.pop(0).lower() if not _is_number(words[0]) else None
    values = tuple(float(word) for word in words)
    if len(lines) == 1 and model is None and len(values) != 5:
        return stated_by_values(values, origin)
    size = _size(lines[1], origin) if len(lines) > 1 else None
    if len(values) < 4:
        raise SourceError(f"{origin}: {len(values)} numbers; give at least fx fy cx cy")
    fx, fy, cx, cy = values[:4]
    if cx < 1 and cy < 1:
        # relative to the size; in DSO's unit square the outer edges, not the centres, are 0 and 1
        width, height = size or images
        fx, fy, cx, cy = fx * width, fy * height, cx * width - 0.5, cy * height - 0.5
    lens = values[4:]
    if model is None:
        # five numbers are those of the FOV model (omega 0: none), eight those of an older form
        distortion = field_of_view(lens[0]) if len(lens) == 1 else brown_conrady(lens, origin)
    elif model == "pinhole" and not any(lens):
        distortion = brown_conrady((), origin)
    elif model == "pinhole":
        raise SourceError(f"{origin}: Pinhole with distortion {lens}; write RadTan fx fy cx cy k1 "
                          "k2 p1 p2")
    else:
        distortion = distortion_by_name(model, lens, origin)
    return StatedCamera(fx=fx, fy=fy, cx=cx, cy=cy, distortion=distortion, size=size)


def _size(line: str, origin: str) -> tuple[int, int]:
    words = line.replace(",", " ").split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        raise SourceError(f"{origin}: the second line of a DSO file must be 'width height'")
    return int(words[0]), int(words[1])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
