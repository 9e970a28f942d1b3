"""``scenecode bench soak``: whether hours of camera cost what minutes cost."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scenecode.core.atomic_write import write_text
from scenecode.core.console import escape, make_console
from scenecode.core.errors import ConfigError, ResultError, SourceError
from scenecode.networks.prediction import Predictor
from scenecode.slam.benchmarks.sequences import (
    SequenceConfig,
    add_sequence_arguments,
    add_system_arguments,
    file_stem,
    listed_sequences,
    load_system,
)
from scenecode.slam.benchmarks.soak.plot import plot_samples
from scenecode.slam.benchmarks.soak.samples import Sample, Sampler, sample, write_samples
from scenecode.slam.benchmarks.soak.session import Place, SessionSource
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.records.frame import Frame
from scenecode.slam.system import System
from scenecode.slam.tracking.tracker import TrackedFrame

#: An hour at 30 frames a second.
DEFAULT_FRAMES = 108_000
#: Frames of one session: five minutes.
DEFAULT_SESSION = 9_000
SAMPLES, SUMMARY, PLOT = "soak.csv", "soak.json", "soak.png"

EXAMPLES = f"""examples:
  scenecode bench soak rooms:7:300 rooms:8:300 --out soak
  scenecode bench soak rooms:7 redkitchen/ --frames 20000 --session 5000 --out soak

Sessions take turns through the sources: each is a System of its own that walks to and fro through
one of them, as fast as frames are tracked, with covered cameras, images of the next source in
random order, and jumps, and continues the map file that the session before left of this source.
What mapping cannot follow is dropped, as with a camera. DIR gets the map file and the result
folder of each source, {SAMPLES} with memory, keyframes and lag over time, {SUMMARY} and {PLOT},
after every session."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode bench soak``."""
    add_sequence_arguments(parser)
    parser.add_argument("--out", metavar="DIR", required=True, help="gets samples and results")
    parser.add_argument("--frames", type=int, default=DEFAULT_FRAMES, metavar="N",
                        help="in all (default %(default)s: an hour at 30 a second)")
    parser.add_argument("--session", type=int, default=DEFAULT_SESSION, metavar="N",
                        help="frames until the system is closed and made anew (default "
                        "%(default)s)")
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS",
                        help="between two samples (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what disturbs the walk, and when")
    add_system_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode bench soak``; Ctrl-C ends it with what there is.  Returns the status."""
    if args.frames < 1 or args.session < 1 or args.every <= 0:
        raise ConfigError("--frames, --session and --every must be positive")
    sequences = listed_sequences(args).sequences
    config, predictor = load_system(args)
    out = Path(args.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"{out}: cannot make the folder ({error.strerror}); choose another "
                          "--out") from error
    console = make_console(stderr=True)
    with console.status("reading the sources"):
        places = [_kept(sequence, config) for sequence in sequences]
    soak = Soak(config, predictor, places, out, args.seed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress, \
                Sampler(soak.take_sample, args.every):
            task = progress.add_task("soak", total=args.frames)
            soak.run(args.frames, args.session, lambda name, frames: progress.update(
                task, description=escape(name), completed=frames), lambda: _write(soak, out))
    except KeyboardInterrupt:
        console.print(f"interrupted after {soak.frames} of {args.frames} frames")
    summary = _write(soak, out)
    print(json.dumps(summary) if args.json else _text(summary), end="\n" if args.json else "")
    return 0


def _write(soak: "Soak", out: Path) -> dict[str, Any]:
    """Write what is known so far; the summary."""
    samples, summary = list(soak.samples), soak.summary()
    write_samples(out / SAMPLES, samples)
    write_text(out / SUMMARY, json.dumps(summary, indent=1) + "\n")
    plot_samples(out / PLOT, f"{soak.frames} frames, {len(soak.sessions)} sessions", samples)
    return summary


def _kept(sequence: SequenceConfig, config: SlamConfig) -> Place:
    with closing(sequence.open(config.width, config.height)) as source:
        if source.is_live:
            raise SourceError(f"{source.name} is a live camera; a soak plays recordings")
        return Place.keep(source, sequence.title)


@dataclass
class Session:
    """A walk through one place by a system of its own."""

    place: str
    frames: int = 0
    seconds: float = 0.0
    #: frames by what they showed, and how many of them were tracked
    shown: Counter[str] = field(default_factory=Counter)
    tracked: Counter[str] = field(default_factory=Counter)
    report: dict[str, Any] = field(default_factory=dict)


class Soak:
    """Sessions that take turns through some places.  ``take_sample`` may be called by another
    thread."""

    def __init__(self, config: SlamConfig, predictor: Predictor, places: Sequence[Place],
                 out: Path, seed: int):
        self._config, self._predictor = config, predictor
        self._places, self._out, self._seed = places, out, seed
        self._started = time.monotonic()
        self._system: System | None = None
        self._map_file: Path | None = None
        self.frames = 0
        self.sessions: list[Session] = []
        self.samples: list[Sample] = []

    def run(self, frames: int, session: int,
            advance: Callable[[str, int], None] = lambda name, frames: None,
            after_session: Callable[[], object] = lambda: None) -> None:
        """Play ``frames`` frames in sessions of ``session``; ``advance`` is called with the name
        of the place and the frames so far."""
        while self.frames < frames:
            number = len(self.sessions)
            place, other = (self._places[(number + k) % len(self._places)] for k in (0, 1))
            source = SessionSource(place, other, min(session, frames - self.frames),
                                   self._seed + number)
            self.sessions.append(Session(place.name))
            self._run_session(self.sessions[-1], source, advance)
            after_session()

    def _run_session(self, session: Session, source: SessionSource,
                     advance: Callable[[str, int], None]) -> None:
        before, started = self.frames, time.monotonic()

        def on_frame(frame: Frame, tracked: TrackedFrame) -> None:
            kind = source.kinds[frame.index]
            session.shown[kind] += 1
            session.tracked[kind] += not tracked.lost
            session.frames = frame.index + 1
            self.frames = before + session.frames
            advance(session.place, self.frames)

        stem = file_stem(session.place)
        self._map_file = self._out / f"{stem}.map"
        with closing(source):
            system = self._system = System(
                self._config, self._predictor, threaded=True, on_frame=on_frame,
                out=self._out / stem, map_file=self._map_file, session=session.place)
            try:
                system.run(source, realtime=False)
            finally:
                session.report = dict(system.report)
                session.seconds = time.monotonic() - started
        # frames that no map could be started from are not tracked
        session.frames = source.length
        self.frames = before + session.frames
        self.take_sample()

    def take_sample(self) -> None:
        """Note the present moment."""
        if self._system is not None:
            self.samples.append(sample(self._started, self.frames, len(self.sessions),
                                       self._system.report, self._map_file))

    def summary(self) -> dict[str, Any]:
        """What came of it, as ``soak.json`` has it; memory in MB, shares of frames by what they
        showed."""
        memory = np.array([s.resident_mb for s in self.samples] or [0.0])
        quarter = max(1, len(memory) // 4)
        shown = sum((s.shown for s in self.sessions), Counter())
        tracked = sum((s.tracked for s in self.sessions), Counter())
        return {
            "frames": self.frames,
            "seconds": sum(s.seconds for s in self.sessions),
            "resident_mb": {"peak": float(memory.max()),
                            "second_quarter": float(np.median(memory[quarter:2 * quarter]
                                                              if len(memory) > 1 else memory)),
                            "last_quarter": float(np.median(memory[-quarter:]))},
            "lag_max_ms": _largest(s.lag_max_ms for s in self.samples),
            "output_lag_max_ms": _largest(s.output_lag_max_ms for s in self.samples),
            "tracked_share": {kind: tracked[kind] / shown[kind] for kind in sorted(shown)},
            "sessions": [vars(session) for session in self.sessions]}


def _largest(values: Iterable[float | None]) -> float | None:
    """None where none is known."""
    return max((value for value in values if value is not None), default=None)


def _text(summary: dict[str, Any]) -> str:
    memory = summary["resident_mb"]
    shares = ", ".join(f"{kind} {100 * share:.1f} %"
                       for kind, share in summary["tracked_share"].items())
    return (f"{summary['frames']} frames in {summary['seconds']:.0f} s, "
            f"{len(summary['sessions'])} sessions\n"
            f"resident memory: peak {memory['peak']:.0f} MB, median of the second quarter "
            f"{memory['second_quarter']:.0f} MB, of the last {memory['last_quarter']:.0f} MB\n"
            f"longest lag to the map {_ms(summary['lag_max_ms'])}, to the disk "
            f"{_ms(summary['output_lag_max_ms'])}\n"
            f"tracked: {shares}\n")


def _ms(lag: float | None) -> str:
    return "unknown" if lag is None else f"{lag:.0f} ms"
