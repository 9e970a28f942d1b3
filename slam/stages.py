"""What each mapping stage adds: the same walks with the schedule cut off after each stage."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from networks.checkpoint import load_predictor
from networks.device import choose_device
from networks.prediction import Predictor
from slam.config import SlamConfig
from slam.fusion import Fusion
from slam.report import truth_scores
from slam.sources.base import Source
from slam.sources.rooms import RoomsSource
from slam.system import System

#: Stages run, by the name of the row.  Without any, poses are tracking's and codes are zero.
STAGES = {"zero code, tracking alone": (),
          "geometry + poses": ("geometry",),
          "+ semantics": ("geometry", "semantics"),
          "+ joint": ("geometry", "semantics", "joint")}
#: Scores of a row, all against truth: ATE in percent of the path, degrees, shares.
SCORES = ("ate_percent", "rotation_deg", "depth_within_10", "abs_rel", "miou")


def evaluate_stages(config: SlamConfig, predictor: Predictor,
                    sources: Sequence[Source]) -> dict[str, dict[str, float]]:
    """Mean scores over sources with full truth, for each row of ``STAGES``."""
    table = {}
    for name, stages in STAGES.items():
        schedule = tuple(s for s in config.mapping.schedule if s.stage in stages)
        variant = replace(config, mapping=replace(config.mapping, schedule=schedule))
        runs = [_scores(variant, predictor, source) for source in sources]
        table[name] = {key: float(np.mean([run[key] for run in runs])) for key in SCORES}
    return table


def _scores(config: SlamConfig, predictor: Predictor, source: Source) -> dict[str, float]:
    system = System(config, predictor)
    system.run_sequential(source)
    views = Fusion(config.fusion).keyframe_views(system.graph)
    scores = truth_scores(system.recording, views, system.graph)
    return scores | {"ate_percent": 100 * scores["ate_m"] / scores["path_length_m"]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode evaluate stages``."""
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14], metavar="SEED",
                        help="rooms to walk through (default %(default)s)")
    parser.add_argument("--frames", type=int, default=90,
                        help="frames of each walk (default %(default)s)")
    parser.add_argument("--model", metavar="NAME", help="weights: a shipped name or a file")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode evaluate stages``; returns the exit status."""
    device = choose_device(args.device)
    config = replace(SlamConfig(), device=str(device))
    predictor = load_predictor(args.model, device)
    walks = [_Walk(seed, args.frames) for seed in
             track(args.seeds, "rendering", console=Console(stderr=True))]
    table = evaluate_stages(config, predictor, walks)
    if args.json:
        print(json.dumps(table))
        return 0
    shown = Table("", *SCORES)
    for name, scores in table.items():
        shown.add_row(name, *(f"{scores[key]:.3f}" for key in SCORES))
    Console().print(shown)
    return 0


class _Walk:
    """A room's frames, rendered once for all rows."""

    is_live = False
    unreadable = 0

    def __init__(self, seed: int, frames: int):
        source = RoomsSource(seed, frames)
        self.name, self.fps, self.length = source.name, source.fps, source.length
        self._frames = list(source)

    def __iter__(self):
        return iter(self._frames)

    def close(self) -> None:
        """Nothing to release."""
