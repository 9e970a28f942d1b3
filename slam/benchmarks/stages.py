"""``scenecode evaluate stages``: the same sequences without single mapping stages or residuals."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from scenecode.core.console import escape, make_console
from scenecode.core.errors import ConfigError
from scenecode.networks.prediction import Predictor
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.benchmarks.ablation import residual_variants, stage_variants
from scenecode.slam.benchmarks.score_table import cells, markdown_table, write_results
from scenecode.slam.benchmarks.sequences import (
    SequenceConfig,
    SuiteConfig,
    add_sequence_arguments,
    add_system_arguments,
    listed_sequences,
    load_system,
    run_source,
)
from scenecode.slam.benchmarks.suite import COLUMNS as SUITE_COLUMNS
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.base.source import Source

#: Columns of the tables, all against truth, see ``scenecode.slam.benchmarks.score_table.Column``.
COLUMNS = (("ate_percent", "ATE / path %", 1, 2),
           *(column for column in SUITE_COLUMNS if column[0] in (
               "rotation_deg", "coverage", "depth_within_10", "abs_rel", "miou")))
#: Rooms that are run when no sequence is given.
_DEFAULT_SEEDS = (11, 12, 13, 14)

#: ``sequence`` -> row -> scores; what is not known is absent.
Scores = dict[str, dict[str, dict[str, float]]]


def run_variants(sequences: Sequence[SequenceConfig], variants: Mapping[str, SlamConfig],
                 predictor: Predictor, report: Callable[[str], None] = lambda text: None
                 ) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Run each sequence in each variant; gives sequence, variant and scores after every run.

    A sequence is opened once for all its variants, which take images of one size.  ``report``
    is called with a line of progress.  Raises ``ConfigError`` for a camera, which cannot be run
    twice, and ``ResultError`` for a source without true poses.
    """
    first = next(iter(variants.values()))
    for number, sequence in enumerate(sequences, 1):
        place = f"{sequence.title} ({number} of {len(sequences)})"
        report(f"{place}: opening")
        with closing(_repeatable(sequence.open(first.width, first.height))) as source:
            for name, config in variants.items():
                run = run_source(sequence.title, source, config, predictor,
                                 partial(_report_frame, report, f"{place}, {name}"))
                yield sequence.title, name, run.scores | _relative_error(run.scores)


def _report_frame(report: Callable[[str], None], run: str, frame: int) -> None:
    report(f"{run}: frame {frame}")


def _relative_error(scores: Mapping[str, float]) -> dict[str, float]:
    """The position error in percent of the path, where it is known."""
    if not scores.get("path_length_m"):
        return {}
    return {"ate_percent": 100 * scores["ate_m"] / scores["path_length_m"]}


def _repeatable(source: Source) -> Source:
    """A source that can be run several times; raises ``ConfigError`` for a camera."""
    if source.is_live:
        source.close()
        raise ConfigError(f"{source.name}: a camera cannot be run several times; give a "
                          "recording with ground truth, or --seeds")
    return source if source.original is not None else _RenderedFrames(source)


class _RenderedFrames:
    """The frames of a source that renders them, rendered once for all runs."""

    def __init__(self, source: Source):
        self.name, self.fps, self.length = source.name, source.fps, source.length
        self.is_live = False
        self.original: PinholeCamera | None = None
        self._frames = list(source)
        self.unreadable = source.unreadable

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def close(self) -> None:
        """Nothing to release."""


@dataclass(frozen=True)
class Summary:
    """Each row over all sequences.

    Rows are compared on the same sequences: a score counts only those for which every row has
    it, and is absent where there is none.
    """

    #: row -> score -> mean over sequences
    mean: dict[str, dict[str, float]]
    #: row -> score -> standard deviation over sequences (of a sample), where there are two
    spread: dict[str, dict[str, float]]
    #: score -> number of sequences
    counts: dict[str, int]

    @staticmethod
    def of(found: Scores, rows: Sequence[str]) -> "Summary":
        complete = [by_row for by_row in found.values() if set(rows) <= by_row.keys()]
        summary = Summary(mean={row: {} for row in rows}, spread={row: {} for row in rows},
                          counts={})
        for key, *_ in COLUMNS:
            known = [by_row for by_row in complete if all(key in by_row[row] for row in rows)]
            summary.counts[key] = len(known)
            for row in rows if known else ():
                values = [by_row[row][key] for by_row in known]
                summary.mean[row][key] = float(np.mean(values))
                if len(known) > 1:
                    summary.spread[row][key] = float(np.std(values, ddof=1))
        return summary


def markdown(found: Scores, rows: Sequence[str]) -> str:
    """A table for each sequence, and one of the means and standard deviations with the numbers of
    sequences in them."""
    summary = Summary.of(found, rows)
    titles = ["", *(title for _, title, _, _ in COLUMNS)]
    tables = {sequence: [[row, *cells(scores, COLUMNS)] for row, scores in by_row.items()]
              for sequence, by_row in found.items()}
    tables["mean"] = [*([row, *_with_spread(summary, row)] for row in rows),
                      ["sequences", *(str(summary.counts[key]) for key, *_ in COLUMNS)]]
    return "\n".join(f"### {title}\n\n{markdown_table(titles, lines)}"
                     for title, lines in tables.items())


def _with_spread(summary: Summary, row: str) -> list[str]:
    means, spreads = (cells(scores[row], COLUMNS) for scores in (summary.mean, summary.spread))
    return [mean if spread == "-" else f"{mean} +- {spread}"
            for mean, spread in zip(means, spreads)]


def results(found: Scores, rows: Sequence[str]) -> dict:
    """What ``--json`` prints: all scores by sequence and row, the means, their standard deviations
    over sequences, and over how many sequences each is taken."""
    summary = Summary.of(found, rows)
    return {"sequences": found, "mean": summary.mean, "spread": summary.spread,
            "averaged": summary.counts}


EXAMPLES = """examples:
  scenecode evaluate stages --seeds 11 12 13 --frames 120   the schedule cut off after each stage
  scenecode evaluate stages --suite real --out tables       shipped list; below SCENECODE_DATA
  scenecode evaluate stages --suite real --residuals --out tables    without each residual"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode evaluate stages``."""
    add_sequence_arguments(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[], metavar="SEED",
                        help="rooms to walk through (default, where no other sequence is given: "
                        f"{' '.join(map(str, _DEFAULT_SEEDS))})")
    parser.add_argument("--frames", type=int, default=90,
                        help="frames of each of these walks (default %(default)s)")
    parser.add_argument("--residuals", action="store_true",
                        help="leave out one residual after the other, not one stage")
    parser.add_argument("--out", metavar="DIR", help="gets stages.md and stages.json, or "
                        "residuals.md and residuals.json, after every run")
    add_system_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode evaluate stages``; Ctrl-C prints what there is.  Returns the status."""
    suite = _suite(args)
    config, predictor = load_system(args)
    variants = residual_variants(config) if args.residuals else stage_variants(config)
    rows = list(variants)
    stem = "residuals" if args.residuals else "stages"
    found: Scores = {}
    console = make_console(stderr=True)
    try:
        with console.status("") as status:
            for sequence, row, scores in run_variants(
                    suite.sequences, variants, predictor,
                    lambda text: status.update(escape(text))):
                found.setdefault(sequence, {})[row] = scores
                if args.out:
                    texts = {f"{stem}.md": markdown(found, rows),
                             f"{stem}.json": json.dumps(results(found, rows), indent=1)}
                    write_results(Path(args.out), texts, config)
    except KeyboardInterrupt:
        console.print(f"interrupted after {sum(map(len, found.values()))} of "
                      f"{len(suite.sequences) * len(rows)} runs")
    print(json.dumps(results(found, rows)) if args.json else markdown(found, rows))
    return 0


def _suite(args: argparse.Namespace) -> SuiteConfig:
    seeds = args.seeds or (() if args.suite or args.sources else _DEFAULT_SEEDS)
    frames = args.frames if args.max_frames is None else min(args.frames, args.max_frames)
    return listed_sequences(args, more=tuple(SequenceConfig(
        source=f"rooms:{seed}:{frames}", name=f"room {seed}") for seed in seeds))
