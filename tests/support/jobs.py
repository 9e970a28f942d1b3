"""Jobs that processes of a test run must find by import."""

import os
import signal
import time
from pathlib import Path

from scenecode.core.errors import DataError


def job(what):
    """Does what its name says."""
    if what == "raise":
        raise DataError("a.png: unreadable; fetch it again")
    if what == "exit":
        os._exit(3)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return what, os.getpid()


def slow_job(folder):
    """Says that it runs, and then takes a minute."""
    (Path(folder) / f"{os.getpid()}").touch()
    time.sleep(60)
