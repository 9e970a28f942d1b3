"""How long each part of a run took, in memory that does not grow with the run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil, floor, log

import numpy as np

#: Durations from the first to the last of these (seconds) are told apart, by ``_RATIO``.
_SHORTEST, _LONGEST, _RATIO = 1e-6, 1e4, 1.02
_BUCKETS = ceil(log(_LONGEST / _SHORTEST) / log(_RATIO))


class LatencyStatistics:
    """Count, mean, largest and quantiles of durations.

    Durations are counted in buckets of equal ratio, so that a quantile is off by less than 2 %,
    and not at all where the durations near it are equal.  Written by one thread; others may read.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, np.int64)
        self._sums = np.zeros(_BUCKETS)
        self._max = 0.0

    def __len__(self) -> int:
        """Number of durations."""
        return int(self._counts.sum())

    def add(self, seconds: float) -> None:
        """Count one more duration."""
        bucket = floor(log(max(seconds, _SHORTEST) / _SHORTEST) / log(_RATIO))
        bucket = min(bucket, _BUCKETS - 1)
        # in this order: a reader must not find a count without its sum
        self._sums[bucket] += seconds
        self._counts[bucket] += 1
        self._max = max(self._max, seconds)

    @property
    def mean(self) -> float | None:
        """Seconds; None where nothing was counted."""
        return float(self._sums.sum() / len(self)) if len(self) else None

    @property
    def max(self) -> float | None:
        """Seconds; None where nothing was counted."""
        return self._max if len(self) else None

    @property
    def median(self) -> float | None:
        """Seconds; None where nothing was counted."""
        return self.quantile(0.5)

    def quantile(self, share: float) -> float | None:
        """The duration in seconds that a ``share`` of all does not exceed, between two of them
        interpolated; None where nothing was counted."""
        counts, sums = self._counts.copy(), self._sums.copy()
        total = int(counts.sum())
        if not total:
            return None
        means, ends = sums / np.maximum(counts, 1), counts.cumsum()
        rank = share * (total - 1)
        below, above = (float(means[np.searchsorted(ends, r, side="right")])
                        for r in (floor(rank), ceil(rank)))
        return below + (rank - floor(rank)) * (above - below)


@dataclass
class Timings:
    """Durations in seconds.  Each is counted by one thread."""

    tracking: LatencyStatistics = field(default_factory=LatencyStatistics)   # tracking thread
    keyframe: LatencyStatistics = field(default_factory=LatencyStatistics)   # mapping thread
    iteration: LatencyStatistics = field(default_factory=LatencyStatistics)  # mapping thread
    #: of each piece of the search for loops
    loop: LatencyStatistics = field(default_factory=LatencyStatistics)       # mapping thread
    #: from the request for a keyframe to the end of the work on it
    lag: LatencyStatistics = field(default_factory=LatencyStatistics)        # mapping thread
    #: from the request for a keyframe until it is shown and on disk, not yet optimised
    output_lag: LatencyStatistics = field(default_factory=LatencyStatistics)  # output thread
    #: of the parts of mapping's work, by name                                mapping thread
    parts: dict[str, LatencyStatistics] = field(default_factory=dict)
    #: peak of the process that tracks, 0 when there is none; tracking thread
    tracking_memory_mb: float = 0.0

    def reset(self) -> None:
        """Forget what was counted; nothing may be counting meanwhile."""
        self.__init__()  # type: ignore[misc]  # mypy fears for subclasses, of which there are none

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the duration of what is done inside as that of a part of mapping's work."""
        started = time.perf_counter()
        yield
        self.parts.setdefault(name, LatencyStatistics()).add(time.perf_counter() - started)
