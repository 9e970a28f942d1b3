"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenecode.core.errors import ResultError

#: Ending of what is still being written; leftovers of a killed process bear it.
PART_SUFFIX = ".part"


def part_path(path: Path) -> Path:
    """The temporary neighbour of ``path``, in the same folder so that a rename is atomic."""
    return path.with_name(f".{path.name}{PART_SUFFIX}")


@contextmanager
def replacing(path: Path, has_other_writers: bool = False) -> Iterator[Path]:
    """Gives a temporary path; what is written there becomes ``path`` when the block succeeds.

    With ``has_other_writers`` several processes may write the file at once: the last one wins.
    Raises ``ResultError`` when the file system refuses.
    """
    temporary = part_path(path)
    if has_other_writers:
        temporary = part_path(path.with_name(f"{path.name}.{os.getpid()}"))
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise ResultError(f"cannot write {path}: {error.strerror or error}; "
                          "check the free space and the permissions of its folder") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole binary file, atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)
