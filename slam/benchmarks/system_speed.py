"""``scenecode bench system``: how fast the whole system is, against the size of its map."""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from scenecode.core.console import escape, make_console
from scenecode.core.errors import ConfigError, SourceError
from scenecode.networks.prediction import Predictor
from scenecode.slam.benchmarks.resting_keyframes import add_resting_keyframes
from scenecode.slam.benchmarks.sequences import SequenceConfig, add_system_arguments, load_system
from scenecode.slam.config.keyframes import KeyframeConfig
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.snapshot import Snapshot
from scenecode.slam.runtime.memory import resident_mb
from scenecode.slam.runtime.playback import paced
from scenecode.slam.sources.base.source import Source
from scenecode.slam.sources.calibration.intrinsics import parse_intrinsics
from scenecode.slam.sources.kept_frames import KeptFrames
from scenecode.slam.system import System
from scenecode.slam.tracking.timings import LatencyStatistics
from scenecode.slam.tracking.tracker import TrackedFrame

#: Keyframes of other places in the map, by default.
DEFAULT_SIZES = (10, 50, 100, 1000)
DEFAULT_SOURCE = "rooms:7:150"
#: No frame becomes a keyframe: what tracking takes alone.
_NO_KEYFRAMES = KeyframeConfig(max_translation=1e9, min_overlap=0.0, min_inlier_ratio=0.0)
#: Frames for which tracking is measured alone.
_ALONE = 120
#: Seconds between two looks at how far the output is, and until it is given up.
_POLL, _PATIENCE = 0.2, 1800.0

EXAMPLES = """examples:
  scenecode bench system                                    a built-in room, up to 1000 keyframes
  scenecode bench system redkitchen/ --intrinsics 525,525,320,240 --sizes 10 100 --json

A walk is played at its own speed, tracked, mapped and written as 'scenecode run --out' does,
once for each size.  To begin with, the map gets so many keyframes of other places, copies of those
of the walk with links, landmarks and images of their own, but random ORB descriptors.  Timing
starts when they are on disk.  All numbers of one run come from one machine: compare columns."""

#: What is measured, by name: milliseconds, or megabytes.
Measured = dict[str, float | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode bench system``."""
    parser.add_argument("source", metavar="SOURCE", nargs="?", default=DEFAULT_SOURCE,
                        help="what 'scenecode run' takes (default %(default)s)")
    parser.add_argument("--intrinsics", metavar="fx,fy,cx,cy[,...]",
                        help="of the original images, in pixels")
    parser.add_argument("--sizes", type=int, nargs="+", default=DEFAULT_SIZES, metavar="N",
                        help="keyframes of other places in the map (default "
                        f"{' '.join(map(str, DEFAULT_SIZES))})")
    parser.add_argument("--max-frames", type=int, default=150, metavar="N",
                        help="frames of the walk (default %(default)s)")
    add_system_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode bench system``; returns the exit status."""
    if min(args.sizes) < 0 or args.max_frames < 2:
        raise ConfigError("--sizes must not be negative, --max-frames at least 2")
    config, predictor = load_system(args)
    sequence = SequenceConfig(
        source=args.source, max_frames=args.max_frames,
        intrinsics=None if args.intrinsics is None else parse_intrinsics(args.intrinsics))
    console = make_console(stderr=True)
    with console.status("") as status, closing(sequence.open(config.width, config.height)) as \
            source:
        found = measure(source, config, predictor, args.sizes,
                        lambda text: status.update(escape(text)))
    if args.json:
        print(json.dumps({"sizes": found}))
    else:
        make_console().print(_table(found))
    return 0


def measure(source: Source, config: SlamConfig, predictor: Predictor, sizes: Sequence[int],
            report: Callable[[str], None] = lambda text: None) -> dict[int, Measured]:
    """What a walk costs on maps that have so many keyframes of other places.

    Raises ``SourceError`` for a camera, and for a walk of less than three keyframes.
    """
    if source.is_live:
        raise SourceError(f"{source.name}: a camera cannot be run several times; give a recording")
    report("reading the walk")
    with closing(Walk(source)) as walk:
        report("mapping the walk")
        template = _mapped(walk, config, predictor)
        if len(template) < 3:
            raise SourceError(f"{source.name}: {len(template)} keyframes are too few to measure; "
                              "give a longer walk")
        found = {}
        for size in sizes:
            report(f"{size} keyframes of other places: tracking alone")
            found[size] = _tracking_alone(walk, template, config, predictor, size)
            with tempfile.TemporaryDirectory(prefix="scenecode-bench-") as folder:
                run = _MeasuredWalk(walk, template, config, predictor, Path(folder) / "result")
                report(f"{size} keyframes of other places: they are fused and written")
                run.fill(size)
                report(f"{size} keyframes of other places: the walk")
                found[size] |= run.measured()
    return found


class Walk:
    """The frames of a source, to be had again; on disk, so that memory is that of the system."""

    def __init__(self, source: Source):
        self._kept = KeptFrames()
        self.indices: list[int] = []
        for frame in source:
            self._kept.add(replace(frame, truth=None))
            self.indices.append(frame.index)

    def frame(self, position: int) -> Frame:
        """The frame at a position from 0."""
        return self._kept.frame(self.indices[position])

    def close(self) -> None:
        self._kept.close()


def _mapped(walk: Walk, config: SlamConfig, predictor: Predictor) -> KeyframeGraph:
    system = System(config, predictor, output=NoOutput(predictor.classes))
    with system:
        for position in range(len(walk.indices)):
            system.process(walk.frame(position))
    return system.graph


def _tracking_alone(walk: Walk, template: KeyframeGraph, config: SlamConfig,
                    predictor: Predictor, size: int) -> Measured:
    """To and fro in the frames before the second keyframe, while nothing is mapped."""
    second = list(template.keyframes.values())[1].frame_index
    near = [p for p, index in enumerate(walk.indices) if index < second]
    system = System(replace(config, keyframes=_NO_KEYFRAMES), predictor, threaded=True,
                    output=NoOutput(predictor.classes))
    with system:
        system.process(walk.frame(0))
        add_resting_keyframes(system.graph, template, size)
        to_and_fro = [*near, *reversed(near)]
        for n in range(_ALONE):
            first = walk.frame(0)
            frame = walk.frame(to_and_fro[n % len(to_and_fro)])
            system.process(replace(frame, index=first.index + 1 + n,
                                   timestamp=first.timestamp + (1 + n) / 30))
    return _spread("tracking alone", system.timings.tracking)


class _MeasuredWalk:
    """The walk at its own speed, with all threads and files."""

    def __init__(self, walk: Walk, template: KeyframeGraph, config: SlamConfig,
                 predictor: Predictor, out: Path):
        self._walk, self._template = walk, template
        #: by index of a frame that was requested as a keyframe: ``time.monotonic()``
        self._requested: dict[int, float] = {}
        self._shown: set[int] = set()
        self._to_screen = LatencyStatistics()
        self._system = System(config, predictor, threaded=True, out=out, on_map=self._on_map,
                              on_frame=self._on_frame)
        self._next = 0

    def _on_frame(self, frame: Frame, tracked: TrackedFrame) -> None:
        if tracked.wants_keyframe:
            self._requested[frame.index] = time.monotonic()

    def _on_map(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        new = {view.frame_index for view in snapshot.keyframes} - self._shown
        for index in new & self._requested.keys():
            self._to_screen.add(now - self._requested[index])
        self._shown |= new

    def fill(self, size: int) -> None:
        """Begin the walk, and add keyframes of other places; returns when they are on disk."""
        system = self._system
        system.process(self._walk.frame(0))
        add_resting_keyframes(system.graph, self._template, size)
        # mapping hands them out with the answer to the next request
        self._play(lambda: len(self._requested) > 1)
        ends = time.monotonic() + _PATIENCE
        while len(system.snapshot.keyframes) < len(system.graph) \
                or len(system.timings.output_lag) < len(self._requested):
            if system.stop.is_set() or time.monotonic() > ends:
                raise SourceError("the keyframes of other places were not written in time")
            time.sleep(_POLL)
        system.timings.reset()
        self._to_screen = LatencyStatistics()

    def measured(self) -> Measured:
        """Play the rest of the walk."""
        system = self._system
        self._play(lambda: False)
        memory = resident_mb()
        system.close()
        timings = system.timings
        found = _spread("tracking beside mapping", timings.tracking)
        found |= _spread("keyframe to map", timings.lag)
        found |= _spread("keyframe to screen", self._to_screen)
        found |= _spread("keyframe to disk", timings.output_lag)
        found |= {f"{name}, mean": _ms(part.mean) for name, part in timings.parts.items()}
        found |= {"iteration, mean": _ms(timings.iteration.mean),
                  "piece of a search for loops, mean": _ms(timings.loop.mean),
                  "resident MB": memory}
        return found

    def _play(self, until: Callable[[], bool]) -> None:
        frames = (self._walk.frame(p) for p in range(self._next + 1, len(self._walk.indices)))
        for frame in paced(frames, self._system.stop):
            self._system.process(frame)
            self._next += 1
            if until():
                return


def _spread(name: str, durations: LatencyStatistics) -> Measured:
    return {f"{name}, median": _ms(durations.median),
            f"{name}, 99 %": _ms(durations.quantile(0.99))}


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def _table(found: Mapping[int, Measured]) -> Table:
    sizes = list(found)
    table = Table(title="milliseconds, where nothing else is said")
    table.add_column("keyframes of other places")
    for size in sizes:
        table.add_column(str(size), justify="right")
    largest, reference = sizes[-1], sizes[1 if len(sizes) > 2 else 0]
    table.add_column(f"{largest} / {reference}", justify="right")
    rows = dict.fromkeys(name for measured in found.values() for name in measured)
    for name in rows:
        values = [found[size].get(name) for size in sizes]
        table.add_row(name, *("-" if value is None else f"{value:.1f}" for value in values),
                      _ratio(found[largest].get(name), found[reference].get(name)))
    return table


def _ratio(value: float | None, reference: float | None) -> str:
    return "-" if value is None or not reference else f"{value / reference:.2f}"
