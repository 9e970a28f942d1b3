"""A share of a thread's time for work that can wait."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class TimeBudget:
    """After a piece of work that took ``t`` seconds the next one has to wait, so that all of them
    take at most ``share`` of the time."""

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic):
        self._pause = 1 / share - 1
        self._clock = clock
        self._next = clock()

    @property
    def wait(self) -> float:
        """Seconds until the next piece is due, 0 when it is."""
        return max(self._next - self._clock(), 0.0)

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count what is done inside as a piece of work."""
        started = self._clock()
        try:
            yield
        finally:
            ended = self._clock()
            self._next = ended + self._pause * (ended - started)
