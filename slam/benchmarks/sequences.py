"""Sequences with ground truth: how they are listed, opened, run and scored."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from scenecode.core.device import choose_device
from scenecode.core.errors import ConfigError, ResultError
from scenecode.core.shipped import find_config
from scenecode.core.strict_config import from_mapping, load_yaml
from scenecode.networks.data.datasets import data_path
from scenecode.networks.inference.combined import load_front_end
from scenecode.networks.prediction import Predictor
from scenecode.slam.calibration.opening import open_calibrated
from scenecode.slam.config.files import changed
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.evaluation.scores import trajectory_errors
from scenecode.slam.evaluation.truth_scorer import TruthScorer
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.records.trajectory import Trajectory, read_tum
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.source import Source
from scenecode.slam.sources.calibration.intrinsics import parse_intrinsics
from scenecode.slam.system import System

#: Everything random starts from here, in every run.
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
    #: stored steps of one metre of true depth, where the folder does not state them
    depth_scale: float | None = None
    #: ``NAME=FILE``: trajectories of other systems (TUM)
    compare: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.name or (Path(self.source).name or self.source)

    def open(self, width: int, height: int) -> Source:
        """Raises ``SourceError`` as ``open_calibrated`` does."""
        calib = None if self.calib is None else data_path(self.calib)
        options = SourceOptions(intrinsics=self.intrinsics, calib=calib, fps=self.fps, width=width,
                                height=height, max_frames=self.max_frames, stride=self.stride,
                                depth_scale=self.depth_scale)
        path = data_path(self.source)
        return open_calibrated(str(path) if path.exists() else self.source, options)

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


def file_stem(title: str) -> str:
    """A title as the name of a file or folder, on every file system and not hidden."""
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in title)
    return f"_{plain[1:]}" if plain.startswith(".") else plain


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
class Run:
    """What came of one sequence; scores that are not known are absent."""

    truth: Trajectory
    path: Trajectory
    scores: dict[str, float]


def run_source(title: str, source: Source, config: SlamConfig, predictor: Predictor,
               advance: Callable[[int], None] = lambda frame: None) -> Run:
    """Run a source in one thread and score path, depth and labels; ``advance`` is called
    with the index of every frame.  The source stays open.

    Raises ``ResultError`` for a source without true poses.
    """
    torch.manual_seed(SEED)
    system = System(config, predictor, output=NoOutput(predictor.classes),
                    on_frame=lambda frame, _: advance(frame.index))
    started = time.perf_counter()
    system.run(source)
    seconds = time.perf_counter() - started
    recording, graph = system.recording, system.graph
    truth, path = recording.true_trajectory(), recording.final(graph)
    if not len(truth):
        raise ResultError(f"{title}: no ground truth; the suite compares with true poses")
    scores = {"frames": recording.frames, "keyframes": len(graph), "loops": len(graph.loops),
              "fps": recording.frames / seconds}
    fusion, scorer = Fusion(config.fusion), TruthScorer(len(predictor.classes))
    fusion.update(graph)
    scorer.update(recording, path, graph, fusion.keyframe_views())
    return Run(truth, path, path_scores(truth, path) | scores | scorer.scores)


def path_scores(truth: Trajectory, path: Trajectory) -> dict[str, float]:
    """The scores of ``trajectory_errors``; the coverage alone where too few poses match."""
    try:
        return trajectory_errors(truth, path)
    except ResultError:
        # too few poses for an alignment: a system that lost nearly all of it
        return {"coverage": len(path) / len(truth)}


def add_sequence_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that list sequences, as ``listed_sequences`` reads them."""
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
    parser.add_argument("--depth-scale", type=float, metavar="N",
                        help="stored steps of one metre of true depth")


def add_system_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the system that runs them, as ``load_system`` reads them, and ``--json``."""
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="change one setting, for example mapping.window=8")
    parser.add_argument("--model", metavar="NAME", help="weights: a shipped name or a file")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def listed_sequences(args: argparse.Namespace, compare: tuple[str, ...] = (),
                     more: tuple[SequenceConfig, ...] = ()) -> SuiteConfig:
    """The sequences of the suite file, those named on the command line, and ``more``.

    ``compare`` goes to those on the command line.  Raises ``ConfigError`` for none at all, for
    two of one name, and for a suite file that is missing or not valid.
    """
    listed = SuiteConfig()
    if args.suite:
        file = find_config(args.suite, "suites")
        listed = from_mapping(SuiteConfig, load_yaml(file), str(file))
    intrinsics = None if args.intrinsics is None else parse_intrinsics(args.intrinsics)
    try:
        named = tuple(SequenceConfig(source=source, name="", intrinsics=intrinsics,
                                     calib=args.calib, fps=args.fps, stride=args.stride,
                                     max_frames=args.max_frames,
                                     depth_scale=args.depth_scale, compare=compare)
                      for source in args.sources)
        if args.max_frames is not None:
            listed = SuiteConfig(tuple(replace(s, max_frames=args.max_frames)
                                       for s in listed.sequences))
        suite = SuiteConfig(listed.sequences + named + more)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not suite.sequences:
        raise ConfigError("nothing to run; give a SOURCE or --suite FILE")
    return suite


def load_system(args: argparse.Namespace) -> tuple[SlamConfig, Predictor]:
    """The configuration, at the size of the network, and the network."""
    config = replace(SlamConfig(), device=str(choose_device(args.device)))
    for assignment in args.set:
        config = changed(config, assignment)
    predictor = load_front_end(args.model, config.device)
    return replace(config, width=predictor.width, height=predictor.height), predictor
