"""What a soak costs, sampled while it runs."""

import csv
import io
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from scenecode.core.atomic_write import write_text
from scenecode.slam.runtime.memory import resident_mb


@dataclass(frozen=True)
class Sample:
    """One moment.  Lags are those of the present session so far, None before the first."""

    #: since the start
    seconds: float
    #: of all sessions
    frames: int
    session: int
    #: of all processes together
    resident_mb: float
    keyframes: int
    #: requests for a keyframe that a known one answered
    reused: int
    culled: int
    #: from the request for a keyframe to the end of the work on it
    lag_median_ms: float | None
    lag_max_ms: float | None
    #: until it is on disk
    output_lag_max_ms: float | None
    #: of the map file, 0 without one
    file_mb: float


def sample(started: float, frames: int, session: int, report: Mapping[str, Any],
           map_file: Path | None) -> Sample:
    """The present moment of a run that began at ``started`` (``time.monotonic``) and has that
    ``report`` so far."""
    lag, output_lag = report.get("lag_ms") or {}, report.get("output_lag_ms") or {}
    return Sample(
        seconds=time.monotonic() - started, frames=frames, session=session,
        resident_mb=resident_mb(), keyframes=report.get("keyframes", 0),
        reused=report.get("reused", 0), culled=report.get("culled", 0),
        lag_median_ms=lag.get("median"), lag_max_ms=lag.get("max"),
        output_lag_max_ms=output_lag.get("max"),
        file_mb=0.0 if map_file is None else _size_mb(map_file))


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """A CSV file with a title line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Sample)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: round(value, 3) if isinstance(value, float) else value
                      for name, value in asdict(sample).items()} for sample in samples)
    write_text(path, text.getvalue())


def _size_mb(path: Path) -> float:
    """Of a database with what it has written ahead."""
    files = [path, *path.parent.glob(f"{path.name}-*")]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


class Sampler:
    """Calls ``take`` every so many seconds, in a thread, until it is closed.  A context
    manager."""

    def __init__(self, take: Callable[[], None], every: float):
        self._take, self._every = take, every
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self._every):
            self._take()
