"""An array that one thread appends to while others read it."""

from typing import Any

import numpy as np

_FIRST_CAPACITY = 64


class GrowingArray:
    """Rows of a structured dtype.

    One thread appends; any thread may read ``rows``.  Rows never change, so that a reader sees a
    consistent beginning of the array without a lock.
    """

    def __init__(self, dtype: np.dtype):
        self._array = np.zeros(_FIRST_CAPACITY, dtype)
        #: replaced whole
        self._rows = self._array[:0]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> np.ndarray:
        """(N,) what was appended so far; not to be written to."""
        return self._rows

    def append(self, row: tuple[Any, ...]) -> None:
        """Add one row."""
        used = len(self._rows)
        if used == len(self._array):
            # readers keep the array before
            self._array = np.resize(self._array, 2 * used)
        self._array[used] = row
        self._rows = self._array[:used + 1]

    def extend(self, rows: np.ndarray) -> None:
        """Add rows (N,) of the same dtype."""
        self._array = np.concatenate([self._rows, rows, np.zeros(_FIRST_CAPACITY, rows.dtype)])
        self._rows = self._array[:len(self._rows) + len(rows)]
