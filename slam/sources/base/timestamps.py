"""Stamps of recordings, whatever their unit, as seconds."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Seconds between neighbouring images of a recording, at most, in the median.
_LONGEST_STEP = 5.0
#: The same where the stamps are dates, which tell their unit themselves.
_LONGEST_DATED_STEP = 3600.0
#: Seconds since 1970 from 1990 to 2100.
_DATES = (6.3e8, 4.1e9)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StampUnit:
    """A unit of time stamps."""

    name: str
    per_second: int


SECONDS, NANOSECONDS = StampUnit("seconds", 1), StampUnit("nanoseconds", 10 ** 9)
UNITS = (SECONDS, StampUnit("milliseconds", 10 ** 3), StampUnit("microseconds", 10 ** 6),
         NANOSECONDS)


def parse_stamp(text: str) -> int | float:
    """A stamp as written, whole numbers exactly: nanoseconds since 1970 exceed the 53 bits of a
    double.  Raises ``ValueError`` unless it is a finite number."""
    try:
        return int(text)
    except ValueError:
        stamp = float(text)
    if not math.isfinite(stamp):
        raise ValueError(f"a time must be finite, got {text}")
    return stamp


def recognised_unit(stamps: Sequence[int | float]) -> StampUnit:
    """The unit of the stamps of a recording's images.

    Stamps that are dates between 1990 and 2100 in one of the units are in that unit; of others
    the unit is the largest in which neighbouring images are less than 5 s apart in the median.
    """
    ordered = sorted(set(stamps))
    step = float(np.median(np.diff(np.array(ordered, np.float64)))) if len(ordered) > 1 else 0.0
    for unit in UNITS:
        if ordered and _DATES[0] <= ordered[0] / unit.per_second <= _DATES[1] \
                and step / unit.per_second < _LONGEST_DATED_STEP:
            return unit
    return next((unit for unit in UNITS if step / unit.per_second < _LONGEST_STEP), UNITS[-1])


def is_dated(stamps: Sequence[int | float], unit: StampUnit) -> bool:
    """Whether the first stamp is a date between 1990 and 2100 in this unit."""
    return len(stamps) > 0 and _DATES[0] <= stamps[0] / unit.per_second <= _DATES[1]


def seconds_from(stamps: Sequence[int | float], name: str,
                 unit: StampUnit | None = None) -> np.ndarray:
    """(N,) float64 seconds of stamps in ``unit``, by default the recognised one.

    A unit other than seconds that was recognised is announced, with ``name``.
    """
    if unit is None:
        unit = recognised_unit(stamps)
        if unit != SECONDS:
            _log.warning("%s: its stamps are taken for %s and turned into seconds", name,
                         unit.name)
    return np.array([stamp / unit.per_second for stamp in stamps], np.float64)
