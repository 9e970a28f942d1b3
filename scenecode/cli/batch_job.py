"""One recording of ``scenecode batch``, in a process of its own, and its record on disk.

``DIR/NAME`` is the result folder, ``DIR/NAME.json`` the record, ``DIR/NAME.log`` the warnings and
the traceback of an error, if any.
"""

import json
import logging
import os
import platform
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scenecode.cli.batch_list import Entry, parse_arguments
from scenecode.cli.config import resolved_config
from scenecode.cli.polygon_files import require_polygons_possible, write_polygon_files
from scenecode.cli.run import open_requested, require_map, require_map_file
from scenecode.core.atomic_write import write_text
from scenecode.core.errors import ScenecodeError, SourceError
from scenecode.slam.system import System

RUNNING, FINISHED, FAILED = "running", "finished", "failed"
#: Seconds between two records of a recording that runs.
_EVERY = 1.0


@dataclass(frozen=True)
class Job:
    """A recording to be mapped."""

    entry: Entry
    #: absolute: gets result, record and log
    out: Path
    #: absolute: paths in the arguments are relative to it
    folder: Path

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def result(self) -> Path:
        return self.out / self.name

    @property
    def record(self) -> Path:
        return self.out / f"{self.name}.json"

    @property
    def log(self) -> Path:
        return self.out / f"{self.name}.log"


@dataclass(frozen=True)
class Record:
    """How far a recording is; ``state`` is ``running`` for one that was interrupted, too."""

    state: str
    arguments: tuple[str, ...]
    #: the machine and the process on it
    host: str = ""
    pid: int = 0
    #: so far
    frames: int = 0
    #: frames of the source, None where it does not know
    length: int | None = None
    seconds: float = 0.0
    error: str | None = None
    #: ``report.json`` of the result
    report: Mapping[str, Any] = field(default_factory=dict)


def read_record(job: Job) -> Record | None:
    """None where there is none, or one of another form."""
    try:
        data = json.loads(job.record.read_text(encoding="utf-8"))
        return Record(**{**data, "arguments": tuple(data["arguments"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_record(job: Job, record: Record) -> None:
    """Raises ``ResultError`` when the file system refuses."""
    write_text(job.record, json.dumps(asdict(record), indent=1) + "\n")


def is_finished(job: Job) -> bool:
    """Whether its result is there, and was made with the same arguments."""
    record = read_record(job)
    return record is not None and record.state == FINISHED \
        and record.arguments == job.entry.arguments and (job.result / "report.json").is_file()


def map_recording(job: Job) -> Record:
    """Map a recording, frame by frame in one thread, into its result folder.

    Returns the record, which is on disk as well; every error is kept there and raised nowhere.
    """
    started = time.monotonic()

    def record(state: str, **values: Any) -> Record:
        found = Record(state=state, arguments=job.entry.arguments, host=platform.node(),
                       pid=os.getpid(), seconds=time.monotonic() - started, **values)
        write_record(job, found)
        return found

    job.log.unlink(missing_ok=True)
    with _in_folder(job.folder), _logging_to(job.log) as log:
        try:
            args = parse_arguments(job.entry.arguments)
            config = resolved_config(args)
            require_map_file(args)
            if args.map_form == "polygons":
                require_polygons_possible(str(job.result))
            with closing(open_requested(args, config)) as source:
                if source.is_live:
                    raise SourceError(f"{source.name} is a live camera; a batch maps recordings")
                written = -_EVERY

                def advance(frame: Any, tracked: Any) -> None:
                    nonlocal written
                    if time.monotonic() - written >= _EVERY:
                        written = time.monotonic()
                        record(RUNNING, frames=frame.index + 1, length=source.length)

                system = System(config, out=job.result, on_frame=advance, map_file=args.map,
                                localise=args.localise, recode=args.recode, session=source.name)
                system.run(source)
            require_map(system.report)
            if args.map_form == "polygons":
                write_polygon_files(str(job.result), config.dynamic == "mask")
            report = json.loads((job.result / "report.json").read_text(encoding="utf-8"))
            return record(FINISHED, frames=report["frames"], length=report["frames"],
                          report=report)
        except ScenecodeError as error:
            return record(FAILED, error=str(error))
        except Exception as error:
            log.error("%s", traceback.format_exc())
            return record(FAILED, error=f"{type(error).__name__}: {error} (see {job.log})")


@contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _logging_to(path: Path) -> Iterator[logging.Logger]:
    """Warnings of this package go to a file, which is made at the first one."""
    log = logging.getLogger("scenecode")
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace", delay=True)
    handler.setLevel(logging.WARNING)
    log.addHandler(handler)
    try:
        yield log
    finally:
        log.removeHandler(handler)
        handler.close()
