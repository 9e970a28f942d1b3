"""Locks that the operating system keeps: they are released with the process, so that the lock
file of a process that died does not count."""

import logging
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from scenecode.core.errors import ResultError

_log = logging.getLogger(__name__)


def acquire(lock_file: Path, locked: Path, in_use: str) -> BaseFileLock:
    """The acquired lock, to be released by any thread when ``locked``, which it protects, is not
    written any more.

    Raises ``ResultError`` with the text ``in_use`` while another process, or another part of
    this one, holds it, and ``OSError`` where the lock file cannot be made.
    """
    lock = FileLock(lock_file, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ResultError(in_use) from error
    except NotImplementedError:
        _log.warning("%s: its file system has no locks; see to it that no other run writes there",
                     locked)
    return lock
