"""``scenecode evaluate fusion``: methods of label fusion by number of views (paper, table 2)."""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from rich.progress import track
from rich.table import Table

from scenecode.core.atomic_write import write_text
from scenecode.core.console import make_console
from scenecode.core.device import choose_device
from scenecode.core.errors import ConfigError, DataError
from scenecode.core.strict_config import override, to_mapping
from scenecode.networks.data.datasets import data_path
from scenecode.networks.data.rooms import RoomConfig
from scenecode.networks.evaluation.metrics import Confusion
from scenecode.networks.inference.checkpoint import find_weights, load_predictor
from scenecode.networks.prediction import Predictor
from scenecode.slam.benchmarks.fusion_pictures import PictureFolder
from scenecode.slam.benchmarks.fusion_scenes import (
    REPORTED_SEED,
    FolderTrajectories,
    Group,
    RoomTrajectories,
    motion_statistics,
)
from scenecode.slam.fusion.label_fusion import METHODS, LabelFusion, LabelFusionConfig

#: Scores of every method, in the order of the table.
SCORES = ("miou", "pixel_accuracy", "class_accuracy")


class Trajectories(Protocol):
    """A data set of trajectories with groups of views in each."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str: ...

    def groups(self, index: int) -> list[Group]: ...


@dataclass
class FusionScores:
    """Counts by number of views and method, and the poses of the views."""

    classes: int
    counts: dict[tuple[int, str], Confusion] = field(default_factory=dict)
    poses: list[np.ndarray] = field(default_factory=list)
    trajectories: int = 0

    def confusion(self, views: int, method: str) -> Confusion:
        return self.counts.setdefault((views, method), Confusion(self.classes))

    def merge(self, other: "FusionScores") -> None:
        """Add the counts of another."""
        for key, confusion in other.counts.items():
            self.confusion(*key).counts += confusion.counts
        self.poses += other.poses
        self.trajectories += other.trajectories

    def result(self) -> dict:
        """What ``--json`` prints: ``views`` -> number -> method -> scores; and the data's size and
        motion."""
        views: dict[str, dict] = {}
        for (count, method), confusion in sorted(self.counts.items(), key=lambda kv: kv[0][0]):
            scores = confusion.scores()
            views.setdefault(str(count), {})[method] = {name: scores[name] for name in SCORES}
        return {"views": views, "references": len(self.poses), "trajectories": self.trajectories,
                "motion": motion_statistics(self.poses)}

    def to_json(self) -> dict:
        counts = [[views, method, confusion.counts.flatten().tolist()]
                  for (views, method), confusion in self.counts.items()]
        return {"counts": counts, "poses": [poses.tolist() for poses in self.poses]}

    @staticmethod
    def from_json(stored: dict, classes: int) -> "FusionScores":
        scores = FusionScores(classes, poses=[np.array(p) for p in stored["poses"]],
                              trajectories=1)
        for views, method, counts in stored["counts"]:
            scores.confusion(views, method).counts += torch.tensor(counts).reshape(classes, -1)
        return scores


def score_group(group: Group, predictor: Predictor, views: Sequence[int],
                methods: Sequence[str], config: LabelFusionConfig) -> FusionScores:
    """All methods on one reference, seen with each number of views."""
    scores = FusionScores(len(predictor.classes), poses=[group.poses()])
    label_views = group.views(predictor)
    for count in views:
        fusion = LabelFusion(label_views[:count], config)
        for method in methods:
            labels = fusion.fuse(method).argmax(0)
            scores.confusion(count, method).add(labels, group.labels())
    return scores


def score_trajectories(data: Trajectories, score: Callable[[Group], FusionScores], classes: int,
                       cache: Path | None, indices: Iterable[int],
                       total: FusionScores) -> None:
    """Add to ``total`` trajectory by trajectory, so that an interrupt leaves what is done.

    Trajectories found in ``cache`` are not scored again.
    """
    for index in indices:
        file = None if cache is None else cache / f"{index:05d}.json"
        if file is not None and file.is_file():
            total.merge(FusionScores.from_json(json.loads(file.read_text()), classes))
            continue
        scores = FusionScores(classes, trajectories=1)
        for group in data.groups(index):
            scores.merge(score(group))
        if file is not None:
            write_text(file, json.dumps(scores.to_json()))
        total.merge(scores)


EXAMPLES = """examples:
  scenecode evaluate fusion --references 100             labels of several views, on built-in rooms
  scenecode evaluate fusion --views 2 --pictures pages   with pictures before and after
  scenecode evaluate fusion --data scenenet/data/val --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode evaluate fusion``."""
    parser.add_argument("--data", default="rooms", metavar="rooms|DIR",
                        help="unseen rooms (default), or a folder of SceneNet RGB-D trajectories")
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2, 3, 4], metavar="N",
                        help="numbers of views to compare (default: 1 2 3 4)")
    parser.add_argument("--references", type=int, default=100, metavar="N",
                        help="reference images, two from each trajectory (default %(default)s)")
    parser.add_argument("--first-seed", type=int, default=REPORTED_SEED, metavar="SEED",
                        help="first room (default %(default)s)")
    parser.add_argument("--stride", type=int, default=1, metavar="N",
                        help="images from a view to the next, in a folder (default %(default)s)")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS),
                        metavar="METHOD", help=f"of {', '.join(METHODS)} (default: all)")
    parser.add_argument("--textures", metavar="DIR",
                        help="rooms with texture tiles from this folder")
    parser.add_argument("--meshes", metavar="DIR", help="rooms with .glb models from this folder")
    parser.add_argument("--pictures", metavar="DIR",
                        help="write pictures of labels and entropy, before and after")
    parser.add_argument("--cache", metavar="DIR",
                        help="keep each trajectory's counts here, to go on after an interrupt")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="change one setting of the fusion, for example code.sigma=1")
    parser.add_argument("--model", metavar="NAME", help="weights: a shipped name or a file")
    parser.add_argument("--device", default="auto", help="of the network: auto, cpu or cuda")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode evaluate fusion``; Ctrl-C prints what there is.  Returns the status."""
    if min(args.views) < 1 or args.references < 1 or args.stride < 1:
        raise ConfigError("views, references and stride must be at least 1")
    config = LabelFusionConfig()
    for assignment in args.set:
        config = override(config, assignment)
    weights = find_weights(args.model)
    predictor = load_predictor(weights, choose_device(args.device))
    data = _open(args, predictor)
    pictures = None if args.pictures is None else \
        PictureFolder(Path(args.pictures), predictor.classes)
    views = sorted(set(args.views))

    def score(group: Group) -> FusionScores:
        if pictures is not None:
            pictures.write(group, predictor, views[-1], config)
        return score_group(group, predictor, views, args.methods, config)

    total = FusionScores(len(predictor.classes))
    console = make_console(stderr=True)
    indices = track(range(len(data)), "fusing labels", console=console)
    try:
        score_trajectories(data, score, len(predictor.classes),
                           _cache(args, config, weights), indices, total)
    except KeyboardInterrupt:
        console.print(f"interrupted after {total.trajectories} of {len(data)} trajectories")
    if not total.poses:
        raise DataError("no reference image was scored; check the data")
    result = total.result()
    print(json.dumps(result)) if args.json else _print(result)
    return 0


#: References taken from each trajectory, as in the paper.
_REFERENCES_EACH = 2


def _open(args: argparse.Namespace, predictor: Predictor) -> Trajectories:
    size = predictor.width, predictor.height
    if args.data == "rooms":
        room = RoomConfig(textures=_data_folder(args.textures), meshes=_data_folder(args.meshes))
        each = min(_REFERENCES_EACH, args.references)
        return RoomTrajectories(-(-args.references // each), max(args.views), each,
                                args.first_seed, *size, room)
    folders = FolderTrajectories(data_path(args.data), max(args.views), 1, args.stride, *size)
    each = -(-args.references // len(folders))
    return FolderTrajectories(data_path(args.data), max(args.views), each, args.stride, *size)


def _data_folder(name: str | None) -> str | None:
    return str(data_path(name)) if name else None


def _cache(args: argparse.Namespace, config: LabelFusionConfig, weights: Path) -> Path | None:
    """The folder for exactly these settings, below ``--cache``."""
    if args.cache is None:
        return None
    settings = [args.data, sorted(set(args.views)), args.methods, args.first_seed, args.stride,
                args.textures, args.meshes, to_mapping(config),
                args.references if args.data != "rooms" else min(_REFERENCES_EACH,
                                                                 args.references)]
    digest = hashlib.sha1(json.dumps(settings).encode() + weights.read_bytes())
    folder = Path(args.cache) / digest.hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _print(result: dict) -> None:
    table = Table("views", "method", *SCORES,
                  title=f"{result['references']} references from {result['trajectories']} "
                        "trajectories")
    for count, methods in result["views"].items():
        for method, scores in methods.items():
            table.add_row(count, method, *(f"{100 * scores[name]:.2f}" for name in SCORES))
        table.add_section()
    console = make_console()
    console.print(table)
    for name, of in result["motion"].items():
        console.print(f"{name} views: {of['mean_m']:.3f} m (largest {of['max_m']:.3f}), "
                      f"{of['mean_deg']:.1f} degrees (largest {of['max_deg']:.1f})")
