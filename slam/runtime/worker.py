"""Background threads on a machine with few cores."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import torch

#: Seconds for which a thread may keep the interpreter while another waits for it.
SWITCH_INTERVAL = 1e-4


class Worker:
    """A thread that keeps its exception for the caller, and calls ``on_failure`` at once.

    ``niceness`` lowers its priority, where the operating system has priorities of threads.
    """

    def __init__(self, name: str, niceness: int, on_failure: Callable[[], None],
                 work: Callable[[], None]):
        #: set by the thread, to be read after ``join``
        self.failure: BaseException | None = None
        self._niceness = niceness
        self._on_failure = on_failure
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def _run(self) -> None:
        try:
            # a setting of each thread that starts others
            torch.set_num_threads(1)
            if sys.platform == "linux":  # elsewhere niceness belongs to whole processes
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)
            self._work()
        except BaseException as error:
            self.failure = error
            self._on_failure()

    def join(self) -> None:
        self._thread.join()


@contextmanager
def single_threaded_operations() -> Iterator[None]:
    """One thread for each operation of torch and OpenCV, so that tracking and mapping have a core
    each; and a short switch interval, since every frame waits for the interpreter here."""
    threads, interval = torch.get_num_threads(), sys.getswitchinterval()
    image_threads = cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(image_threads)
        sys.setswitchinterval(interval)
