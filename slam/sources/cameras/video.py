"""Video files, through OpenCV."""

import logging
import threading
from collections.abc import Generator, Iterator
from copy import copy
from pathlib import Path

import cv2
import numpy as np

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.base.limited_warnings import LimitedWarnings
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions, choose_camera
from scenecode.slam.sources.base.prefetch import prefetch
from scenecode.slam.sources.base.rectifier import Rectifier

#: So many frames in a row that cannot be decoded are the end of the file.
MAX_BROKEN_FRAMES = 10
#: Frame rates outside are nonsense of the container.
_PLAUSIBLE_FPS = (1.0, 1000.0)

_log = logging.getLogger(__name__)


class VideoFile:
    """A ``Source`` of the frames of one file, stamped with the presentation times of the
    container, or frame number / ``options.fps`` where that is given.

    Raises ``SourceError`` when the file cannot be opened or holds no frame.
    """

    is_live = False
    camera_is_stated = False

    def __init__(self, path: Path, options: SourceOptions):
        self.name = str(path)
        self.unreadable = 0     # written by the decoding thread
        self._path = path
        self._options = options
        self._closed = threading.Event()
        capture = _open(path)
        try:
            self.fps = options.fps or _stated_fps(capture, self.name)
            self._stated_frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            turned = _turned_clockwise(capture)
            readable, first = capture.read()
        finally:
            capture.release()
        if not readable:
            raise SourceError(f"{path}: no frame can be decoded; check that the file is complete, "
                              "or convert it to mp4 (H.264)")
        height, width = first.shape[:2]
        camera = choose_camera(options, width, height, self.name, turned_clockwise=turned)
        self._rectifier = Rectifier.for_camera(camera, options.width, options.height,
                                               camera_height=options.camera_height)

    @property
    def length(self) -> int | None:
        """As stated by the container, which may be a little wrong."""
        if self._stated_frames <= 0:
            return None
        given = -(-self._stated_frames // self._options.stride)
        most = self._options.max_frames
        return given if most is None else min(given, most)

    @property
    def original(self) -> PinholeCamera:
        return self._rectifier.original

    def __iter__(self) -> Iterator[Frame]:
        return prefetch(self._frames())

    def reopened(self, options: SourceOptions, original: PinholeCamera) -> "VideoFile":
        other = copy(self)
        other.unreadable = 0
        other._closed = threading.Event()
        other._options = options
        other._rectifier = Rectifier.for_camera(original, options.width, options.height,
                                                camera_height=options.camera_height)
        return other

    def close(self) -> None:
        """End a running iteration after the frames that are already decoded."""
        self._closed.set()

    def _frames(self) -> Generator[Frame, None, None]:
        self.unreadable = 0
        capture = _open(self._path)
        given = index = broken = 0
        stamp = None
        skipped = LimitedWarnings(_log, 1, f"{self.name}: %d frames have another size than the "
                                           "first and were skipped")
        try:
            while not self._closed.is_set() and given != self._options.max_frames:
                wanted = index % self._options.stride == 0
                bgr = _next(capture, wanted)
                if bgr is None:
                    broken += 1
                    if broken > MAX_BROKEN_FRAMES:
                        return
                else:
                    self._count_unreadable(broken, index)
                    broken = 0
                    stamp = self._stamp(capture, index, stamp)
                    if wanted and self._rectifier.fits(bgr):
                        yield self._rectifier.frame(index, stamp,
                                                    cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
                        given += 1
                    elif wanted:
                        self.unreadable += 1
                        skipped.warn("%s: skipping frame %d, which is %dx%d unlike the first",
                                     self.name, index, bgr.shape[1], bgr.shape[0])
                index += 1
        finally:
            capture.release()
            skipped.finish()

    def _stamp(self, capture: cv2.VideoCapture, index: int, last: float | None) -> float:
        """Seconds at which the frame just grabbed is shown, after ``last`` of the one before."""
        if self._options.fps is not None:
            return index / self.fps
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if last is not None and stamp <= last:
            # some containers and backends have no times, or faulty ones
            stamp = last + 1 / self.fps
        return stamp

    def _count_unreadable(self, broken: int, index: int) -> None:
        """Failed reads are broken frames only when a good one follows; else they are the end."""
        if broken:
            self.unreadable += broken
            _log.warning("%s: skipping %d frames before frame %d that cannot be decoded",
                         self.name, broken, index)


def _open(path: Path) -> cv2.VideoCapture:
    # in full: FFmpeg takes what is before a colon for a protocol
    name = str(path.absolute())
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        # OpenCV crashes on such a name
        raise SourceError(f"{path}: the name or a folder's is not UTF-8, and videos of such names "
                          "cannot be opened; rename it") from error
    capture = _capture(name)
    if not capture.isOpened():
        raise SourceError(f"{path}: not a video that can be decoded here; give an mp4, avi, mov "
                          "or mkv file, or a folder of images")
    return capture


def _capture(name: str) -> cv2.VideoCapture:
    return cv2.VideoCapture(name)


def _next(capture: cv2.VideoCapture, wanted: bool) -> np.ndarray | None:
    """The next frame; only stepped over (an empty array) when it is not wanted; None when
    it cannot be decoded."""
    if not wanted:
        return np.zeros(0) if capture.grab() else None
    readable, bgr = capture.read()
    return bgr if readable else None


def _turned_clockwise(capture: cv2.VideoCapture) -> int:
    """Degrees by which OpenCV turns the stored pictures, as the container says (phones)."""
    if not capture.get(cv2.CAP_PROP_ORIENTATION_AUTO):
        return 0
    return int(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360


def _stated_fps(capture: cv2.VideoCapture, name: str) -> float:
    fps = capture.get(cv2.CAP_PROP_FPS)
    if _PLAUSIBLE_FPS[0] <= fps <= _PLAUSIBLE_FPS[1]:
        return fps
    _log.warning("%s states %g frames per second; taking %g (change it with --fps)",
                 name, fps, DEFAULT_FPS)
    return DEFAULT_FPS
