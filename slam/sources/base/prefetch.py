"""Decoding ahead in one thread, so that tracking does not wait for JPEG."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TypeVar

T = TypeVar("T")

#: Items made ahead of the consumer.
AHEAD = 4


class _Sentinel(Enum):
    END = 0


def prefetch(items: Generator[T, None, None], ahead: int = AHEAD) -> Iterator[T]:
    """The items of a generator, made by another thread, at most ``ahead`` in advance.

    An exception of the generator is raised here, in its place.  Closing this iterator
    (leaving a ``for`` loop does) stops the thread and closes the generator.
    """
    def following() -> T | _Sentinel:
        return next(items, _Sentinel.END)

    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        pending = deque(pool.submit(following) for _ in range(ahead))
        try:
            while not isinstance(item := pending.popleft().result(), _Sentinel):
                pending.append(pool.submit(following))
                yield item
        finally:
            for future in pending:
                future.cancel()
            # in the same thread as the generator runs in, after its last step
            pool.submit(items.close).result()
