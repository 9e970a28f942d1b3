"""``scenecode evaluate sequence``: one table of errors of our own and of other systems."""

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.status import Status

from scenecode.core.console import escape, make_console
from scenecode.core.errors import ConfigError
from scenecode.networks.prediction import Predictor
from scenecode.slam.benchmarks.score_table import cells, markdown_table, write_results
from scenecode.slam.benchmarks.sequences import (
    SequenceConfig,
    add_sequence_arguments,
    add_system_arguments,
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
           ("depth_within_10", "depth within 10 %", 100, 1), ("abs_rel", "AbsRel", 1, 3),
           ("miou", "mIoU", 1, 3), ("fps", "frames/s", 1, 1))
#: Files written together with the plots.
RESULTS, TABLE = "results.json", "table.md"


@dataclass(frozen=True)
class Row:
    """One system on one sequence; scores that are not known are absent."""

    sequence: str
    system: str
    scores: dict[str, float]


def run_sequence(sequence: SequenceConfig, config: SlamConfig, predictor: Predictor,
                 advance: Callable[[int], None] = lambda frame: None
                 ) -> tuple[list[Row], dict[str, Trajectory]]:
    """Run one sequence and score it, with the others' trajectories; also returns the paths, the
    truth under ``truth``.  ``advance`` is called with the index of every frame.

    Raises ``ResultError`` for a source without true poses.
    """
    others = sequence.others()
    with closing(sequence.open(config.width, config.height)) as source:
        run = run_source(sequence.title, source, config, predictor, advance)
    rows = [Row(sequence.title, OURS, run.scores),
            *(Row(sequence.title, name, path_scores(run.truth, path))
              for name, path in others.items())]
    return rows, {"truth": run.truth, OURS: run.path, **others}


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
  scenecode evaluate sequence desk/ --compare ORB-SLAM3=orb.txt --out results"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode evaluate sequence``."""
    add_sequence_arguments(parser)
    parser.add_argument("--compare", action="append", default=[], metavar="NAME=TUMFILE",
                        help="another system's path through the one SOURCE; may be repeated")
    parser.add_argument("--out", metavar="DIR", required=True,
                        help=f"gets {TABLE}, {RESULTS}, and a plot and the paths of each "
                        "sequence")
    add_system_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode evaluate sequence``; Ctrl-C prints what there is.  Returns the status."""
    if args.compare and len(args.sources) != 1:
        raise ConfigError("--compare belongs to one SOURCE; for several, list them in a suite "
                          "file with 'compare: [NAME=FILE]' each")
    suite = listed_sequences(args, tuple(args.compare))
    config, predictor = load_system(args)
    out = Path(args.out)
    rows: list[Row] = []
    console = make_console(stderr=True)
    try:
        for sequence in suite.sequences:
            with console.status(escape(sequence.title)) as status:
                found, paths = run_sequence(sequence, config, predictor,
                                            partial(_show_frame, status, sequence.title))
            rows += found
            # complete after every sequence
            _write(out, rows, found[0].sequence, paths, config)
    except KeyboardInterrupt:
        console.print(f"interrupted after {len({row.sequence for row in rows})} of "
                      f"{len(suite.sequences)} sequences")
    print(json.dumps(results(rows)) if args.json else markdown(rows))
    return 0


def _show_frame(status: Status, title: str, frame: int) -> None:
    status.update(escape(f"{title}: frame {frame}"))


def _write(out: Path, rows: Sequence[Row], title: str, paths: dict[str, Trajectory],
           config: SlamConfig) -> None:
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in title)
    write_results(out, {TABLE: markdown(rows), RESULTS: json.dumps(results(rows), indent=1)},
                  config)
    write_tum(out / f"{stem}.txt", paths[OURS])
    plot_trajectories(out / f"{stem}.png", title, paths)
