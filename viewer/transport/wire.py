"""Messages between server and page: JSON, or a JSON header with arrays behind it.

A binary message is the length of the header (little-endian 32-bit), the header as UTF-8 JSON,
filled up with spaces so that what follows is aligned to 4 bytes, then the arrays one after the
other, each filled up to 4 bytes.  ``header["arrays"]`` names them: [name, type, count].
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

#: Names of the types of arrays as the page calls them.
_TYPES: dict[np.dtype[Any], str] = {
    np.dtype(np.uint8): "u8", np.dtype(np.uint16): "u16", np.dtype(np.uint32): "u32",
          np.dtype(np.float32): "f32", np.dtype(np.int8): "i8"}


def text_message(content: Mapping[str, Any]) -> str:
    """A message without arrays; numbers that are not finite become null."""
    return json.dumps(_plain(content), allow_nan=False, separators=(",", ":"))


def binary_message(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A message with arrays, which are sent flat."""
    listed, parts = [], []
    for name, array in arrays.items():
        data = np.ascontiguousarray(array)
        listed.append([name, _TYPES[data.dtype], data.size])
        raw = data.tobytes()
        parts += [raw, b"\0" * (-len(raw) % 4)]
    head = text_message({**header, "arrays": listed}).encode()
    head += b" " * (-len(head) % 4)
    return b"".join([struct.pack("<I", len(head)), head, *parts])


def parsed(message: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a binary message."""
    (length,) = struct.unpack_from("<I", message)
    header = json.loads(message[4 : 4 + length])
    types = {name: dtype for dtype, name in _TYPES.items()}
    arrays, at = {}, 4 + length
    for name, kind, count in header["arrays"]:
        arrays[name] = np.frombuffer(message, types[kind], count, at)
        at += -(-arrays[name].nbytes // 4) * 4
    return header, arrays


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
