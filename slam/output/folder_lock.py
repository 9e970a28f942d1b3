"""Keeps two runs from writing into one folder."""

from pathlib import Path

from filelock import BaseFileLock

from scenecode.slam.runtime import file_lock

#: The file whose lock the operating system keeps.
LOCK = ".lock"


def lock_folder(path: Path) -> BaseFileLock:
    """The acquired lock of a folder, to be released when nothing more is written.

    Raises ``ResultError`` while another run holds it, and ``OSError`` where the lock file cannot
    be made.
    """
    return file_lock.acquire(
        path / LOCK, path, f"the result folder {path} is in use by another run; give another "
        "--out, or wait for it to end (in Python: close its System)")
