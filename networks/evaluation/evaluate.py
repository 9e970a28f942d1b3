"""Scores of a trained network on labelled images, for each of its answers."""

import argparse
import json
from collections.abc import Callable
from functools import partial
from math import isnan, nan
from pathlib import Path
from typing import get_args

from rich.progress import track
from rich.table import Table

from scenecode.core.console import make_console
from scenecode.core.device import choose_device
from scenecode.networks.classes import (
    CITYSCAPES_19,
    CITYSCAPES_CATEGORY_OF_CLASS,
    VOID,
    ClassSet,
)
from scenecode.networks.data.datasets import DatasetName
from scenecode.networks.evaluation.comparison import Comparison, compare, require_same_classes
from scenecode.networks.evaluation.metrics import Confusion, DepthErrors
from scenecode.networks.evaluation.model_page import ModelPage
from scenecode.networks.evaluation.reliability import ProbabilityReliability, ScaleReliability
from scenecode.networks.evaluation.scored_data import open_scored
from scenecode.networks.families.network import Answer, Network, answer_title
from scenecode.networks.inference.checkpoint import find_weights, load_checkpoint
from scenecode.networks.inference.precision import Precision, choose_dtype
from scenecode.networks.inference.preparation import make_ready
from scenecode.networks.sample import LabelledImages

#: Scores in the order they are printed.
SCORES = ("miou", "pixel_accuracy", "class_accuracy", "abs_rel", "delta1", "rmse_m",
          "proximity_error", "sq_rel", "rmse_log", "si_log", "delta2", "delta3",
          "mvn_delta1", "mvn_delta1_literal", "si_log_variance", "si_log_literal",
          "category_miou")


class _AnswerScores:
    """Statistics of one answer over all images."""

    def __init__(self, classes: ClassSet):
        self._classes = classes
        self.confusion, self.errors = Confusion(len(classes)), DepthErrors()
        self.probabilities, self.scale = ProbabilityReliability(), ScaleReliability()
        self.has_scale = self.has_probabilities = False

    def add(self, comparison: Comparison, answer: Answer) -> None:
        truth = comparison.sample
        if answer.labels is not None and answer.logits is not None:
            self.confusion.add(answer.labels, truth.labels)
            self.probabilities.add(answer.logits, truth.labels)
            self.has_probabilities |= bool((truth.labels != VOID).any())
        if answer.depth is not None and answer.prox is not None:
            self.errors.add(answer.depth, truth.depth, answer.prox, comparison.prox_truth)
            if answer.prox_b is not None:
                self.scale.add(answer.prox - comparison.prox_truth, answer.prox_b,
                               truth.depth > 0)
                self.has_scale |= bool((truth.depth > 0).any())

    def scores(self) -> dict[str, float | None]:
        """``None`` for what the answer or the truth lacks; ``category_miou`` is of Cityscapes'
        categories."""
        values = self.confusion.scores() | self.errors.scores() | {"category_miou": nan}
        if self._classes == CITYSCAPES_19:
            categories = self.confusion.joined(CITYSCAPES_CATEGORY_OF_CLASS)
            values["category_miou"] = categories.scores()["miou"]
        return {name: None if isnan(values[name]) else values[name] for name in SCORES}

    def calibration(self) -> dict[str, dict]:
        depth = {"depth": self.scale.scores()} if self.has_scale else {}
        if not self.has_probabilities:
            return depth
        return depth | {"probabilities": self.probabilities.scores()}


class Evaluation:
    """All scores of a network, accumulated image by image."""

    def __init__(self, classes: ClassSet):
        self._classes = classes
        self._answers: dict[str, _AnswerScores] = {}

    def add(self, comparison: Comparison) -> None:
        """Count one image."""
        for name, answer in comparison.answers.items():
            if name not in self._answers:
                self._answers[name] = _AnswerScores(self._classes)
            self._answers[name].add(comparison, answer)

    def scores(self) -> dict[str, dict[str, float | None]]:
        """Those of ``SCORES``, by the names of the network's answers; ``None`` for those of a kind
        of map that answer or truth lacks."""
        return {name: answers.scores() for name, answers in self._answers.items()}

    def by_class(self) -> dict[str, dict]:
        """For each class name its ``share`` of the labelled pixels and, for each answer, ``iou``
        and ``accuracy``; ``None`` for a class that never occurs."""
        first = next(iter(self._answers.values()))
        counts = first.confusion.counts.sum(1)
        shares = (counts / counts.sum().clamp(min=1)).tolist()
        table: dict[str, dict] = {name: {"share": share}
                                  for name, share in zip(self._classes.names, shares)}
        for kind, answers in self._answers.items():
            columns = (column.tolist() for column in answers.confusion.by_class())
            for name, *values in zip(table, *columns):
                table[name][kind] = {key: None if isnan(value) else value
                                     for key, value in zip(("iou", "accuracy"), values)}
        return table

    def calibration(self) -> dict[str, dict]:
        """For each answer ``probabilities`` where it and the truth have labels, and ``depth``
        where it predicts a scale, as ``scenecode.networks.evaluation.reliability`` has them."""
        return {name: answers.calibration() for name, answers in self._answers.items()}

    def to_json(self) -> dict[str, dict]:
        """The scores, ``classes`` and ``calibration``."""
        return self.scores() | {"classes": self.by_class(), "calibration": self.calibration()}


def evaluate_model(model: Network, data: LabelledImages,
                   progress: Callable = iter) -> dict[str, dict[str, float | None]]:
    """Scores of ``model`` over all of ``data`` by the names of its answers: of SceneCode
    ``zero_code`` (from the image alone) and ``encoded``.

    Scores are those of ``SCORES`` at the model's image size; void labels, unknown depth and
    depth beyond the model's range do not count.  ``progress`` wraps the indices, for a bar.
    Raises ``DataError`` when classes or sizes do not fit the model.
    """
    return evaluate(model, data, progress).scores()


def evaluate(model: Network, data: LabelledImages, progress: Callable = iter,
             page: ModelPage | None = None) -> Evaluation:
    """``evaluate_model`` with everything that is counted; ``page`` gets the images that it
    shows in the same pass."""
    require_same_classes(model, data)
    model.eval()
    evaluation = Evaluation(model.classes)
    for index in progress(range(len(data))):
        comparison = compare(model, data[index])
        evaluation.add(comparison)
        if page is not None and page.shows(index):
            page.add(comparison)
    return evaluation


EXAMPLES = """examples:
  scenecode evaluate model                                          on built-in rooms
  scenecode evaluate model --data nyuv2 --root ~/data/nyuv2 --json
  scenecode evaluate model --data camvid --split val --classes 11 --model NAME
  scenecode evaluate model --model mine.safetensors --data folder --root mine --split val
  scenecode evaluate model --model twins_streets --data camvid --root camvid --classes 11
  scenecode evaluate model --pictures page          page/index.html: pictures and plots"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``evaluate model``."""
    parser.add_argument("--model", metavar="NAME_OR_FILE", default=None,
                        help="shipped name or checkpoint (default: the shipped model)")
    parser.add_argument("--data", choices=get_args(DatasetName), default="rooms",
                        help="data set (default: rooms, which needs no download)")
    parser.add_argument("--root", metavar="DIR", help="folder of the data set, absolute or below "
                        "$SCENECODE_DATA (default: its name)")
    parser.add_argument("--split", default="test", help="test (default), val or train")
    parser.add_argument("--classes", type=int, metavar="N", help="score labels in the set of 13, "
                        "40, 37, 19 or 11 classes (default: the network's own)")
    parser.add_argument("--pictures", metavar="DIR",
                        help="write a page of pictures, index.html, into this folder")
    parser.add_argument("--precision", choices=get_args(Precision), default="float32",
                        help="of encoder and decoders (default %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--json", action="store_true", help="print JSON only")


def main(args: argparse.Namespace) -> int:
    """``evaluate model``: print tables, or JSON with the scores of each answer, ``classes`` and
    ``calibration``."""
    device = choose_device(args.device)
    model = make_ready(load_checkpoint(find_weights(args.model), device).model,
                       choose_dtype(args.precision, device))
    model, data = open_scored(model, args.data, args.root, args.split, args.classes)
    page = ModelPage(Path(args.pictures), model, len(data)) if args.pictures else None
    bar = partial(track, description="evaluating", console=make_console(stderr=True))
    evaluation = evaluate(model, data, bar, page)
    if page is not None:
        page.write(evaluation.to_json(), f"{args.data} {args.split}, {len(data)} images")
    if args.json:
        print(json.dumps(evaluation.to_json()))
    else:
        _print(evaluation)
    return 0


def _print(evaluation: Evaluation) -> None:
    scores, console = evaluation.scores(), make_console()
    table = Table("", *scores)
    for key in SCORES:
        table.add_row(key, *("-" if value is None else f"{value:.4f}"
                             for value in (values[key] for values in scores.values())))
    console.print(table)
    table = Table("class", "share", *(f"{text}, {answer_title(kind)}"
                                      for text in ("IoU", "accuracy") for kind in scores))
    for name, row in evaluation.by_class().items():
        values = (row["share"], *(row[kind][key] for key in ("iou", "accuracy")
                                  for kind in scores))
        table.add_row(name, *("-" if v is None else f"{v:.3f}" for v in values))
    console.print(table)
    for kind, calibration in evaluation.calibration().items():
        if "depth" in calibration:
            depth = calibration["depth"]
            console.print(
                f"predicted depth scale, {kind}: mean |error| / b "
                f"{depth['mean_scaled_error']:.3f} (1 is right); "
                f"{depth['coverage']['0.5']:.3f} of the pixels below the median of a Laplace "
                f"distribution, {depth['coverage']['0.9']:.3f} below its 90 %")
        if "probabilities" in calibration:
            p = calibration["probabilities"]
            console.print(f"class probabilities, {kind}: calibration error {p['ece']:.4f}, "
                          f"negative log likelihood {p['nll']:.4f}")
