"""A recording at its own speed."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

#: Seconds; a recording that pauses for longer is played on without waiting.
LONGEST_PAUSE = 3.0

_log = logging.getLogger(__name__)


class Stamped(Protocol):
    """Anything with a time."""

    @property
    def index(self) -> int: ...

    @property
    def timestamp(self) -> float:
        """Seconds."""
        ...


T = TypeVar("T", bound=Stamped)


def paced(frames: Iterable[T], stop: threading.Event,
          held: Callable[[], float] = lambda: 0.0) -> Iterator[T]:
    """Delay every frame until a camera would have delivered it; ends early when ``stop`` is set.
    ``held`` gives the seconds for which ``frames`` held one back so far, which do not count.

    A pause of more than ``LONGEST_PAUSE`` seconds between two stamps is announced and skipped.
    """
    offset = previous = None
    for frame in frames:
        if previous is None or offset is None:
            offset = time.monotonic() - frame.timestamp - held()
        elif frame.timestamp - previous > LONGEST_PAUSE:
            _log.warning("the recording pauses for %.1f s before frame %d; going on at once",
                         frame.timestamp - previous, frame.index)
            offset -= frame.timestamp - previous
        previous = frame.timestamp
        ahead = frame.timestamp + offset + held() - time.monotonic()
        if ahead > 0 and stop.wait(ahead):
            return
        yield frame
