"""Network cameras: any URL that OpenCV's FFmpeg opens, such as ``rtsp://`` and MJPEG over HTTP."""

import re

import cv2

from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.cameras.live import Capture, LiveCamera

#: Milliseconds that FFmpeg waits for a connection, and for the next image.
_TIMEOUT_MS = 5000

#: A drive letter of Windows is no scheme.
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=//)[^/@]*@")


def is_url(spec: str) -> bool:
    """True for ``scheme://...``."""
    return _URL.match(spec) is not None


def open_network_camera(url: str, options: SourceOptions) -> LiveCamera:
    """The camera at a URL, its newest image only; a lost connection is made again."""
    return LiveCamera(
        _CREDENTIALS.sub("", url), lambda: _capture(url), options,
        "check the address, user and password with another player (for example ffplay)")


def _capture(url: str) -> Capture:
    return cv2.VideoCapture(url, cv2.CAP_FFMPEG, [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS])
