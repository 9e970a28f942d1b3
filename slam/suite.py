"""Sequences with ground truth, one after the other: one table of errors, with other systems'."""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import yaml
from rich.console import Console

import configs.suites
from networks.checkpoint import load_predictor
from networks.config import from_mapping, load_yaml, override, to_mapping
from networks.datasets import data_path
from networks.device import choose_device
from networks.errors import ConfigError, ResultError
from networks.prediction import Predictor
from slam.atomic import write_text
from slam.calibration import parse_intrinsics
from slam.config import SlamConfig
from slam.evaluate import evaluate_trajectory
from slam.fusion import Fusion
from slam.lens import open_undistorted
from slam.report import truth_scores
from slam.sources.base import Source
from slam.sources.options import SourceOptions
from slam.system import System
from slam.trajectory import Trajectory, read_tum, write_tum
from slam.trajectory_plot import plot_trajectories

#: Our own rows are called so.
OURS = "scenecode"
#: Columns of the table: key, title, factor, decimals.
COLUMNS = (("ate_m", "ATE m", 1, 3), ("zero_motion_ate_m", "never moves m", 1, 3),
           ("path_length_m", "path m", 1, 2), ("rpe_m", "RPE m", 1, 4),
           ("rotation_deg", "rotation deg", 1, 2), ("coverage", "coverage %", 100, 1),
           ("depth_within_10", "depth within 10 %", 100, 1), ("abs_rel", "AbsRel", 1, 3),
           ("miou", "mIoU", 1, 3), ("fps", "frames/s", 1, 1))
#: Files written beside the plots.
RESULTS, TABLE = "results.json", "table.md"
#: Everything random starts from here, in every sequence.
SEED = 0


@dataclass(frozen=True)
class SequenceConfig:
    """One entry of a suite."""

    #: what ``scenecode run`` takes; a path may be relative to ``SCENECODE_DATA``
    source: str
    #: in the table and of the files; by default the end of the source
    name: str = ""
    #: fx, fy, cx, cy[, k1, k2, p1, p2[, k3]] of the original images
    intrinsics: tuple[float, ...] | None = None
    calib: str | None = None
    fps: float | None = None
    stride: int = 1
    max_frames: int | None = None
    #: ``NAME=FILE``: trajectories of other systems (TUM)
    compare: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.name or (Path(self.source).name or self.source)

    def open(self, width: int, height: int) -> Source:
        """Raises ``SourceError`` as ``open_undistorted`` does."""
        calib = None if self.calib is None else data_path(self.calib)
        options = SourceOptions(self.intrinsics, calib, self.fps, width, height, self.max_frames,
                                self.stride)
        path = data_path(self.source)
        return open_undistorted(str(path) if path.exists() else self.source, options)

    def others(self) -> dict[str, Trajectory]:
        """By name, what other systems made of it."""
        named = (entry.partition("=") for entry in self.compare)
        return {name: read_tum(data_path(file)) for name, _, file in named}

    def __post_init__(self):
        if not self.source:
            raise ValueError("a sequence needs a source")
        for entry in self.compare:
            if not all(entry.partition("=")):
                raise ValueError(f"compare '{entry}': expected NAME=FILE with a TUM trajectory")


@dataclass(frozen=True)
class SuiteConfig:
    """A list of sequences, as YAML gives it."""

    sequences: tuple[SequenceConfig, ...] = ()

    def __post_init__(self):
        titles = [sequence.title for sequence in self.sequences]
        doubles = {title for title in titles if titles.count(title) > 1}
        if doubles:
            raise ValueError(f"sequences must have different names: {', '.join(sorted(doubles))}")


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
    truth under ``truth``.  ``advance`` hears of every frame.

    Raises ``ResultError`` for a source without true poses.
    """
    torch.manual_seed(SEED)
    others = sequence.others()
    source = sequence.open(config.width, config.height)
    system = System(config, predictor, on_frame=lambda frame, _: advance(frame.index))
    started = time.perf_counter()
    system.run_sequential(source)
    seconds = time.perf_counter() - started
    source.close()
    truth = system.recording.true_trajectory()
    if not len(truth):
        raise ResultError(f"{sequence.title}: no ground truth; the suite compares with true poses")
    paths = {"truth": truth, OURS: system.recording.final(system.graph), **others}
    ours = {"frames": system.recording.frames, "keyframes": len(system.graph),
            "fps": system.recording.frames / seconds}
    views = Fusion(config.fusion).keyframe_views(system.graph)
    ours |= truth_scores(system.recording, views, system.graph)
    rows = [Row(sequence.title, name, _path_scores(truth, path) | (ours if name == OURS else {}))
            for name, path in paths.items() if name != "truth"]
    return rows, paths


def _path_scores(truth: Trajectory, path: Trajectory) -> dict[str, float]:
    try:
        return evaluate_trajectory(truth, path)
    except ResultError:
        # too few poses for an alignment: a system that lost nearly all of it
        return {"coverage": len(path) / len(truth)}


def markdown(rows: Sequence[Row]) -> str:
    """The table; a dash where a score is unknown."""
    titles = ["sequence", "system", *(title for _, title, _, _ in COLUMNS)]
    lines = [titles, ["---"] * len(titles),
             *([row.sequence, row.system, *_cells(row)] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: Row) -> list[str]:
    return [f"{row.scores[key] * factor:.{decimals}f}" if row.scores.get(key) is not None else "-"
            for key, _, factor, decimals in COLUMNS]


def results(rows: Sequence[Row]) -> dict:
    """``sequence`` -> system -> scores."""
    found: dict[str, dict] = {}
    for row in rows:
        found.setdefault(row.sequence, {})[row.system] = row.scores
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode evaluate sequence``."""
    parser.add_argument("sources", metavar="SOURCE", nargs="*",
                        help="what 'scenecode run' takes, with ground truth")
    parser.add_argument("--suite", metavar="FILE",
                        help="YAML list of sequences, or a shipped one: real, rooms")
    parser.add_argument("--intrinsics", metavar="fx,fy,cx,cy[,...]",
                        help="of the original images of all SOURCEs, in pixels")
    parser.add_argument("--calib", metavar="FILE", help="calibration file for all SOURCEs")
    parser.add_argument("--fps", type=float, help="frames per second of images without stamps")
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="take every N-th image")
    parser.add_argument("--max-frames", type=int, metavar="N", help="stop each after N frames")
    parser.add_argument("--compare", action="append", default=[], metavar="NAME=TUMFILE",
                        help="another system's path through the one SOURCE; may be repeated")
    parser.add_argument("--out", metavar="DIR", required=True,
                        help=f"gets {TABLE}, {RESULTS}, and a plot and the paths of each sequence")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="change one setting, for example mapping.window=8")
    parser.add_argument("--model", metavar="NAME", help="weights: a shipped name or a file")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode evaluate sequence``; Ctrl-C prints what there is.  Returns the status."""
    suite = _suite(args)
    config = replace(SlamConfig(), device=str(choose_device(args.device)))
    for assignment in args.set:
        config = override(config, assignment)
    predictor = load_predictor(args.model, config.device)
    config = replace(config, width=predictor.width, height=predictor.height)
    out = Path(args.out)
    rows: list[Row] = []
    console = Console(stderr=True)
    try:
        for sequence in suite.sequences:
            with console.status(sequence.title) as status:
                found, paths = run_sequence(
                    sequence, config, predictor,
                    lambda frame: status.update(f"{sequence.title}: frame {frame}"))
            rows += found
            # complete after every sequence
            _write(out, rows, found[0].sequence, paths, config)
    except KeyboardInterrupt:
        console.print(f"interrupted after {len({row.sequence for row in rows})} of "
                      f"{len(suite.sequences)} sequences")
    print(json.dumps(results(rows)) if args.json else markdown(rows))
    return 0


def _suite(args: argparse.Namespace) -> SuiteConfig:
    """The sequences of the suite file and those named on the command line."""
    if args.compare and len(args.sources) != 1:
        raise ConfigError("--compare belongs to one SOURCE; for several, list them in a suite file "
                          "with 'compare: [NAME=FILE]' each")
    if not args.sources and not args.suite:
        raise ConfigError("nothing to run; give a SOURCE or --suite FILE")
    listed = SuiteConfig()
    if args.suite:
        shipped = Path(configs.suites.__file__).parent / f"{args.suite}.yaml"
        file = shipped if not Path(args.suite).is_file() and shipped.is_file() else args.suite
        listed = from_mapping(SuiteConfig, load_yaml(file), str(file))
    intrinsics = None if args.intrinsics is None else parse_intrinsics(args.intrinsics)
    try:
        named = tuple(SequenceConfig(source, "", intrinsics, args.calib, args.fps, args.stride,
                                     args.max_frames, tuple(args.compare))
                      for source in args.sources)
        if args.max_frames is not None:
            listed = SuiteConfig(tuple(replace(s, max_frames=args.max_frames)
                                       for s in listed.sequences))
        return SuiteConfig(listed.sequences + named)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _write(out: Path, rows: Sequence[Row], title: str, paths: dict[str, Trajectory],
           config: SlamConfig) -> None:
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in title)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"{out}: cannot make the folder ({error.strerror}); choose another "
                          "--out") from error
    write_tum(out / f"{stem}.txt", paths[OURS])
    plot_trajectories(out / f"{stem}.png", title, paths)
    write_text(out / TABLE, markdown(rows))
    write_text(out / RESULTS, json.dumps(results(rows), indent=1))
    write_text(out / "config.yaml", yaml.safe_dump(to_mapping(config), sort_keys=False))
