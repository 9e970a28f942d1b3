"""``scenecode models``: the networks that are shipped, and how much networks compute."""

import argparse
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from rich.table import Column, Table

from scenecode.core.console import make_console
from scenecode.core.errors import ConfigError
from scenecode.core.shipped import CONFIGS, find_config
from scenecode.core.strict_config import load_yaml
from scenecode.networks.classes import CLASS_SETS, NYU13
from scenecode.networks.evaluation.bench import time_predictor
from scenecode.networks.evaluation.complexity import Complexity
from scenecode.networks.inference.checkpoint import describe, find_weights, shipped_names
from scenecode.networks.inference.preparation import make_ready
from scenecode.networks.training.config import read_train_config

_log = logging.getLogger(__name__)

EXAMPLES = """examples:
  scenecode models                            what is shipped
  scenecode models --profile                  parameters, operations and time: of what is shipped
                                              and of all shipped training configurations
  scenecode models --profile twins_kitti --threads 2    of one
  scenecode run 0 --view --model NAME         map with one of them
  scenecode run 0 --view --model DEPTH+LABELS         depth of one, labels of another
  scenecode predict photo.jpg --model NAME --out out  depth and labels of one image"""


@dataclass(frozen=True)
class Model:
    """A shipped network."""

    name: str
    #: its architecture
    family: str
    #: number of classes; 0 for a network of depth alone
    classes: int
    #: trained values
    parameters: int
    #: of its file
    bytes: int
    #: nearest and farthest metres that it is of use for; ``None`` for a network of labels alone
    depth_range: tuple[float, float] | None
    #: image size in pixels
    width: int
    height: int

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return vars(self)


def shipped_models() -> list[Model]:
    """All of them, by name."""
    return [_model(name) for name in shipped_names()]


def _model(name: str) -> Model:
    path = find_weights(name)
    described = describe(path)
    network = described.network()
    geometry = described.config.geometry
    nearest, farthest = geometry.depth_range
    return Model(
        name=name, family=described.family.name,
        classes=len(described.classes) if network.predicts_labels else 0,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        bytes=path.stat().st_size,
        depth_range=(nearest, farthest) if network.predicts_depth and isfinite(farthest) else None,
        width=geometry.width, height=geometry.height)


@dataclass(frozen=True)
class Profile:
    """What a network costs."""

    #: of shipped weights or of a training configuration
    name: str
    family: str
    width: int
    height: int
    parameters: int
    #: see ``Complexity``
    flops: int
    #: milliseconds of a prediction as in a run, median; None where it was not timed
    ms: float | None


def profiled(names: Sequence[str], runs: int) -> Iterator[Profile]:
    """Of shipped weights or shipped training configurations by name, or YAML files of training;
    by default of all that is shipped.  Networks of configurations get random weights for the
    timing of ``runs`` images; 0 leaves timing out."""
    shipped = shipped_names()
    trainable = sorted(path.stem for path in (CONFIGS / "train").glob("*.yaml"))
    for name in names or (*shipped, *trainable):
        if name in shipped:
            described = describe(find_weights(name))
            family, config, classes = described.family, described.config, described.classes
        else:
            training = read_train_config(load_yaml(find_config(name, "train")), name)
            family, config = training.family, training.model
            number = training.data.classes
            classes = CLASS_SETS[number] if isinstance(number, int) else NYU13
        with torch.device("meta"):
            unallocated = family.build(config, classes).eval()
        found = Complexity.of(unallocated)
        ms = None
        if runs:
            try:
                network = make_ready(family.build(config, classes))
                ms = time_predictor(network, runs).with_jacobians
            except ConfigError as reason:   # others are to be timed
                _log.warning("%s is not timed: %s", name, reason)
        yield Profile(name=name, family=family.name, width=config.geometry.width,
                      height=config.geometry.height, parameters=found.parameters,
                      flops=found.flops, ms=ms)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``models``."""
    parser.add_argument("--profile", nargs="*", metavar="NAME", help="parameters, operations and "
                        "time of an image, of shipped weights or training configurations")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="timed predictions of "
                        "each profile, 0 for none (default %(default)s)")
    parser.add_argument("--threads", type=int, default=0, metavar="N",
                        help="CPU threads (default: torch's choice)")
    parser.add_argument("--json", action="store_true", help="print JSON only")


def main(args: argparse.Namespace) -> int:
    """``models``: a table, or JSON with a list."""
    if args.profile is not None:
        return _print_profiles(args)
    models = shipped_models()
    if args.json:
        print(json.dumps([model.to_json() for model in models]))
        return 0
    table = Table(Column("name", no_wrap=True), "family", "classes", "parameters", "MB", "depth",
                  "image")
    for model in models:
        depth = "-" if model.depth_range is None else \
            f"{model.depth_range[0]:.2g} to {model.depth_range[1]:.0f} m"
        table.add_row(model.name, model.family, str(model.classes or "-"),
                      f"{model.parameters / 1e6:.2f} M", f"{model.bytes / 1e6:.1f}", depth,
                      f"{model.width} x {model.height}")
    make_console().print(table)
    return 0


def _print_profiles(args: argparse.Namespace) -> int:
    if args.runs < 0:
        raise ConfigError(f"--runs must be at least 0, got {args.runs}")
    if args.threads:
        torch.set_num_threads(args.threads)
    found = profiled(args.profile, args.runs)
    if args.json:
        print(json.dumps([vars(profile) for profile in found]))
        return 0
    table = Table(Column("name", no_wrap=True), "family", "image", "parameters", "GFLOP", "ms",
                  title=f"one image, {torch.get_num_threads()} threads")
    for profile in found:
        table.add_row(profile.name, profile.family, f"{profile.width} x {profile.height}",
                      f"{profile.parameters / 1e6:.2f} M", f"{profile.flops / 1e9:.2f}",
                      "-" if profile.ms is None else f"{profile.ms:.0f}")
    make_console().print(table)
    return 0
