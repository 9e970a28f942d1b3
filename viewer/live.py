"""Feeds a viewer from a running system, in a thread of its own."""

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FuturesTimeout

from scenecode.slam.records.snapshot import Snapshot
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.viewer.base import Viewer

#: Seconds between two pictures; a browser on the same two cores costs more than it shows.
PERIOD = 0.1


class ViewerThread:
    """A running ``serve`` loop; a context manager that closes the mailbox and joins.

    Whoever started it must close the mailbox, on the way out of an error too: the
    interpreter waits for the thread.  ``with serve(...)`` does that.
    """

    def __init__(self, mailbox: Mailbox[Snapshot], loop: Future[None]):
        self._mailbox = mailbox
        self._loop = loop

    def join(self, timeout: float | None = None) -> None:
        """Wait until the mailbox was closed and its last snapshot shown.

        Re-raises what the viewer raised; ``TimeoutError`` after ``timeout`` seconds.
        """
        try:
            self._loop.result(timeout)
        except FuturesTimeout as error:  # another class than TimeoutError before Python 3.11
            raise TimeoutError(*error.args) from error

    def __enter__(self) -> "ViewerThread":
        return self

    def __exit__(self, error_type, error, traceback) -> None:
        self._mailbox.close()
        wait([self._loop])
        if error_type is None:  # the body's own error comes first
            self.join()


def serve(mailbox: Mailbox[Snapshot], viewer: Viewer, period: float = PERIOD) -> ViewerThread:
    """Show the latest snapshot of ``mailbox``, at most one every ``period`` seconds.

    Returns at once.  The loop ends when the mailbox is closed and empty, or when the
    viewer raises.  The viewer stays open, so that the finished map can be looked at;
    its maker closes it after ``join``.
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix="viewer")
    loop = executor.submit(_show_latest, mailbox, viewer, period)
    executor.shutdown(wait=False)
    return ViewerThread(mailbox, loop)


def _show_latest(mailbox: Mailbox[Snapshot], viewer: Viewer, period: float) -> None:
    while (snapshot := mailbox.get()) is not None:
        started = time.monotonic()
        viewer.show(snapshot)
        spent = time.monotonic() - started
        # Half of the thread's time at most: showing a large map must not starve tracking.
        time.sleep(max(period - spent, spent))
