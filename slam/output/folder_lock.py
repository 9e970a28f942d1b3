"""Keeps two runs from writing into one folder."""

import logging
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from scenecode.core.errors import ResultError

#: The file whose lock the operating system keeps; it is released with the process, so that the
#: file of a run that died does not count.
LOCK = ".lock"

_log = logging.getLogger(__name__)


def lock_folder(path: Path) -> BaseFileLock:
    """The acquired lock of a folder, to be released when nothing more is written.

    Raises ``ResultError`` while another run holds it, and ``OSError`` where the lock file cannot
    be made.
    """
    # it may be released by another thread than this one
    lock = FileLock(path / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ResultError(f"the result folder {path} is in use by another run; give another "
                          "--out, or wait for it to end (in Python: close its System)") from error
    except NotImplementedError:
        _log.warning("%s: its file system has no locks; see to it that no other run writes there",
                     path)
    return lock
