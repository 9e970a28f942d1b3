"""Chunks of a distance field in bounded memory: those not used for long are on the disk."""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np

from scenecode.slam.records.triangle_mesh import ChunkKey
from scenecode.slam.surface.truncated_distance import Chunk


class ChunkStore:
    """Chunks by key.  What exceeds ``budget`` bytes is compressed into a temporary file, which
    disappears with the store.  One thread at a time may call."""

    def __init__(self, classes: int, budget: int):
        self._classes = classes
        #: least recently used first
        self._loaded: OrderedDict[ChunkKey, Chunk] = OrderedDict()
        #: all keys; whether the file has what the chunk holds now
        self._is_filed: dict[ChunkKey, bool] = {}
        self._most = max(16, budget // Chunk.empty(classes).num_bytes)
        self._file: sqlite3.Connection | None = None
        self._keys: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._is_filed)

    def __contains__(self, key: object) -> bool:
        return key in self._is_filed

    def __iter__(self) -> Iterator[ChunkKey]:
        return iter(self._is_filed)

    @property
    def loaded(self) -> int:
        """How many are in memory."""
        return len(self._loaded)

    @property
    def keys(self) -> np.ndarray:
        """(K, 3) int64, in the order of iteration."""
        if self._keys is None:
            self._keys = np.array([*self._is_filed], np.int64).reshape(-1, 3)
        return self._keys

    def add(self, key: ChunkKey) -> None:
        """A new, empty chunk."""
        self._is_filed[key], self._keys = False, None
        self._keep(key, Chunk.empty(self._classes))

    def remove(self, key: ChunkKey) -> None:
        del self._is_filed[key]
        self._keys = None
        self._loaded.pop(key, None)
        if self._file is not None:
            self._file.execute("DELETE FROM chunks WHERE x = ? AND y = ? AND z = ?", key)

    def get(self, key: ChunkKey) -> Chunk | None:
        """A chunk to look at, or None."""
        if key not in self._is_filed:
            return None
        chunk = self._loaded.get(key)
        if chunk is None:
            assert self._file is not None   # where else
            (data,) = self._file.execute(
                "SELECT data FROM chunks WHERE x = ? AND y = ? AND z = ?", key).fetchone()
            chunk = Chunk.unpacked(data, self._classes)
            self._keep(key, chunk)
        self._loaded.move_to_end(key)
        return chunk

    def changing(self, key: ChunkKey) -> Chunk:
        """A chunk that is changed in place before the next call."""
        chunk = self.get(key)
        if chunk is None:
            raise KeyError(key)
        self._is_filed[key] = False
        return chunk

    def _keep(self, key: ChunkKey, chunk: Chunk) -> None:
        self._loaded[key] = chunk
        while len(self._loaded) > self._most:
            oldest, full = self._loaded.popitem(last=False)
            if not self._is_filed[oldest]:
                self._write(oldest, full)

    def _write(self, key: ChunkKey, chunk: Chunk) -> None:
        if self._file is None:
            # the empty name is a temporary file of its own; transactions would only cost time
            self._file = sqlite3.connect("", check_same_thread=False, isolation_level=None)
            self._file.execute("CREATE TABLE chunks (x INTEGER, y INTEGER, z INTEGER, data BLOB, "
                               "PRIMARY KEY (x, y, z)) WITHOUT ROWID")
        self._file.execute("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?)",
                           (*key, chunk.packed()))
        self._is_filed[key] = True
