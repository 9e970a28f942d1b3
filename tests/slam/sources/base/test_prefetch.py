"""Decoding ahead: order, bounds, errors, and the end of it."""

import threading

import pytest
from support.pictures import small, write_pictures

from scenecode.core.errors import SourceError
from scenecode.slam.sources import open_source
from scenecode.slam.sources.base.prefetch import AHEAD, prefetch


def test_prefetch_keeps_order_and_stays_bounded():
    made = []

    def numbers():
        for i in range(50):
            made.append(i)
            yield i

    ahead_of_consumer = [len(made) - i - 1 for i in prefetch(numbers())]
    assert made == list(range(50))
    assert max(ahead_of_consumer) <= AHEAD


def test_prefetch_raises_the_error_where_it_happened():
    def fails():
        yield 1
        raise SourceError("broken")

    items = prefetch(fails())
    assert next(items) == 1
    with pytest.raises(SourceError, match="broken"):
        next(items)


def test_leaving_the_loop_ends_the_thread_and_the_generator():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    items = prefetch(endless())
    next(items)
    items.close()
    assert closed.is_set() and threading.active_count() == before


def test_close_ends_an_iteration(tmp_path):
    write_pictures(tmp_path, [f"{i}.png" for i in range(20)])
    source = open_source(str(tmp_path), small())
    frames = iter(source)
    next(frames)
    source.close()
    assert len(list(frames)) <= AHEAD + 1
