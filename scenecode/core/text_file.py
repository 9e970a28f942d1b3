"""Text files that people bring: as Windows, spreadsheet and robot tools write them."""

import codecs
from pathlib import Path

#: Byte-order marks and the encodings that they announce.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: str | Path, errors: str = "strict") -> str:
    """The text of a UTF-8 file (UTF-16 where a byte-order mark says so), without the mark, with
    line ends as ``\\n``.  ``errors`` is that of ``bytes.decode``: ``surrogateescape`` keeps names
    of files that are not UTF-8.

    Raises ``OSError`` where it cannot be read and ``UnicodeDecodeError`` where it is no text.
    """
    return decode_text(Path(path).read_bytes(), errors)


def decode_text(data: bytes, errors: str = "strict") -> str:
    """``read_text`` of the bytes of a file."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")
