"""Passing the newest item from one thread to another."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds the newest item only.  Writers never wait; a reader may."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None     # guarded by _condition
        self._closed = False            # guarded by _condition
        self._woken = False             # guarded by _condition

    def put(self, item: T) -> None:
        """Replace whatever was not fetched yet."""
        with self._condition:
            self._item = item
            self._condition.notify_all()

    def merge(self, change: Callable[[T | None], T]) -> None:
        """Replace the item that was not fetched yet, or None, by what ``change`` makes of it."""
        with self._condition:
            self._item = change(self._item)
            self._condition.notify_all()

    def wake(self) -> None:
        """Let a reader go on without an item: the one that waits, or the next one."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def close(self) -> None:
        """Wake readers; an item that was not fetched yet can still be."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def get(self, timeout: float | None = None) -> T | None:
        """The newest item, waiting for one; None after ``timeout`` seconds, when closed or
        woken."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._item is not None or self._closed or self._woken, timeout)
            item, self._item, self._woken = self._item, None, False
            return item

    @property
    def has_item(self) -> bool:
        """Whether an item was not fetched yet."""
        with self._condition:
            return self._item is not None

    @property
    def closed(self) -> bool:
        with self._condition:
            return self._closed
