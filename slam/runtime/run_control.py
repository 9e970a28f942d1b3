"""Steering a run from outside: pause, resume, stop, another map; and how the run does."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

#: Seconds over which the frame rate is measured.
RATE_WINDOW = 2.0
#: Seconds between two looks, while paused, at whether the run is to stop.
_LOOK = 0.1

Status = dict[str, float | str | None]


class RunControl:
    """Shared by the thread that runs a system and those that steer it; any thread may call.

    ``stop_event`` is that of the present run; a run that begins sets its own by ``attach``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop_event: threading.Event | None = None
        self._measure: Callable[[], Status] = dict
        self._paused = threading.Event()
        self._ended = threading.Event()
        self._wants_new_map = False
        self._held = 0.0
        self._frames: deque[float] = deque()

    def attach(self, stop_event: threading.Event, measure: Callable[[], Status]) -> None:
        """Steer another run, which ``stop_event`` ends after the present frame and of which
        ``measure`` gives ``lag_s``, ``memory_mb`` and ``waiting``."""
        with self._lock:
            self._stop_event, self._measure = stop_event, measure
            self._wants_new_map = False

    # --- of those that steer ---------------------------------------------------------

    def pause(self) -> None:
        """Take no more frames until ``resume``."""
        self._paused.set()

    def resume(self) -> None:
        self._paused.clear()

    def stop(self) -> None:
        """End the run after the present frame, so that everything is saved."""
        with self._lock:
            if self._stop_event is not None:
                self._stop_event.set()
        self._paused.clear()

    def new_map(self) -> None:
        """End the run as ``stop`` does; whoever started it then begins another one with the
        next frame."""
        with self._lock:
            self._wants_new_map = True
        self.stop()

    @property
    def wants_new_map(self) -> bool:
        """Whether the present run ends for another one."""
        with self._lock:
            return self._wants_new_map

    def status(self) -> Status:
        """``state`` (``running``, ``paused``, ``stopping`` or ``ended``), ``fps``, and what the
        run measures."""
        with self._lock:
            stopping = self._stop_event is not None and self._stop_event.is_set()
            now = time.monotonic()
            recent = [at for at in self._frames if at > now - RATE_WINDOW]
            measure = self._measure
        state = "ended" if self._ended.is_set() else "stopping" if stopping \
            else "paused" if self._paused.is_set() else "running"
        return {"state": state, "fps": len(recent) / RATE_WINDOW, **measure()}

    # --- of the thread that runs -----------------------------------------------------

    def held(self, frames: Iterable[T]) -> Iterator[T]:
        """The frames, none of them while the run is paused."""
        for frame in frames:
            started = time.monotonic()
            while self._paused.is_set() and not self._is_stopping():
                time.sleep(_LOOK)
            self._held += time.monotonic() - started
            yield frame

    @property
    def held_s(self) -> float:
        """Seconds for which the run was paused so far."""
        return self._held

    def note_frame(self) -> None:
        """A frame was processed."""
        now = time.monotonic()
        with self._lock:
            self._frames.append(now)
            while self._frames[0] < now - RATE_WINDOW:
                self._frames.popleft()

    def end(self) -> None:
        """No further run begins."""
        self._ended.set()

    def _is_stopping(self) -> bool:
        with self._lock:
            return self._stop_event is not None and self._stop_event.is_set()
