"""A recording played to and fro: ``pingpong:SOURCE:N``.

It stands for hours of camera in one place, with images and truth of a recording of minutes.
"""

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from scenecode.core.errors import DataError, SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.base.limited_warnings import LimitedWarnings
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.prefetch import prefetch
from scenecode.slam.sources.base.source import IndexedSource, Recording, Source
from scenecode.slam.sources.kept_frames import KeptFrames

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Shown:
    """A frame of the first pass."""

    index: int
    timestamp: float


class PingPong:
    """A ``Source`` of ``passes`` passes over another one: the first forward, the second backward,
    and so on.  The frame at which it turns is shown once.

    Stamps and indices go on at the distances of the first pass, and every frame keeps its truth.
    Images are read again from an ``IndexedSource``; those of others are kept in a temporary file
    at the first pass.  At most ``max_frames`` are given out.  It owns the source and closes it.

    Raises ``SourceError`` for a live camera and for less than one pass.
    """

    is_live = False

    def __init__(self, source: Source, passes: int, max_frames: int | None = None):
        if source.is_live:
            raise SourceError(f"{source.name} is a live camera; pingpong needs a recording")
        if passes < 1:
            raise SourceError(f"pingpong of {source.name}: {passes} passes; must be at least 1")
        self.name, self.fps = f"pingpong:{source.name}:{passes}", source.fps
        self._source, self._passes, self._max_frames = source, passes, max_frames
        self._closed = threading.Event()
        #: images that a later pass could not read; written by the decoding thread
        self._lost_later = 0

    @property
    def length(self) -> int | None:
        once = self._source.length
        if once is None:
            return None
        shown = once + (self._passes - 1) * (once - 1)
        return shown if self._max_frames is None else min(shown, self._max_frames)

    @property
    def unreadable(self) -> int:
        return self._source.unreadable + self._lost_later

    @property
    def original(self) -> PinholeCamera | None:
        return self._source.original

    def __iter__(self) -> Iterator[Frame]:
        return prefetch(self._frames())

    def close(self) -> None:
        """End a running iteration after the frames that are already decoded."""
        self._closed.set()
        self._source.close()

    def _frames(self) -> Generator[Frame, None, None]:
        self._lost_later = 0
        with closing(self._all_passes()) as frames:
            for given, frame in enumerate(frames, 1):
                if self._closed.is_set():
                    return
                yield frame
                if given == self._max_frames:
                    return

    def _all_passes(self) -> Generator[Frame, None, None]:
        with ExitStack() as stack:
            kept = None
            if isinstance(self._source, IndexedSource):
                read: Callable[[int], Frame] = self._source.frame
            else:
                kept = KeptFrames()
                stack.callback(kept.close)
                read = kept.frame
            shown: list[_Shown] = []
            for frame in self._source:
                shown.append(_Shown(frame.index, frame.timestamp))
                if kept is not None and self._passes > 1:
                    kept.add(frame)
                yield frame
            for number in range(1, self._passes if shown else 0):
                yield from self._later_pass(number, shown, read)

    def _later_pass(self, number: int, shown: list[_Shown], read: Callable[[int], Frame]
                    ) -> Iterator[Frame]:
        """Pass ``number``, counted from 0, without the frame at which it starts."""
        first, last = shown[0], shown[-1]
        index = first.index + number * (last.index - first.index)
        time = first.timestamp + number * (last.timestamp - first.timestamp)
        there = shown if number % 2 == 0 else shown[::-1]
        skipped = LimitedWarnings(
            _log, 1, f"{self.name}: %d images of pass {number + 1} were skipped")
        for entry in there[1:]:
            try:
                frame = read(entry.index)
            except DataError as error:
                self._lost_later += 1
                skipped.warn("skipping an image: %s", error)
                continue
            yield replace(frame, index=index + abs(entry.index - there[0].index),
                          timestamp=time + abs(entry.timestamp - there[0].timestamp))
        skipped.finish()


class PingPongRecording(PingPong):
    """Of a ``Recording``, so that the distortion of its lens can be measured and undone."""

    def __init__(self, recording: Recording, passes: int, max_frames: int | None = None):
        super().__init__(recording, passes, max_frames)
        #: what is played; its images once are all that there are
        self.recording = recording

    @property
    def original(self) -> PinholeCamera:
        return self.recording.original

    @property
    def camera_is_stated(self) -> bool:
        return self.recording.camera_is_stated

    def reopened(self, options: SourceOptions, original: PinholeCamera) -> "PingPongRecording":
        once = self.recording.reopened(replace(options, max_frames=None), original)
        return PingPongRecording(once, self._passes, options.max_frames)


def play_to_and_fro(source: Source, passes: int, max_frames: int | None = None) -> PingPong:
    """``PingPong`` of a source; a ``Recording`` stays one."""
    if isinstance(source, Recording):
        return PingPongRecording(source, passes, max_frames)
    return PingPong(source, passes, max_frames)
