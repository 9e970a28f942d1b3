"""nerfstudio's and instant-ngp's ``transforms.json`` (``fl_x``, ``cx``, ``w``, ``k1`` ...)."""

from math import tan

from scenecode.core.errors import SourceError
from scenecode.slam.sources.calibration.stated_camera import (
    Content,
    StatedCamera,
    distortion_by_keys,
    simple,
    stated_size,
)

_KEYS = ("camera_model", "fl_x", "fl_y", "cx", "cy", "w", "h", "k1", "k2", "k3", "k4", "p1", "p2",
         "camera_angle_x")
_PINHOLE = ("pinhole", "simplepinhole")


def parse(content: Content, origin: str) -> StatedCamera | None:
    """The camera that all frames share, or None when there is no ``fl_x`` and no
    ``camera_angle_x``.  Raises ``SourceError`` for frames of several cameras and for models that
    are not supported, ``TypeError`` or ``ValueError`` for what is no number."""
    entries = dict(content)
    if "fl_x" not in entries and isinstance(entries.get("frames"), list):
        entries.update(_of_frames(entries["frames"], origin))
    size = stated_size(entries, ("w", "h"))
    if "fl_x" in entries:
        fx = float(entries["fl_x"])
    elif "camera_angle_x" in entries and size is not None:
        fx = 0.5 * size[0] / tan(0.5 * float(entries["camera_angle_x"]))
    else:
        return None
    if size is None and not ("cx" in entries and "cy" in entries):
        raise SourceError(f"{origin}: needs cx and cy, or w and h")
    width, height = size or (0, 0)
    model = str(entries.get("camera_model", "OPENCV"))
    if simple(model) == "opencv" and float(entries.get("k4", 0)) != 0:
        raise SourceError(f"{origin}: k4 is not supported with the model OPENCV; calibrate with "
                          "k1 k2 p1 p2 [k3], or with OPENCV_FISHEYE")
    return StatedCamera(
        fx=fx, fy=float(entries.get("fl_y", fx)),
        # as in COLMAP the centre of the first pixel is 0.5
        cx=float(entries.get("cx", 0.5 * width)) - 0.5,
        cy=float(entries.get("cy", 0.5 * height)) - 0.5,
        distortion=distortion_by_keys("none" if simple(model) in _PINHOLE else model, entries,
                                      origin),
        size=size)


def _of_frames(frames: list, origin: str) -> dict[str, object]:
    cameras = {tuple((key, frame[key]) for key in _KEYS if key in frame) for frame in frames}
    if len(cameras) > 1:
        raise SourceError(f"{origin}: its frames have {len(cameras)} different cameras; give a "
                          "file of the one that took the images")
    return dict(next(iter(cameras), ()))
