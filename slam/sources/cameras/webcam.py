"""A camera: a thread keeps the newest image only, so that what is tracked is now."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from scenecode.core.errors import SourceError
from scenecode.slam.records.frame import Frame
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions, choose_camera
from scenecode.slam.sources.base.rectifier import Rectifier

#: A camera that gives no image for so many reads in a row is unplugged.
MAX_FAILED_READS = 30
#: Seconds to wait after a failed read; drivers then return at once.
_PAUSE = 0.03

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Shot:
    index: int
    timestamp: float
    bgr: np.ndarray


class Webcam:
    """A live ``Source``: images that nobody takes in time are replaced by newer ones.

    Stamps are seconds since opening.  The stride does not apply.  An unplugged camera ends
    the iteration with a warning, so that results are kept.  Raises ``SourceError`` when the
    camera cannot be opened or gives no image.
    """

    is_live = True
    original = None
    length = None

    def __init__(self, index: int, options: SourceOptions,
                 open_capture: Callable[[int], cv2.VideoCapture] = cv2.VideoCapture):
        self.name = f"webcam {index}"
        self.unreadable = 0     # written by the reader thread
        self._max_frames = options.max_frames
        self._capture = open_capture(index)     # used by the reader thread once it runs
        first = self._first_image()
        self.fps = options.fps or self._capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS
        height, width = first.shape[:2]
        camera = choose_camera(options, width, height, self.name)
        self._rectifier = Rectifier.for_camera(camera, options.width, options.height)
        self._newest: Mailbox[_Shot] = Mailbox()
        self._closed = threading.Event()
        self._reader = threading.Thread(target=self._read, name="webcam", daemon=True)
        self._reader.start()

    def __iter__(self) -> Iterator[Frame]:
        given = 0
        while given != self._max_frames and (shot := self._newest.get()) is not None:
            yield self._rectifier.frame(shot.index, shot.timestamp,
                                          cv2.cvtColor(shot.bgr, cv2.COLOR_BGR2RGB))
            given += 1

    def close(self) -> None:
        """Stop reading, release the camera and end a running iteration."""
        self._closed.set()
        self._reader.join()

    def _first_image(self) -> np.ndarray:
        if self._capture.isOpened():
            for _ in range(MAX_FAILED_READS):
                readable, image = self._capture.read()
                if readable:
                    return image
        self._capture.release()
        raise SourceError(f"{self.name}: cannot be opened or gives no image; check that it is "
                          "plugged in, that no other program uses it, and try index 0, 1, 2")

    def _read(self) -> None:
        start = time.monotonic()
        index = failed = 0
        while not self._closed.is_set() and failed < MAX_FAILED_READS:
            readable, bgr = self._capture.read()
            if readable and self._rectifier.fits(bgr):
                failed = 0
                self._newest.put(_Shot(index, time.monotonic() - start, bgr))
            else:
                failed += 1
                self.unreadable += 1
                self._closed.wait(_PAUSE)
            index += 1
        if failed >= MAX_FAILED_READS:
            _log.warning("%s gives no more images; was it unplugged? Ending here", self.name)
        self._capture.release()
        self._newest.close()
