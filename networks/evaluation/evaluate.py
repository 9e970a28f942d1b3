"""Scores of a trained network on labelled images, with zero code and with recognised codes."""

import argparse
import json
from collections.abc import Callable
from functools import partial
from math import isnan
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.progress import track
from rich.table import Table

from scenecode.core.device import choose_device
from scenecode.networks.data.base.sample import LabelledImages
from scenecode.networks.data.datasets import DatasetName, open_dataset
from scenecode.networks.evaluation.comparison import (
    Comparison,
    Maps,
    compare,
    require_same_classes,
)
from scenecode.networks.evaluation.metrics import Confusion, DepthErrors
from scenecode.networks.evaluation.model_page import ModelPage
from scenecode.networks.evaluation.reliability import ProbabilityReliability, ScaleReliability
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference.checkpoint import find_weights, load_checkpoint
from scenecode.networks.inference.preparation import Precision, choose_dtype, make_ready

#: Scores in the order they are printed.
SCORES = ("miou", "pixel_accuracy", "class_accuracy", "abs_rel", "delta1", "rmse_m",
          "proximity_error", "sq_rel", "rmse_log", "si_log", "delta2", "delta3")
#: The two answers of a model: from the image alone, and encoded.
ZERO, ENCODED = "zero_code", "encoded"


class _Answers:
    """Everything counted about one of the two answers."""

    def __init__(self, classes: int):
        self.confusion, self.errors = Confusion(classes), DepthErrors()
        self.probabilities = ProbabilityReliability()

    def add(self, comparison: Comparison, maps: Maps) -> None:
        sample = comparison.sample
        self.confusion.add(maps.labels, sample.labels)
        self.errors.add(maps.depth, sample.depth, maps.prox, comparison.prox_truth)
        self.probabilities.add(maps.logits, sample.labels)

    def scores(self) -> dict[str, float]:
        values = self.confusion.scores() | self.errors.scores()
        return {name: values[name] for name in SCORES}


class Evaluation:
    """All scores of a model, gathered image by image."""

    def __init__(self, model: SceneCode):
        self._classes = model.classes
        self._answers = {name: _Answers(len(model.classes)) for name in (ZERO, ENCODED)}
        self._scale = ScaleReliability()

    def add(self, comparison: Comparison) -> None:
        """Count one image."""
        self._answers[ZERO].add(comparison, comparison.zero)
        self._answers[ENCODED].add(comparison, comparison.encoded)
        self._scale.add(comparison.zero.prox - comparison.prox_truth, comparison.prox_b,
                        comparison.sample.depth > 0)

    def scores(self) -> dict[str, dict[str, float]]:
        """``{"zero_code": scores, "encoded": scores}``, those of ``SCORES``."""
        return {name: answers.scores() for name, answers in self._answers.items()}

    def by_class(self) -> dict[str, dict]:
        """For each class name its ``share`` of the labelled pixels and, for ``zero_code`` and
        ``encoded``, ``iou`` and ``accuracy``; ``None`` for a class that never occurs."""
        counts = self._answers[ZERO].confusion.counts.sum(1)
        shares = (counts / counts.sum().clamp(min=1)).tolist()
        table = {name: {"share": share} for name, share in zip(self._classes.names, shares)}
        for kind, answers in self._answers.items():
            columns = (column.tolist() for column in answers.confusion.by_class())
            for name, *values in zip(table, *columns):
                table[name][kind] = {key: None if isnan(value) else value
                                     for key, value in zip(("iou", "accuracy"), values)}
        return table

    def calibration(self) -> dict[str, dict]:
        """``depth`` (of the scale, which is the zero code's) and ``probabilities`` as
        ``scenecode.networks.evaluation.reliability`` has them, for ``zero_code`` and ``encoded``."""
        result = {name: {"probabilities": answers.probabilities.scores()}
                  for name, answers in self._answers.items()}
        result[ZERO] = {"depth": self._scale.scores()} | result[ZERO]
        return result

    def to_json(self) -> dict[str, dict]:
        """The scores, ``classes`` and ``calibration``."""
        return self.scores() | {"classes": self.by_class(), "calibration": self.calibration()}


def evaluate_model(model: SceneCode, data: LabelledImages,
                   progress: Callable = iter) -> dict[str, dict[str, float]]:
    """``{"zero_code": scores, "encoded": scores}`` of ``model`` over all of ``data``.

    ``zero_code`` sees only the image; ``encoded`` also the truth, through the recognition
    models, and bounds what mapping can reach.  Scores are those of ``SCORES`` at the
    model's image size; void labels and unknown depth do not count.  ``progress`` wraps the
    indices, for a bar.  Raises ``DataError`` when classes or sizes do not fit the model.
    """
    return evaluate(model, data, progress).scores()


def evaluate(model: SceneCode, data: LabelledImages, progress: Callable = iter,
             page: ModelPage | None = None) -> Evaluation:
    """``evaluate_model`` with everything that is counted; ``page`` gets the images that it
    wants in the same pass."""
    require_same_classes(model, data)
    model.eval()
    evaluation = Evaluation(model)
    for index in progress(range(len(data))):
        comparison = compare(model, data[index])
        evaluation.add(comparison)
        if page is not None and page.wants(index):
            page.add(comparison)
    return evaluation


EXAMPLES = """examples:
  scenecode evaluate model                                          on built-in rooms
  scenecode evaluate model --data nyuv2 --root ~/data/nyuv2 --json
  scenecode evaluate model --model mine.safetensors --data folder --root mine --split val
  scenecode evaluate model --pictures page          page/index.html: pictures and plots"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``evaluate model``."""
    parser.add_argument("--model", metavar="NAME_OR_FILE", default=None,
                        help="shipped name or checkpoint (default: the shipped model)")
    parser.add_argument("--data", choices=get_args(DatasetName), default="rooms",
                        help="data set (default: rooms, which needs no download)")
    parser.add_argument("--root", metavar="DIR", default="nyuv2",
                        help="folder of the data set, absolute or below $SCENECODE_DATA")
    parser.add_argument("--split", default="test", help="test (default), val or train")
    parser.add_argument("--pictures", metavar="DIR",
                        help="write a page of pictures, index.html, into this folder")
    parser.add_argument("--precision", choices=get_args(Precision), default="float32",
                        help="of encoder and decoders (default %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--json", action="store_true", help="print JSON only")


def main(args: argparse.Namespace) -> int:
    """``evaluate model``: print tables, or JSON with ``zero_code``, ``encoded``, ``classes`` and
    ``calibration``."""
    device = choose_device(args.device)
    model = load_checkpoint(find_weights(args.model), device).model
    make_ready(model, choose_dtype(args.precision, device))
    data = open_dataset(args.data, args.root, args.split, model.width, model.height)
    page = ModelPage(Path(args.pictures), model, len(data)) if args.pictures else None
    bar = partial(track, description="evaluating", console=Console(stderr=True))
    evaluation = evaluate(model, data, bar, page)
    if page is not None:
        page.write(evaluation.to_json(), f"{args.data} {args.split}, {len(data)} images")
    if args.json:
        print(json.dumps(evaluation.to_json()))
    else:
        _print(evaluation)
    return 0


def _print(evaluation: Evaluation) -> None:
    scores, console = evaluation.scores(), Console()
    table = Table("", *scores)
    for key in SCORES:
        table.add_row(key, *(f"{values[key]:.4f}" for values in scores.values()))
    console.print(table)
    table = Table("class", "share", "IoU", "IoU encoded", "accuracy", "accuracy encoded")
    for name, row in evaluation.by_class().items():
        values = (row["share"], *(row[kind][key] for key in ("iou", "accuracy")
                                  for kind in (ZERO, ENCODED)))
        table.add_row(name, *("-" if v is None else f"{v:.3f}" for v in values))
    console.print(table)
    calibration = evaluation.calibration()
    depth = calibration[ZERO]["depth"]
    console.print(f"predicted depth scale: mean |error| / b {depth['mean_scaled_error']:.3f} "
                  f"(1 is right); {depth['coverage']['0.5']:.3f} of the pixels below the median "
                  f"of a Laplace distribution, {depth['coverage']['0.9']:.3f} below its 90 %")
    for kind in (ZERO, ENCODED):
        p = calibration[kind]["probabilities"]
        console.print(f"class probabilities, {kind}: calibration error {p['ece']:.4f}, "
                      f"negative log likelihood {p['nll']:.4f}")
