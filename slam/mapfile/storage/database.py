"""The SQLite file of a map: opened, checked, locked against a second writer, written in
transactions.

A file is written in WAL mode with ``synchronous=FULL``: a transaction that was committed
survives the end of the process at any moment, and power loss as far as the disk keeps what it
confirmed.  The last writer folds the ``-wal`` file into the map; only a killed run leaves one.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from filelock import BaseFileLock

from scenecode.core.atomic_write import replacing
from scenecode.core.errors import ResultError
from scenecode.slam.mapfile.storage.rows import Row, sealed
from scenecode.slam.mapfile.storage.schema import (
    APPLICATION_ID,
    SqlTable,
    definition,
    migrate,
    newest_definition,
    newest_version,
)
from scenecode.slam.runtime import file_lock

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: The header of an SQLite file (https://www.sqlite.org/fileformat.html, section 1.3).
_HEADER_SIZE, _MAGIC = 100, b"SQLite format 3\0"
#: Seconds to wait while a reader keeps the write-ahead log from being folded in.
_PATIENCE = 5.0


@dataclass
class Changes:
    """Rows to be written in one transaction."""

    #: rows to be inserted, or to replace those with the same key
    rows: list[tuple[SqlTable, Row]] = field(default_factory=list)
    #: keys, or their first columns, whose rows are to be removed before
    removed: list[tuple[SqlTable, Row]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rows or self.removed)


class Database:
    """A map file that this process writes; nobody else can meanwhile.  Used by one thread at a
    time."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: BaseFileLock):
        self.path = path
        self._connection = connection
        self._lock = lock
        #: of the file that is open, whatever bears its name later
        self._identity = _identity(path)

    @staticmethod
    def create(path: Path, content: Changes) -> "Database":
        """A new file, which appears whole.

        Raises ``ResultError`` where there is one, where another run makes it, and where it cannot
        be written.
        """
        lock = _lock(path)
        try:
            if path.exists():
                raise ResultError(f"{path} exists already; give another file")
            with replacing(_real(path)) as temporary, translated(path), \
                    closing(_connect(temporary, "rwc")) as connection:
                with _transaction(connection, path):
                    migrate(connection, 0)
                    _apply(connection, content)
            return Database(path, _open(path), lock)
        except BaseException:
            _release(path, lock)
            raise

    @staticmethod
    def open(path: Path, read: Callable[[Path], T]) -> "tuple[Database, T]":
        """An existing file, migrated to the newest version, and what ``read`` makes of it while
        nobody else can change it; the file is opened for writing only after that.

        Raises what ``read`` raises, and ``ResultError`` for a file that is missing, no map, of a
        newer version, read-only, or in use by another run.
        """
        require_header(path)
        if not os.access(path, os.W_OK):    # SQLite would open it for reading
            raise ResultError(f"cannot write {path}: it is read-only; change its permissions, or "
                              "give a copy of it ('scenecode run --localise' needs to read only)")
        lock = _lock(path)
        try:
            content = read(path)
            return Database(path, _open(path), lock), content
        except BaseException:
            _release(path, lock)
            raise

    def commit(self, changes: Changes) -> None:
        """Write all of it durably, or nothing: raises ``ResultError`` for a full disk and the
        like, and the file stays as it was; and for a file that was moved or removed."""
        if changes:
            if not self._is_in_place():
                raise ResultError(f"{self._moved}; leave it until the run has ended")
            with translated(self.path), _transaction(self._connection, self.path):
                _apply(self._connection, changes)

    def vacuum(self) -> None:
        """Give unused pages back to the disk."""
        with translated(self.path):
            self._connection.execute("VACUUM")

    def close(self) -> None:
        """Fold the write-ahead log into the file and let others write it; a second call does
        nothing.  On a full disk the log stays beside the file, and belongs to it."""
        try:
            self._connection.close()
        except sqlite3.Error as error:
            _log.warning("%s: %s", self.path, error)
        wal = _wal(self.path)
        if not self._is_in_place():
            _log.warning("%s", self._moved)
        elif _size(wal):
            _log.warning("%s could not take in %s; keep both together, the next run that writes "
                         "the map does it", self.path, wal.name)
        _release(self.path, self._lock)

    def _is_in_place(self) -> bool:
        return _identity(self.path) == self._identity

    @property
    def _moved(self) -> str:
        return (f"{self.path} was moved, replaced or removed while it was written; if it was "
                f"moved, move it back beside {_wal(self.path).name}, which belongs to it")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The database of a file, at the newest version, for reading; the file itself stays as it is,
    byte for byte: an older version is migrated in memory.

    Raises ``ResultError`` for a file that is missing, no map, damaged or of a newer version.
    """
    require_header(path)
    # without a write-ahead log there is no writer, and SQLite needs no files beside this one
    mode = "ro" if _size(_wal(path)) else "ro&immutable=1"
    with translated(path), closing(_connect(path, mode)) as connection:
        # all that is read belongs to one moment, whatever a run adds meanwhile
        connection.execute("BEGIN")
        version = _require_version(connection, path)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise damaged(path, str(verdict))
        if version == newest_version():
            _require_definition(connection, path)
            yield connection
            return
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            connection.backup(copy)
            with _transaction(copy, path):
                migrate(copy, version)
            _require_definition(copy, path)
            yield copy


def require_header(path: Path) -> None:
    """Raises ``ResultError`` unless the file begins as a whole map file of a known version."""
    if path.is_dir():
        raise ResultError(f"{path} is a folder; give a map file, which --map writes")
    if path.exists() and not path.is_file():    # a pipe would be waited for
        raise ResultError(f"{path} is a device or a pipe; give a map file, which --map writes")
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_SIZE)
            size = file.seek(0, 2)
    except FileNotFoundError as error:
        raise ResultError(f"{path}: no such map file; make one with 'scenecode run SOURCE --map "
                          f"{path}'") from error
    except OSError as error:
        raise ResultError(f"cannot read {path}: {error.strerror or error}; check its "
                          "permissions") from error
    if header[:16] != _MAGIC or len(header) < _HEADER_SIZE \
            or int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise ResultError(f"{path} is no map file of scenecode; give one that --map wrote, or "
                          "another name for a new one")
    _require_known(int.from_bytes(header[60:64], "big"), path)
    page_size = int.from_bytes(header[16:18], "big")
    page_size = 1 << 16 if page_size == 1 else page_size
    pages = int.from_bytes(header[28:32], "big")
    if pages * page_size > size and not _size(_wal(path)):
        raise damaged(path, f"it has {size} bytes of {pages * page_size}")


def size_on_disk(path: Path) -> int:
    """Bytes of a map file and of the log that a running or killed run has beside it."""
    return _size(path) + _size(_wal(path))


def damaged(path: Path, rule: str) -> ResultError:
    """The error of a file whose content breaks a rule."""
    return ResultError(f"{path} is damaged: {rule}; use a copy of it, or make the map again. The "
                       "file was left as it is")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite as ``ResultError``."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "full" in text or "I/O" in text:
            raise ResultError(
                f"cannot write {path}: {text}; what was saved before is complete and stays "
                "readable. Free some space, then go on with the same --map") from error
        if "locked" in text:
            raise ResultError(f"{path} is in use by another program ({text}); close it") from error
        if "readonly" in text or "unable to open" in text:
            raise ResultError(f"cannot open {path}: {text}; check the permissions of the file and "
                              "its folder") from error
        raise damaged(path, text) from error
    except UnicodeDecodeError as error:     # in a message of SQLite's that quotes the file
        raise damaged(path, "a name in it is no text") from error


# --- parts -------------------------------------------------------------------------------


def _open(path: Path) -> sqlite3.Connection:
    """A connection that writes, at the newest version."""
    with translated(path):
        connection = _connect(path, "rw")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            version = _require_version(connection, path)
            if version < newest_version():
                with _transaction(connection, path):
                    migrate(connection, version)
            _require_definition(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # the thread of the output writes what another one opened
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True,
                                 isolation_level=None, check_same_thread=False,
                                 timeout=_PATIENCE)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _apply(connection: sqlite3.Connection, changes: Changes) -> None:
    for table, key in changes.removed:
        where = " AND ".join(f"{name} = ?" for name in tuple(table.columns)[:len(key)])
        connection.execute(f"DELETE FROM {table.name} WHERE {where or 1}", key)
    for table, row in changes.rows:
        values = sealed(table, row)
        places = ", ".join("?" * len(values))
        connection.execute(f"INSERT OR REPLACE INTO {table.name} VALUES ({places})", values)


@contextmanager
def _transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:   # SQLite itself has rolled some errors back
            connection.execute("ROLLBACK")
        raise


def _require_version(connection: sqlite3.Connection, path: Path) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise damaged(path, "its header does not fit its log")
    _require_known(version, path)
    return version


def _require_known(version: int, path: Path) -> None:
    if version > newest_version():
        raise ResultError(f"{path} has format {version} of a newer scenecode, this one reads no "
                          f"format above {newest_version()}; install a newer scenecode")


def _require_definition(connection: sqlite3.Connection, path: Path) -> None:
    if definition(connection) != newest_definition():
        raise damaged(path, "its tables are not those of a map")


def _lock(path: Path) -> BaseFileLock:
    try:
        return file_lock.acquire(
            _lock_file(path), path, f"the map {path} is in use by another run; give another file, "
            "or wait for it to end (in Python: close its System)")
    except OSError as error:
        raise ResultError(f"cannot write beside {path}: {error.strerror or error}; give a file in "
                          "a folder that exists and can be written") from error


def _release(path: Path, lock: BaseFileLock) -> None:
    try:
        # while it is held, so that nobody else can have locked this very file
        _lock_file(path).unlink(missing_ok=True)
    except OSError:
        pass    # Windows keeps files that are open
    lock.release()


def _lock_file(path: Path) -> Path:
    real = _real(path)
    return real.with_name(f".{real.name}.lock")


def _wal(path: Path) -> Path:
    real = _real(path)
    return real.with_name(f"{real.name}-wal")


def _real(path: Path) -> Path:
    """The file that symbolic links lead to: SQLite keeps the log beside it, and one lock is for
    all its names."""
    return Path(os.path.realpath(path))


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
