"""A camera of this machine."""

from collections.abc import Callable

import cv2

from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.cameras.live import Capture, LiveCamera


def open_webcam(index: int, options: SourceOptions,
                open_capture: Callable[[int], Capture] = cv2.VideoCapture) -> LiveCamera:
    """The webcam of this number; one that is unplugged and comes back goes on."""
    return LiveCamera(
        f"webcam {index}", lambda: open_capture(index), options,
        "check that it is plugged in, that no other program uses it, and try index 0, 1, 2")
