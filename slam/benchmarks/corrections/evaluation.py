"""``scenecode evaluate corrections``: mIoU over all keyframes against a user's clicks."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.table import Table

from scenecode.core.console import make_console
from scenecode.core.device import choose_device
from scenecode.core.errors import ConfigError
from scenecode.networks.data.datasets import data_path
from scenecode.networks.data.nyuv2 import NYUv2
from scenecode.networks.evaluation.metrics import Confusion
from scenecode.networks.inference.combined import load_front_end
from scenecode.networks.prediction import Predictor
from scenecode.slam.benchmarks.corrections.simulated_user import SimulatedUser
from scenecode.slam.benchmarks.fusion_scenes import REPORTED_SEED
from scenecode.slam.config.fusion import FusionConfig
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.corrections.corrected_map import CorrectedMap, Corrector, SpreadConfig
from scenecode.slam.corrections.correction import Correction, CorrectionList
from scenecode.slam.corrections.growing import Surroundings, grow
from scenecode.slam.corrections.regions import Region
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.records.frame import Frame, GroundTruth
from scenecode.slam.sources.rooms import RoomsSource
from scenecode.slam.system import System


@dataclass(frozen=True)
class Method:
    """How a click is taken and by what it spreads."""

    meaning: str
    spread: SpreadConfig
    #: whether the region is grown from the click; else it is a disc
    grows: bool = False


_ELEMENTS = SpreadConfig(codes=False)
#: The first three are compared; the others say what causes the difference.
METHODS: dict[str, Method | None] = {
    "none": None,
    "elementwise": Method("clicked disc and the same surface in other keyframes", _ELEMENTS),
    "code": Method("the same disc, as evidence on codes, too", SpreadConfig()),
    "codes_alone": Method("label factor of the clicked keyframe only", SpreadConfig(
        transport=False, elements=False)),
    "transport_alone": Method("label factors in all keyframes, no pixel overridden",
                              SpreadConfig(elements=False)),
    "elementwise_grown": Method("grown region and the same surface in other keyframes", _ELEMENTS,
                                grows=True),
    "code_grown": Method("the same grown region, as evidence on codes, too", SpreadConfig(),
                         grows=True)}


@dataclass(frozen=True)
class LabelledMap:
    """A map of which the true labels are known."""

    name: str
    graph: KeyframeGraph
    #: by number of the keyframe: (H, W) class ids
    truth: Mapping[int, np.ndarray]


def score_clicks(labelled: LabelledMap, method: Method | None, clicks: Sequence[int],
                 radius: float, classes: int, config: FusionConfig) -> dict[int, float]:
    """mIoU over all keyframes after each of the numbers of ``clicks``."""
    graph, fusion = labelled.graph, Fusion(config)
    corrector = Corrector(config, SpreadConfig() if method is None else method.spread)
    user, stated = SimulatedUser(labelled.truth, classes), CorrectionList()
    corrected, before = CorrectedMap(graph), frozenset[int]()
    fusion.update(graph)
    found: dict[int, float] = {}
    for count in range(max(clicks) + 1):
        views = fusion.keyframe_views()
        labels = {number: views[number].labels for number in labelled.truth}
        score = _miou(labels, labelled.truth, classes)
        if count in clicks:
            found[count] = score
        click = None if method is None else user.click(labels)
        if click is None or method is None:
            return found | {n: score for n in clicks if n > count}
        view = views[click.keyframe]
        region = grow(Surroundings.of(view), click.at) if method.grows else \
            Region.disc(click.at, radius, view.camera.width, view.camera.height)
        stated = stated.add(Correction(number=0, keyframe=click.keyframe, region=region,
                                       label=click.label))
        corrected = corrector.apply(graph, stated)
        fusion.update(corrected.graph, corrected.stated, before | corrected.involved)
        before = corrected.involved
    return found


def walked_room(seed: int, frames: int, predictor: Predictor, config: SlamConfig) -> LabelledMap:
    """The map of a walk through a built-in room."""
    source = RoomsSource(seed, frames, config.width, config.height)
    system = System(config, predictor, output=NoOutput(predictor.classes))
    system.run(source)
    graph = system.graph
    truth = {number: keyframe.truth.labels.numpy() for number, keyframe in graph.keyframes.items()
             if keyframe.truth is not None and keyframe.truth.labels is not None}
    return LabelledMap(name=f"rooms:{seed}", graph=graph, truth=truth)


def _miou(labels: Mapping[int, np.ndarray], truth: Mapping[int, np.ndarray],
          classes: int) -> float:
    confusion = Confusion(classes)
    for number, true in truth.items():
        confusion.add(torch.from_numpy(np.ascontiguousarray(labels[number])),
                      torch.from_numpy(true))
    return float(confusion.scores()["miou"])


def labelled_images(root: str, count: int, predictor: Predictor,
                    config: SlamConfig) -> Iterator[LabelledMap]:
    """Maps of one keyframe, of images of the test split of NYUv2, evenly spread."""
    data = NYUv2(data_path(root), "test", config.width, config.height)
    for index in np.linspace(0, len(data) - 1, min(count, len(data))).astype(int).tolist():
        sample = data[index]
        frame = Frame(index=0, timestamp=0.0, image=sample.image, camera=sample.camera,
                      truth=GroundTruth(labels=sample.labels))
        memory, graph = WorkingMemory(predictor, config.device), KeyframeGraph()
        keyframe = make_keyframe(frame, torch.eye(4), memory)
        graph.add(keyframe, keyframe.initial_state())
        yield LabelledMap(name=sample.name, graph=graph, truth={0: sample.labels.numpy()})


EXAMPLES = """examples:
  scenecode evaluate corrections --clicks 0 2 5 10             on four unseen rooms
  scenecode evaluate corrections --images nyuv2 --count 20     NYUv2 test: one view each
  scenecode evaluate corrections --methods none elementwise code --json

A simulated user clicks into the largest region that is labelled wrongly, K times, and every click
is a disc (or the region grown from it, where the method says so).  mIoU is over all keyframes.

methods:
""" + "\n".join(f"  {name:<18} {'no clicks' if method is None else method.meaning}"
                for name, method in METHODS.items())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode evaluate corrections``."""
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED",
                        default=[REPORTED_SEED + n for n in range(4)],
                        help="rooms to walk through (default %(default)s)")
    parser.add_argument("--frames", type=int, default=150, metavar="N",
                        help="frames of each walk (default %(default)s)")
    parser.add_argument("--images", metavar="DIR",
                        help="labelled still images of NYUv2 in place of rooms")
    parser.add_argument("--count", type=int, default=10, metavar="N",
                        help="how many images (default %(default)s)")
    parser.add_argument("--clicks", type=int, nargs="+", default=[0, 2, 5, 10], metavar="K",
                        help="numbers of clicks (default: 0 2 5 10)")
    parser.add_argument("--radius", type=float, default=8.0, metavar="R",
                        help="of the disc that a click means, pixels (default %(default)s)")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS),
                        metavar="METHOD", help="of those below (default: all)")
    parser.add_argument("--model", metavar="NAME", help="weights: a shipped name or a file")
    parser.add_argument("--device", default="auto", help="of the network: auto, cpu or cuda")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode evaluate corrections``; returns the exit status."""
    if min(args.clicks) < 0 or args.radius <= 0 or min(args.frames, args.count) < 1:
        raise ConfigError("clicks must not be negative; radius, frames and count be positive")
    config = SlamConfig(device=str(choose_device(args.device)))
    predictor = load_front_end(args.model, config.device)
    maps = labelled_images(args.images, args.count, predictor, config) if args.images else (
        walked_room(seed, args.frames, predictor, config) for seed in args.seeds)
    clicks = sorted(set(args.clicks))
    found: dict[str, dict[str, dict[int, float]]] = {}
    console = make_console(stderr=True)
    for labelled in maps:
        console.print(f"{labelled.name}: {len(labelled.graph)} keyframes")
        found[labelled.name] = {
            name: score_clicks(labelled, METHODS[name], clicks, args.radius,
                               len(predictor.classes), config.fusion) for name in args.methods}
    result = _result(found, clicks, args.methods)
    print(json.dumps(result)) if args.json else _print(result)
    return 0


def _result(found: dict[str, dict[str, dict[int, float]]], clicks: Sequence[int],
            methods: Sequence[str]) -> dict:
    """What ``--json`` prints: mean mIoU ``clicks`` -> number -> method, and the same of each
    map."""
    mean = {str(n): {method: float(np.mean([scores[method][n] for scores in found.values()]))
                     for method in methods} for n in clicks}
    return {"clicks": mean, "maps": {
        name: {str(n): {method: scores[method][n] for method in methods} for n in clicks}
        for name, scores in found.items()}}


def _print(result: dict) -> None:
    methods = list(next(iter(result["clicks"].values())))
    for title, rows in {"mean": result["clicks"], **result["maps"]}.items():
        table = Table("clicks", *methods, title=f"mIoU over all keyframes, {title}")
        for number, scores in rows.items():
            table.add_row(number, *(f"{100 * scores[method]:.2f}" for method in methods))
        make_console().print(table)
