"""A live camera: a thread keeps the newest image only, so that what is tracked is now, and opens
the camera again when it is lost."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions, choose_camera
from scenecode.slam.sources.base.rectifier import Rectifier

#: Seconds without an image after which a camera is lost.
LOST_AFTER = 1.0
#: Seconds between attempts to open a lost camera again: the first, doubled up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
#: Seconds after which a lost camera is given up.
GIVE_UP_AFTER = 300.0
#: Seconds to wait after a failed read; drivers then return at once.
_PAUSE = 0.03
#: Seconds that ``close`` waits for a read that is under way.
_CLOSING = 2.0

_log = logging.getLogger(__name__)


class Capture(Protocol):
    """What is used of ``cv2.VideoCapture``."""

    def isOpened(self) -> bool: ...

    def read(self) -> tuple[bool, Any]: ...

    def get(self, propId: int) -> float: ...

    def release(self) -> None: ...


@dataclass(frozen=True)
class _Shot:
    index: int
    timestamp: float
    bgr: np.ndarray


class LiveCamera:
    """A live ``Source``: images that nobody takes in time are replaced by newer ones.

    Stamps are seconds since opening.  The stride does not apply.  A camera that is lost is
    opened again, after growing pauses; when it stays away for ``GIVE_UP_AFTER`` seconds the
    iteration ends with a warning, so that results are kept.  Raises ``SourceError`` with the
    ``cure`` when the camera cannot be opened or gives no image.
    """

    is_live = True
    length = None

    def __init__(self, name: str, open_capture: Callable[[], Capture], options: SourceOptions,
                 cure: str):
        self.name = name
        self.unreadable = 0     # written by the reader thread
        self._max_frames = options.max_frames
        self._open_capture = open_capture
        capture = open_capture()    # used by the reader thread once it runs
        first = self._first_image(capture)
        if first is None:
            capture.release()
            raise SourceError(f"{name}: cannot be opened or gives no image; {cure}")
        self.fps = options.fps or capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS
        #: whether the user stated the camera
        self.camera_is_stated = options.intrinsics is not None or options.calib is not None
        height, width = first.shape[:2]
        camera = choose_camera(options, width, height, name)
        self._rectifier = Rectifier.for_camera(camera, options.width, options.height,
                                               camera_height=options.camera_height)
        self._newest = Mailbox[_Shot]()
        self._closed = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(capture,), name="camera",
                                        daemon=True)
        self._reader.start()

    @property
    def original(self) -> PinholeCamera:
        return self._rectifier.original

    def rectify(self, original: PinholeCamera, width: int, height: int) -> None:
        """From now on give frames of this size, for images that ``original`` took: the camera of
        the same images, known better."""
        self._rectifier = Rectifier.for_camera(original, width, height,
                                               camera_height=self._rectifier.camera_height)

    def __iter__(self) -> Iterator[Frame]:
        given = 0
        while given != self._max_frames and (shot := self._newest.get()) is not None:
            yield self._rectifier.frame(shot.index, shot.timestamp,
                                        cv2.cvtColor(shot.bgr, cv2.COLOR_BGR2RGB))
            given += 1

    def close(self) -> None:
        """Stop reading, release the camera and end a running iteration."""
        self._closed.set()
        self._newest.close()
        self._reader.join(_CLOSING)

    def _first_image(self, capture: Capture) -> np.ndarray | None:
        """The first image within ``LOST_AFTER`` seconds."""
        deadline = time.monotonic() + LOST_AFTER
        while capture.isOpened():
            readable, image = capture.read()
            if readable:
                return image
            if time.monotonic() > deadline:
                return None
            time.sleep(_PAUSE)
        return None

    def _read(self, first: Capture) -> None:
        """The reader thread: images until the camera is closed or given up."""
        start = time.monotonic()
        index = 0
        capture: Capture | None = first
        while capture is not None:
            index = self._read_until_lost(capture, start, index)
            capture.release()
            capture = self._opened_again()
        self._newest.close()

    def _read_until_lost(self, capture: Capture, start: float, index: int) -> int:
        """Pass on images from ``index`` on until there are none; returns the next index."""
        last = time.monotonic()
        while not self._closed.is_set():
            readable, bgr = capture.read()
            if readable and self._rectifier.fits(bgr):
                last = time.monotonic()
                self._newest.put(_Shot(index, last - start, bgr))
            else:
                self.unreadable += 1
                # only a failed read tells a lost camera from a program that was suspended
                if time.monotonic() - last > LOST_AFTER:
                    break
                self._closed.wait(_PAUSE)
            index += 1
        return index

    def _opened_again(self) -> Capture | None:
        """The lost camera, opened again; None when this source is closed or gives it up."""
        if self._closed.is_set():
            return None
        _log.warning("%s gives no more images of the same size; trying to open it again "
                     "(for %g s)", self.name, GIVE_UP_AFTER)
        lost = time.monotonic()
        pause = FIRST_PAUSE
        while time.monotonic() - lost < GIVE_UP_AFTER:
            if self._closed.wait(pause):
                return None
            capture = self._open_capture()
            image = self._first_image(capture)
            if image is not None and self._rectifier.fits(image):
                _log.warning("%s is back after %.0f s", self.name, time.monotonic() - lost)
                return capture
            capture.release()
            pause = min(2 * pause, LONGEST_PAUSE)
        _log.warning("%s stays away; ending here", self.name)
        return None
