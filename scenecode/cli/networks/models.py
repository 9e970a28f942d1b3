"""``scenecode models``: the networks that are shipped."""

import argparse
import json
from dataclasses import dataclass
from math import isfinite
from typing import Any

from rich.table import Column, Table

from scenecode.core.console import make_console
from scenecode.networks.inference.checkpoint import describe, find_weights, shipped_names

EXAMPLES = """examples:
  scenecode models                            what is shipped
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``models``."""
    parser.add_argument("--json", action="store_true", help="print JSON only")


def main(args: argparse.Namespace) -> int:
    """``models``: a table, or JSON with a list."""
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
