"""``scenecode batch``: many recordings, each in a process of its own, here or on a cluster."""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from scenecode.cli.batch_job import (
    FAILED,
    FINISHED,
    Job,
    Record,
    is_finished,
    map_recording,
    read_record,
    write_record,
)
from scenecode.cli.batch_list import read_list
from scenecode.core.console import escape, make_console
from scenecode.core.errors import ResultError
from scenecode.core.jobs import Done, completed, open_executor, usable_cores
from scenecode.slam.runtime.file_lock import acquire

EXAMPLES = """LIST is a text file with one recording a line, as after 'scenecode run':
  # lines like this one are left out
  kitchen.mp4 --intrinsics 525,525,320,240
  "living room.mp4" --calib phone.yaml --stride 2
  7scenes/chess/seq-01 --name chess-01 --max-frames 500
  7scenes/heads/seq-01 --name heads-01 --map heads.map

Every recording is mapped as by 'scenecode run SOURCE --sequential --out DIR/NAME'; NAME is the end
of SOURCE, or --name. DIR/NAME.json says how it ended, DIR/NAME.log holds its warnings. The same
command again runs what is not finished, or was changed in LIST; remove DIR/NAME.json to run one
again. A --map FILE that an interrupted recording began is continued then.

examples:
  scenecode batch list.txt --out results --workers 4
  scenecode batch list.txt --out results --each "--intrinsics 525,525,320,240 --stride 2"
  scenecode batch list.txt --out /shared/results --cluster tcp://head:8786

A cluster is Dask's (pip install 'scenecode[cluster]'): 'dask scheduler' on one machine, 'dask
worker tcp://head:8786 --nthreads 1 --nworkers N' on each; all see LIST's files and DIR under the
same names."""

#: Cores of this machine for each worker by default: one keyframe's network and optimisation use
#: about so many.
_CORES = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode batch``."""
    parser.add_argument("list", metavar="LIST", help="text file, one recording a line: SOURCE "
                        "[--name NAME] [options of scenecode run]")
    parser.add_argument("--out", metavar="DIR", required=True, help="gets a result folder each")
    parser.add_argument("--workers", type=int, metavar="N",
                        help="recordings at the same time on this machine (default: one for "
                        f"every {_CORES} cores)")
    parser.add_argument("--cluster", metavar="ADDRESS",
                        help="run by the workers of the Dask scheduler at this address instead")
    parser.add_argument("--each", metavar="OPTIONS", default="",
                        help="options of scenecode run for all recordings, in quotes; those of a "
                        "line come after them")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode batch``; returns 0 when all recordings are finished, 1 when some failed.
    Ctrl-C ends what runs; the same command goes on with it."""
    out = Path(args.out).absolute()
    jobs = [Job(entry=entry, out=out, folder=Path.cwd())
            for entry in read_list(args.list, args.each)]
    workers = max(1, usable_cores() // _CORES) if args.workers is None else args.workers
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = acquire(out / ".lock", out, f"another batch writes into {out}; give another --out, "
                       "or wait for it to end")
    except OSError as error:
        raise ResultError(f"cannot make the folder {out}: {error.strerror or error}; give another "
                          "--out") from error
    try:
        _run([job for job in jobs if not is_finished(job)], len(jobs), workers, args.cluster)
    except KeyboardInterrupt:
        make_console(stderr=True).print("interrupted; the same command goes on with what is not "
                                        "finished")
        raise
    finally:
        lock.release()
    records = {job.name: read_record(job) for job in jobs}
    _print(records, args.json)
    return 0 if all(r is not None and r.state == FINISHED for r in records.values()) else 1


def _run(jobs: Sequence[Job], total: int, workers: int, cluster: str | None) -> None:
    """Run the jobs that are left of ``total``; every one leaves a record."""
    with _Display(total, total - len(jobs)) as display, \
            open_executor(workers, cluster, one_job_each=True) as executor:
        for done in completed(executor, map_recording, jobs, display.job_starts):
            display.job_ended(done.job, _record(done))


def _record(done: Done[Job, Record]) -> Record:
    """What the job recorded, or why it could not."""
    if done.result is not None:
        return done.result
    last = read_record(done.job) or Record(state=FAILED, arguments=done.job.entry.arguments)
    record = replace(last, state=FAILED, error=str(done.error))
    write_record(done.job, record)
    return record


class _Display(Progress):
    """One bar for all recordings and one for each that runs, read from their records; on a
    terminal only.  A line for every recording that ends."""

    def __init__(self, total: int, finished: int):
        console = make_console(stderr=True)
        self._running: dict[TaskID, Job] = {}   # before rich draws for the first time
        super().__init__(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                         console=console, refresh_per_second=2, disable=not console.is_terminal)
        self._all = self.add_task("recordings", total=total, completed=finished)

    def job_starts(self, job: Job) -> None:
        """A job begins; what an earlier call recorded of it no longer holds."""
        job.record.unlink(missing_ok=True)
        self._running[self.add_task(escape(job.name), total=None)] = job

    def job_ended(self, job: Job, record: Record) -> None:
        """A job has ended."""
        task = next(task for task, other in self._running.items() if other == job)
        del self._running[task]
        self.remove_task(task)
        self.advance(self._all)
        self.console.print(f"{job.name}: {_outcome(record)}", soft_wrap=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        for task, job in list(self._running.items()):
            record = read_record(job)
            if record is not None:
                self.update(task, completed=record.frames, total=record.length)
        return super().get_renderables()


def _outcome(record: Record) -> str:
    if record.state == FAILED:
        return f"failed: {record.error}"
    return f"{record.frames} frames in {record.seconds:.0f} s"


def _print(records: dict[str, Record | None], as_json: bool) -> None:
    if as_json:
        print(json.dumps({name: None if record is None else asdict(record)
                          for name, record in records.items()}))
        return
    table = Table(title="recordings")
    for title in ("name", "state", "frames", "tracked %", "keyframes", "loops", "ATE m", "s"):
        table.add_column(title)
    failures = []
    for name, record in records.items():
        if record is None:
            table.add_row(name, "not run")
            continue
        table.add_row(name, record.state, *_figures(record))
        if record.state == FAILED:
            failures.append(f"{name}: {record.error}")
    console = make_console()
    console.print(table)
    for failure in failures:
        console.print(failure, soft_wrap=True)


def _figures(record: Record) -> list[str]:
    report = record.report
    if not report:
        return [str(record.frames), "", "", "", "", f"{record.seconds:.0f}"]
    ate: Any = report.get("ate_m")
    return [str(report["frames"]), f"{100 * report['coverage']:.1f}", str(report["keyframes"]),
            str(report["loops"]), "" if ate is None else f"{ate:.3f}", f"{record.seconds:.0f}"]
