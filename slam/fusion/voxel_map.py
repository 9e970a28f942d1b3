"""The points of many keyframes in cells of space, from which those of one can be taken out again.

All sums are integers, so that what was added and taken out leaves nothing behind: the map does not
depend on the order of changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from scenecode.slam.records.snapshot import FusedCloud, PointCloud

#: Positions are sums of this many steps per edge of a cell.
_STEPS_BITS = 10
#: Cells per edge of a block.
_BLOCK_BITS = 5
#: Blocks along each axis, half of them on either side of the origin: kilometres.
_AXIS_BITS = 16
_LOCAL_BITS = 3 * _BLOCK_BITS
#: Columns of the sums: number of points, position, colour; then the votes for each class.
_COUNT, _POSITION, _COLOUR, _VOTES = 0, slice(1, 4), slice(4, 7), 7


@dataclass(frozen=True)
class LabelledPoints:
    """The points of one keyframe in the world frame."""

    #: (N, 3) float64 metres
    points: np.ndarray
    #: (N, 3) uint8
    colours: np.ndarray
    #: (N,) uint8 class ids
    labels: np.ndarray
    #: (N,) uint8, probability of the label times 255
    confidence: np.ndarray

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class CellSums:
    """What points contribute to the cells that they are in."""

    #: (K,) int64, rising: block and cell
    keys: np.ndarray
    #: (K, 7 + C) int32
    sums: np.ndarray

    @staticmethod
    def combined(parts: Iterable["CellSums"], columns: int) -> "CellSums":
        """The sum of several; cells where nothing remains are left out."""
        parts = list(parts)
        keys = np.concatenate([np.zeros(0, np.int64), *(part.keys for part in parts)])
        sums = np.concatenate([np.zeros((0, columns), np.int32), *(part.sums for part in parts)])
        keys, sums = _grouped(keys, sums)
        changed = sums.any(1)
        return CellSums(keys=keys[changed], sums=sums[changed])

    def negated(self) -> "CellSums":
        return CellSums(keys=self.keys, sums=-self.sums)


@dataclass(frozen=True)
class _Block:
    """The occupied cells of a cube of space."""

    #: (K,) int64, rising
    keys: np.ndarray
    #: (K, 7 + C) int32
    sums: np.ndarray

    def changed(self, keys: np.ndarray, sums: np.ndarray) -> "_Block":
        """With ``sums`` added at rising ``keys``."""
        merged = np.union1d(self.keys, keys)
        total = np.zeros((len(merged), sums.shape[1]), np.int32)
        total[np.searchsorted(merged, self.keys)] = self.sums
        total[np.searchsorted(merged, keys)] += sums
        occupied = total[:, _COUNT] > 0
        return _Block(keys=merged[occupied], sums=total[occupied])


class VoxelMap:
    """One point for each occupied cell of edge ``size`` (metres): the mean of its points and
    colours; its label has most votes, which are weighted by their confidence."""

    def __init__(self, size: float, classes: int):
        self.size = size
        self._classes = classes
        self._blocks: dict[int, _Block] = {}
        self._chunks: dict[int, PointCloud] = {}
        self._cloud = FusedCloud()

    @property
    def cloud(self) -> FusedCloud:
        """The points, one chunk for each block; unchanged chunks are the same objects as
        before."""
        return self._cloud

    def contribution(self, points: LabelledPoints) -> CellSums:
        """What points add to the cells; points kilometres away are left out."""
        steps = np.floor(points.points * ((1 << _STEPS_BITS) / self.size))
        limit = 1 << (_AXIS_BITS - 1 + _BLOCK_BITS + _STEPS_BITS)
        near = (np.abs(steps) < limit).all(1)   # false for what is not a number
        position = steps[near].astype(np.int64)
        cells = position >> _STEPS_BITS
        rows = np.empty((len(cells), _VOTES + self._classes), np.int32)
        rows[:, _COUNT] = 1
        rows[:, _POSITION] = position - (cells << _STEPS_BITS)
        rows[:, _COLOUR] = points.colours[near]
        rows[:, _VOTES:] = 0
        rows[np.arange(len(rows)), _VOTES + points.labels[near]] = points.confidence[near]
        keys, sums = _grouped(_keys(cells), rows)
        return CellSums(keys=keys, sums=sums)

    def change(self, removed: Iterable[CellSums], added: Iterable[CellSums]) -> None:
        """Take out contributions that were added before, and add others."""
        change = CellSums.combined([*(part.negated() for part in removed), *added],
                                   _VOTES + self._classes)
        if not len(change.keys):
            return
        block_keys, starts = np.unique(change.keys >> _LOCAL_BITS, return_index=True)
        ends = np.append(starts[1:], len(change.keys))
        empty = _Block(keys=change.keys[:0], sums=change.sums[:0])
        for key, start, end in zip(block_keys.tolist(), starts, ends):
            block = self._blocks.get(key, empty).changed(change.keys[start:end],
                                                         change.sums[start:end])
            if len(block.keys):
                self._blocks[key], self._chunks[key] = block, self._points(block)
            else:
                self._blocks.pop(key, None)
                self._chunks.pop(key, None)
        self._cloud = FusedCloud(dict(self._chunks))

    def _points(self, block: _Block) -> PointCloud:
        count = block.sums[:, _COUNT, None]
        # a step stands for its centre
        offset = (block.sums[:, _POSITION] / count + 0.5) / (1 << _STEPS_BITS)
        votes = block.sums[:, _VOTES:]
        labels = votes.argmax(1)
        confidence = votes[np.arange(len(votes)), labels] / (255 * count[:, 0])
        return PointCloud(
            points=((_cells(block.keys) + offset) * self.size).astype(np.float32),
            colours=np.rint(block.sums[:, _COLOUR] / count).astype(np.uint8),
            labels=labels.astype(np.uint8), confidence=confidence.astype(np.float32))


def _grouped(keys: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rising keys, each once, and the sums of their rows."""
    if not len(keys):
        return keys, rows
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    # a product with a matrix of ones is several times as fast as ``np.add.reduceat``
    members = sparse.csr_array((np.ones(len(order), rows.dtype), order,
                                np.append(starts, len(order))), (len(starts), len(order)))
    return keys[starts], members @ rows


def _keys(cells: np.ndarray) -> np.ndarray:
    """(N,) int64 of cells (N, 3): three coordinates of the block, then three of the cell in it."""
    blocks = (cells >> _BLOCK_BITS) + (1 << (_AXIS_BITS - 1))
    local = cells & ((1 << _BLOCK_BITS) - 1)
    key = np.zeros(len(cells), np.int64)
    for part, bits in ((blocks, _AXIS_BITS), (local, _BLOCK_BITS)):
        for axis in range(3):
            key = (key << bits) | part[:, axis]
    return key


def _cells(keys: np.ndarray) -> np.ndarray:
    """(N, 3) cells of keys (N,)."""
    blocks, local = keys >> _LOCAL_BITS, keys & ((1 << _LOCAL_BITS) - 1)
    axes = []
    for axis in range(3):
        block = blocks >> (_AXIS_BITS * (2 - axis)) & ((1 << _AXIS_BITS) - 1)
        cell = local >> (_BLOCK_BITS * (2 - axis)) & ((1 << _BLOCK_BITS) - 1)
        axes.append(((block - (1 << (_AXIS_BITS - 1))) << _BLOCK_BITS) + cell)
    return np.stack(axes, 1)
