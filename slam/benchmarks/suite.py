"""``scenecode evaluate sequence``: one table of errors of our own and of other systems."""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.status import Status

from scenecode.core.console import escape, make_console
from scenecode.core.errors import ConfigError, ScenecodeError
from scenecode.core.jobs import completed, open_executor
from scenecode.networks.inference.combined import load_front_end
from scenecode.networks.prediction import Predictor
from scenecode.slam.benchmarks.score_table import cells, markdown_table, write_results
from scenecode.slam.benchmarks.sequences import (
    SequenceConfig,
    SuiteConfig,
    add_sequence_arguments,
    add_system_arguments,
    file_stem,
    listed_sequences,
    load_system,
    path_scores,
    run_source,
)
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.evaluation.trajectory_plot import plot_trajectories
from scenecode.slam.records.trajectory import Trajectory, write_tum

#: System name of our own rows.
OURS = "scenecode"
#: Columns of the table, see ``scenecode.slam.benchmarks.score_table.Column``.
COLUMNS = (("ate_m", "ATE m", 1, 3), ("zero_motion_ate_m", "never moves m", 1, 3),
           ("path_length_m", "path m", 1, 2), ("rpe_m", "RPE m", 1, 4),
           ("rotation_deg", "rotation deg", 1, 2), ("coverage", "coverage %", 100, 1),
           ("depth_within_10", "depth within 10 %", 100, 1),
           ("depth_within_10_metric", "at the map's scale %", 100, 1),
           ("depth_confident_within_10", "of confident %", 100, 1),
           ("depth_confident_share", "confident %", 100, 1), ("abs_rel", "AbsRel", 1, 3),
           ("miou", "mIoU", 1, 3), ("fps", "frames/s", 1, 1))
#: Files written together with the plots.
RESULTS, TABLE = "results.json", "table.md"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One system on one sequence; scores that are not known are absent."""

    sequence: str
    system: str
    scores: dict[str, float]


@dataclass(frozen=True)
class Job:
    """A sequence to be run; the network is loaded where that is done."""

    sequence: SequenceConfig
    config: SlamConfig
    #: as ``--model`` gives it
    model: str | None


@dataclass(frozen=True)
class Found:
    """What came of a sequence."""

    rows: list[Row]
    #: of each system; the truth under ``truth``
    paths: dict[str, Trajectory]


def run_job(job: Job) -> Found:
    """``run_sequence`` of a job, in whichever process."""
    return run_sequence(job.sequence, job.config, load_front_end(job.model, job.config.device))


def run_sequence(sequence: SequenceConfig, config: SlamConfig, predictor: Predictor) -> Found:
    """Run one sequence and score it, with the others' trajectories.

    Raises ``ResultError`` for a source without true poses.
    """
    others = sequence.others()
    with closing(sequence.open(config.width, config.height)) as source:
        run = run_source(sequence.title, source, config, predictor)
    rows = [Row(sequence.title, OURS, run.scores),
            *(Row(sequence.title, name, path_scores(run.truth, path))
              for name, path in others.items())]
    return Found(rows, {"truth": run.truth, OURS: run.path, **others})


def markdown(rows: Sequence[Row]) -> str:
    """The table; a dash where a score is unknown."""
    return markdown_table(["sequence", "system", *(title for _, title, _, _ in COLUMNS)],
                          [[row.sequence, row.system, *cells(row.scores, COLUMNS)]
                           for row in rows])


def results(rows: Sequence[Row]) -> dict:
    """``sequence`` -> system -> scores."""
    found: dict[str, dict] = {}
    for row in rows:
        found.setdefault(row.sequence, {})[row.system] = row.scores
    return found


EXAMPLES = """examples:
  scenecode evaluate sequence rooms:21 rooms:22 --out results
  scenecode evaluate sequence --suite real --out results    shipped list; below SCENECODE_DATA
  scenecode evaluate sequence --suite rooms --workers 4 --out results
  scenecode evaluate sequence desk/ --compare ORB-SLAM3=orb.txt --out results"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode evaluate sequence``."""
    add_sequence_arguments(parser)
    parser.add_argument("--compare", action="append", default=[], metavar="NAME=TUMFILE",
                        help="another system's path through the one SOURCE; may be repeated")
    parser.add_argument("--out", metavar="DIR", required=True,
                        help=f"gets {TABLE}, {RESULTS}, and a plot and the paths of each "
                        "sequence")
    parser.add_argument("--workers", type=int, default=1, metavar="N",
                        help="sequences at the same time, in processes of their own from 2 on "
                        "(default %(default)s); frames/s are fewer then")
    parser.add_argument("--cluster", metavar="ADDRESS",
                        help="run by the workers of the Dask scheduler at this address instead; "
                        "paths must be the same there")
    add_system_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode evaluate sequence``; Ctrl-C prints what there is.  Returns the status: 1
    when a sequence failed, which is told and leaves the others alone."""
    if args.compare and len(args.sources) != 1:
        raise ConfigError("--compare belongs to one SOURCE; for several, list them in a suite "
                          "file with 'compare: [NAME=FILE]' each")
    suite = listed_sequences(args, tuple(args.compare))
    config, _ = load_system(args)  # wrong settings and weights are an error here
    jobs = [Job(sequence, config, args.model) for sequence in suite.sequences]
    rows: dict[str, list[Row]] = {}
    failed = 0
    console = make_console(stderr=True)
    try:
        with console.status("") as status, open_executor(args.workers, args.cluster) as executor:
            for done in completed(executor, run_job, jobs, partial(_show_start, status)):
                title = done.job.sequence.title
                if done.result is None:
                    failed += 1
                    _tell_failure(console, title, done.error)
                    continue
                rows[title] = done.result.rows
                # complete after every sequence
                _write(Path(args.out), _in_order(rows, suite), title, done.result.paths, config)
    except KeyboardInterrupt:
        console.print(f"interrupted after {len(rows)} of {len(jobs)} sequences")
    if rows:
        listed = _in_order(rows, suite)
        print(json.dumps(results(listed)) if args.json else markdown(listed))
    return 1 if failed else 0


def _in_order(rows: Mapping[str, list[Row]], suite: SuiteConfig) -> list[Row]:
    """The rows of the sequences that are done, in the order of the suite."""
    return [row for sequence in suite.sequences for row in rows.get(sequence.title, [])]


def _show_start(status: Status, job: Job) -> None:
    status.update(escape(job.sequence.title))


def _tell_failure(console: Console, title: str, error: Exception | None) -> None:
    if isinstance(error, ScenecodeError):
        console.print(f"{title}: {error}", soft_wrap=True)
    else:
        _log.error("%s", title, exc_info=error)


def _write(out: Path, rows: Sequence[Row], title: str, paths: dict[str, Trajectory],
           config: SlamConfig) -> None:
    stem = file_stem(title)
    write_results(out, {TABLE: markdown(rows), RESULTS: json.dumps(results(rows), indent=1)},
                  config)
    write_tum(out / f"{stem}.txt", paths[OURS])
    plot_trajectories(out / f"{stem}.png", title, paths)
