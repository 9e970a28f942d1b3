"""The points of a map as a page gets them: in pieces of space, packed; the beginning of a piece is
an even sample of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scenecode.slam.records.snapshot import FusedCloud, PointCloud
from scenecode.viewer.inspection.point_attributes import PointAttributes
from scenecode.viewer.transport.wire import binary_message

#: A larger chunk is split into cubes of ``SPLIT_EDGE`` metres.
LARGEST_PIECE, SPLIT_EDGE = 60_000, 1.5
#: A page gets this many points at the most, evenly from the whole map.
MAX_POINTS = 2_000_000
#: Points of all pieces together that are sent first, so that the whole map is seen at once.
FIRST_POINTS = 150_000
#: Standard deviations and errors of depth, in metres, at the ends of the scale that is sent.
STD_RANGE = 0.002, 2.0
#: Values for "not known".
NO_VALUE, NO_KEYFRAME = 0, 65535

#: What is sent of a point, and of a vertex of the surface.
RECORD = np.dtype([("position", "<u2", 3), ("label", "u1"), ("confidence", "u1"),
                    ("colour", "u1", 3), ("unused", "u1")])
_ATTRIBUTES = np.dtype([("entropy", "u1"), ("depth_std", "u1"), ("keyframe", "<u2"),
                        ("error", "u1"), ("unused", "u1", 3)])


@dataclass(frozen=True)
class Piece:
    """Some points of a chunk, in the order in which they are sent."""

    key: str
    #: the chunk that they are of, and their indices in it
    chunk: PointCloud
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    @property
    def points(self) -> np.ndarray:
        """(N, 3) float32 metres, in the order of sending."""
        return self.chunk.points[self.order]

    def message(self, first: int, end: int) -> bytes:
        """The points from ``first`` to ``end``.  Positions are 16-bit steps in the piece's box."""
        low, step, records = self._packed
        header = {"type": "points", "key": self.key, "first": first, "total": len(self),
                  "low": low, "step": step}
        return binary_message(header, {"records": records[first:end].view(np.uint8)})

    @cached_property
    def _packed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lowest corner, step and records: the same for all pages."""
        points = self.points
        low, high = points.min(0), points.max(0)
        step = np.maximum(high - low, 1e-6) / 65535
        records = np.zeros(len(self), RECORD)
        records["position"] = np.rint((points - low) / step)
        records["label"] = self.chunk.labels[self.order]
        records["confidence"] = np.rint(255 * np.clip(self.chunk.confidence[self.order], 0, 1))
        records["colour"] = self.chunk.colours[self.order]
        return low, step, records

    def attribute_message(self, attributes: PointAttributes, count: int) -> bytes:
        """Attributes of the points in the order of sending, of the first ``count``."""
        return binary_message({"type": "attributes", "key": self.key, "total": count},
                              {"records": attribute_records(attributes, count)})


class PieceStore:
    """The pieces of the newest cloud; those of a chunk that did not change stay the same."""

    def __init__(self) -> None:
        self._of_chunk: dict[int, tuple[PointCloud, list[Piece]]] = {}

    def update(self, cloud: FusedCloud) -> dict[str, Piece]:
        """All pieces by key."""
        kept = {}
        for key, chunk in cloud.chunks.items():
            known = self._of_chunk.get(key)
            kept[key] = known if known is not None and known[0] is chunk \
                else (chunk, [*_pieces(key, chunk)])
        self._of_chunk = kept
        return {piece.key: piece for _, pieces in kept.values() for piece in pieces}


def attribute_records(attributes: PointAttributes, count: int) -> np.ndarray:
    """(8 * count,) uint8: what is sent of the attributes of the first ``count`` points."""
    records = np.zeros(count, _ATTRIBUTES)
    for name, values in (("entropy", attributes.entropy[:count]),
                         ("depth_std", _share_of_range(attributes.depth_std[:count])),
                         ("error", _share_of_range(attributes.error[:count]))):
        known = np.isfinite(values)
        records[name][known] = 1 + np.rint(254 * np.clip(values[known], 0, 1))
    keyframe = attributes.keyframe[:count]
    records["keyframe"] = np.where(keyframe < 0, NO_KEYFRAME,
                                   np.minimum(keyframe, NO_KEYFRAME - 1))
    return records.view(np.uint8)


def sending_plan(sizes: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """How many points of each piece are sent first, and how many in the end."""
    total = max(sum(sizes.values()), 1)

    def share(limit: int) -> dict[str, int]:
        part = min(1.0, limit / total)
        return {key: min(size, int(np.ceil(size * part))) for key, size in sizes.items()}

    return share(FIRST_POINTS), share(MAX_POINTS)


def _pieces(key: int, chunk: PointCloud) -> Iterator[Piece]:
    if len(chunk) <= LARGEST_PIECE:
        yield Piece(key=str(key), chunk=chunk, order=_shuffled(np.arange(len(chunk))))
        return
    cells = np.floor(chunk.points / SPLIT_EDGE).astype(np.int64)
    _, inverse, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    for number, members in enumerate(np.split(order, np.cumsum(counts)[:-1])):
        yield Piece(key=f"{key}.{number}", chunk=chunk, order=_shuffled(members))


def _share_of_range(metres: np.ndarray) -> np.ndarray:
    """0 to 1, in even ratios, over ``STD_RANGE``."""
    low, high = STD_RANGE
    return np.log(np.maximum(metres, low) / low) / np.log(high / low)


def _shuffled(indices: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).permutation(indices)
