"""Scores of a trained network on labelled images, with zero code and with recognised codes."""

import argparse
import json
from collections.abc import Callable
from functools import partial

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from networks.checkpoint import find_weights, load_checkpoint
from networks.data.sample import LabelledImages, Sample
from networks.datasets import open_dataset
from networks.device import choose_device
from networks.errors import DataError
from networks.metrics import Confusion, DepthErrors
from networks.scenecode import SceneCode
from optim.proximity import depth_from_proximity, proximity_from_depth

#: Scores in the order they are printed.
SCORES = ("miou", "pixel_accuracy", "class_accuracy", "abs_rel", "delta1", "rmse_m",
          "proximity_error")


class _Scores:
    def __init__(self, classes: int):
        self.confusion, self.errors = Confusion(classes), DepthErrors()

    def add(self, model: SceneCode, sample: Sample, prox: Tensor, logits: Tensor) -> None:
        a = model.config.average_depth_for(sample.camera)
        prox = model.upsample(prox)[0, 0].cpu()
        labels = model.upsample(logits)[0].argmax(0).cpu()
        self.confusion.add(labels, sample.labels)
        self.errors.add(depth_from_proximity(prox, a), sample.depth, prox,
                        proximity_from_depth(sample.depth, a))

    def result(self) -> dict[str, float]:
        values = self.confusion.scores() | self.errors.scores()
        return {name: values[name] for name in SCORES}


@torch.no_grad()
def evaluate_model(model: SceneCode, data: LabelledImages,
                   progress: Callable = iter) -> dict[str, dict[str, float]]:
    """``{"zero_code": scores, "encoded": scores}`` of ``model`` over all of ``data``.

    ``zero_code`` sees only the image; ``encoded`` also the truth, through the recognition
    models, and bounds what mapping can reach.  Scores are those of ``SCORES`` at the
    model's image size; void labels and unknown depth do not count.  ``progress`` wraps the
    indices, for a bar.  Raises ``DataError`` when classes or sizes do not fit the model.
    """
    if data.classes != model.classes:
        raise DataError("the data set and the model have different classes; evaluate with the "
                        "label set that the model was trained on")
    model.eval()
    device = next(model.parameters()).device
    scores = {name: _Scores(len(model.classes)) for name in ("zero_code", "encoded")}
    for index in progress(range(len(data))):
        sample = data[index]
        if sample.image.shape[1:] != (model.height, model.width):
            raise DataError(f"{sample.name}: is {tuple(sample.image.shape)}, the model takes "
                            f"{model.width}x{model.height}; open the data set at that size")
        features = model.features(sample.image[None].to(device))
        codes = model.encode_features(features, sample.depth, sample.labels, sample.camera)
        scores["zero_code"].add(model, sample, features.prox_zero, features.logits_zero)
        scores["encoded"].add(model, sample, *model.decode(features, *codes))
    return {name: score.result() for name, score in scores.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``evaluate model``."""
    parser.add_argument("--model", metavar="NAME_OR_FILE", default=None,
                        help="shipped name or checkpoint (default: the shipped model)")
    parser.add_argument("--data", choices=("nyuv2", "rooms"), default="rooms",
                        help="data set (default: rooms, which needs no download)")
    parser.add_argument("--root", metavar="DIR", default="nyuv2",
                        help="folder of nyuv2, absolute or below $SCENECODE_DATA")
    parser.add_argument("--split", default="test", help="test (default), val or train")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--json", action="store_true", help="print JSON only")


def main(args: argparse.Namespace) -> int:
    """``evaluate model``: print a table, or JSON with ``zero_code`` and ``encoded``."""
    device = choose_device(args.device)
    model = load_checkpoint(find_weights(args.model), device).model
    data = open_dataset(args.data, args.root, args.split, model.width, model.height)
    if args.json:
        print(json.dumps(evaluate_model(model, data)))
        return 0
    result = evaluate_model(model, data, partial(track, description="evaluating"))
    table = Table("", *SCORES)
    for name, scores in result.items():
        table.add_row(name, *(f"{scores[key]:.4f}" for key in SCORES))
    Console().print(table)
    return 0
