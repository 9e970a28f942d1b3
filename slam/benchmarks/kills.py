"""``scenecode bench kills``: a live run that keeps a map file is killed at random moments."""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from scenecode.core.atomic_write import write_text
from scenecode.core.console import make_console
from scenecode.core.errors import ResultError, ScenecodeError
from scenecode.slam.mapfile.storage.reading import check
from scenecode.slam.output.result_folder import REPORT

EXAMPLES = """examples:
  scenecode bench kills --out kills                          50 kills in a built-in room
  scenecode bench kills --source pingpong:kitchen/:100 --out kills --kills 5

Every run continues the map that the one before left.  After each kill the file must open, pass
'scenecode map check', and hold every keyframe and frame that was shown two seconds earlier."""

#: What was shown this long before a kill (seconds) must be in the file.
DURABLE_AFTER = 2.0
#: Seconds between two looks at the result folder, and until a run must have shown something.
_PERIOD, _PATIENCE = 0.1, 300.0


@dataclass(frozen=True)
class Counts:
    """What grows while a run goes on."""

    #: keyframes that were made, with those culled since
    keyframes: int
    #: frames of this run whose pose was known
    tracked: int


@dataclass(frozen=True)
class Kill:
    """The outcome of one."""

    #: seconds since the first map was shown
    after: float
    #: as they were ``DURABLE_AFTER`` before
    shown: Counts
    found: Counts
    #: why the file could not be used
    error: str | None = None

    @property
    def lost(self) -> bool:
        """Whether anything is missing."""
        return self.error is not None or self.found.keyframes < self.shown.keyframes \
            or self.found.tracked < self.shown.tracked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode bench kills``."""
    parser.add_argument("--source", default="pingpong:rooms:7:300:50",
                        help="as of 'scenecode run' (default %(default)s)")
    parser.add_argument("--out", metavar="DIR", required=True,
                        help="a new folder for map, result and kills.json")
    parser.add_argument("--kills", type=int, default=50, help="how many (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=15.0,
                        help="longest life after the first map is shown (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("run", nargs="*", metavar="-- OPTION", help="further options of "
                        "'scenecode run', after --")


def main(args: argparse.Namespace) -> int:
    """Kill and check; returns 1 when anything was lost."""
    folder = Path(args.out)
    if folder.exists():
        raise ResultError(f"{folder} exists already; give another --out")
    folder.mkdir(parents=True)
    moments, kills = random.Random(args.seed), []
    for _ in track(range(args.kills), "kills", console=make_console(stderr=True)):
        kills.append(kill_once(args.source, folder, moments.uniform(0, args.seconds), args.run))
        write_text(folder / "kills.json", json.dumps([asdict(k) for k in kills], indent=1) + "\n")
    lost = [kill for kill in kills if kill.lost]
    for kill in lost:
        reason = kill.error or f"{kill.shown} shown, {kill.found} kept"
        print(f"after {kill.after:.1f} s: {reason}")
    last = kills[-1].found if kills else Counts(0, 0)
    print(f"{len(kills)} kills, {len(lost)} with losses; the map has {last.keyframes} keyframes")
    return 1 if lost else 0


def kill_once(source: str, folder: Path, after: float, options: Sequence[str] = ()) -> Kill:
    """Start a run that continues the map in a folder, kill it so many seconds after it showed its
    first map, and look at the file."""
    map_file, out = folder / "map", folder / "result"
    report = out / REPORT
    report.unlink(missing_ok=True)
    command = ["run", source, "--map", str(map_file), "--out", str(out), *options]
    shown: list[tuple[float, Counts]] = []
    with _running(command, folder / "run.log") as process:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ResultError(f"the run ended by itself, see {folder / 'run.log'}; give a "
                                  "longer --source")
            counts = _shown(report)
            if counts is not None:
                if not shown:
                    deadline = time.monotonic() + after
                shown.append((time.monotonic(), counts))
            time.sleep(_PERIOD)
        if not shown:
            raise ResultError(f"no map was shown within {_PATIENCE:g} s, see {folder / 'run.log'}")
        killed_at = time.monotonic()
    before = [counts for at, counts in shown if at <= killed_at - DURABLE_AFTER]
    expected = before[-1] if before else Counts(keyframes=0, tracked=0)
    try:
        stored = check(map_file)
    except ScenecodeError as error:
        return Kill(after=after, shown=expected, found=Counts(0, 0), error=str(error))
    frames = stored.frames.get(max(stored.sessions))
    return Kill(after=after, shown=expected, found=Counts(
        keyframes=len(stored.keyframes) + len(stored.redirects),
        tracked=0 if frames is None else int(np.count_nonzero(~frames.lost))))


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen]:
    """A command in a process group of its own, which is killed at the end."""
    with log.open("a") as output, subprocess.Popen(
            [sys.executable, "-m", "scenecode", *command], stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True) as process:
        try:
            yield process
        finally:
            if hasattr(os, "killpg"):
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            else:
                process.kill()


def _shown(report: Path) -> Counts | None:
    """Counts in a report, None while there is none of this run."""
    try:
        content = json.loads(report.read_text(encoding="utf-8"))
        return Counts(keyframes=content["keyframes"] + content["culled"],
                      tracked=content["tracked"])
    except (OSError, ValueError, KeyError):
        return None
