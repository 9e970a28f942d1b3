"""Settings of ORB-SLAM2 and 3, OpenVSLAM and stella_vslam (``Camera.fx`` ...)."""

import logging
from typing import Any

from scenecode.core.errors import SourceError
from scenecode.slam.sources.calibration.stated_camera import (
    Content,
    StatedCamera,
    distortion_by_keys,
    simple,
    stated_size,
)

_PREFIXES = ("camera.", "camera1.")
_PINHOLE = ("fx", "fy", "cx", "cy")
_PERSPECTIVE = ("pinhole", "perspective")

_log = logging.getLogger(__name__)


def parse(content: Content, origin: str) -> StatedCamera | None:
    """The first camera, or None without ``Camera.fx`` or ``Camera1.fx``.  Raises ``SourceError``
    for lens models that are not supported, ``TypeError`` or ``ValueError`` for no numbers."""
    entries = _flat(content)
    for prefix in _PREFIXES:
        if all(prefix + key in entries for key in _PINHOLE):
            break
    else:
        return None
    fx, fy, cx, cy = (float(entries[prefix + key]) for key in _PINHOLE)
    model = entries.get("camera.type", entries.get("camera.model"))
    lens = {key: float(entries[prefix + key])
            for key in ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2") if prefix + key in entries}
    if model is None:
        model = _unstated(lens, origin)
    if simple(model) in _PERSPECTIVE and lens.get("k4"):
        raise SourceError(f"{origin}: k4 {lens['k4']:g} does not go with the model '{model}'; "
                          "state Camera.type: KannalaBrandt8 for a fisheye lens, or leave it out")
    return StatedCamera(
        fx=fx, fy=fy, cx=cx, cy=cy,
        distortion=distortion_by_keys(model, lens, origin),
        size=stated_size(entries, *((p + w, p + h) for p in _PREFIXES
                                    for w, h in (("width", "height"), ("cols", "rows")))))


def _unstated(lens: dict[str, float], origin: str) -> str:
    """The lens model of a file that does not name one, as ORB-SLAM2 and its variants for fisheye
    lenses write them: those have k1 to k4, the pinhole ones k1 k2 p1 p2 [k3]."""
    if not lens.get("k4"):
        return "pinhole"
    if "p1" not in lens and "p2" not in lens:
        _log.warning("%s names no lens model; k4 without p1 and p2 is that of a fisheye lens "
                     "(Kannala-Brandt)", origin)
        return "fisheye"
    if "k5" in lens and "k6" in lens:
        return "rational_polynomial"
    raise SourceError(f"{origin}: k4 together with p1 and p2 is neither of the pinhole nor of the "
                      "fisheye model; state Camera.type: PinHole or KannalaBrandt8 and leave out "
                      "the coefficients that it does not have")


def _flat(content: Content) -> dict[str, Any]:
    """Entries under ``Camera:`` as ``camera.fx`` ..., as stella_vslam nests them."""
    flat: dict[str, Any] = dict(content)
    if isinstance(content.get("camera"), dict):
        flat.update({f"camera.{key}".lower(): value for key, value in content["camera"].items()})
    return flat
