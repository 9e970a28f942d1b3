"""MASt3R-SLAM's YAML (``width``, ``height``, ``calibration: [fx, fy, cx, cy, ...]``), and files
that have ``fx fy cx cy`` as entries of their own."""

from dataclasses import replace

from scenecode.slam.sources.calibration.intrinsics import stated_by_values
from scenecode.slam.sources.calibration.stated_camera import (
    Content,
    StatedCamera,
    distortion_by_keys,
    numbers,
    stated_size,
)

_PINHOLE = ("fx", "fy", "cx", "cy")


def parse(content: Content, origin: str) -> StatedCamera | None:
    """The camera, or None when there are no such entries.  Raises ``SourceError`` for a wrong
    count, ``TypeError`` or ``ValueError`` for what is no number."""
    size = stated_size(content, ("width", "height"), ("image_width", "image_height"))
    if "calibration" in content:
        return replace(stated_by_values(numbers(content["calibration"]), origin), size=size)
    if not all(key in content for key in _PINHOLE):
        return None
    fx, fy, cx, cy = (float(content[key]) for key in _PINHOLE)
    model = content.get("distortion_model", content.get("camera_model", "radtan"))
    return StatedCamera(fx=fx, fy=fy, cx=cx, cy=cy, size=size,
                        distortion=distortion_by_keys(model, content, origin))
