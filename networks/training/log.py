"""The record of a training run, ``log.jsonl``, and the curves drawn from it."""

import json
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any

from scenecode.core.atomic_write import write_text
from scenecode.core.errors import DataError
from scenecode.networks.families.network import answer_title

#: Held-out scores that are drawn.
_SCORES = {"mIoU": "miou", "proximity error": "proximity_error", "AbsRel": "abs_rel"}


class TrainingLog:
    """A line of JSON for every finished epoch: ``epoch``, ``train`` and ``val``."""

    def __init__(self, path: Path, finished: int):
        """The log of a run of which ``finished`` epochs are done: later ones, which a run
        that was killed may have left, are dropped.  Raises ``DataError`` for a log that
        cannot be read."""
        self.path = path
        self.records = [r for r in _read(path) if r["epoch"] <= finished] if finished else []
        text = "".join(json.dumps(record) + "\n" for record in self.records)
        write_text(path, text)

    def add(self, epoch: int, train: dict, val: dict) -> None:
        """One more line."""
        record = {"epoch": epoch, "train": train, "val": val}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self.records.append(record)


def _read(path: Path) -> list[dict]:
    if not path.exists():
        return []
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [{key: record[key] for key in ("epoch", "train", "val")} for record in records]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a training log ({error}); delete it to go on "
                        "without the curves of earlier epochs") from error


def save_curves(path: Path, records: Sequence[dict],
                loss_curves: Mapping[str, Mapping[str, str]]) -> None:
    """A PNG: training losses above, held-out scores of every answer below, over epochs;
    ``loss_curves`` as ``scenecode.networks.families.family.Family`` has them."""
    from matplotlib.figure import Figure
    epochs = [record["epoch"] for record in records]
    columns = max(1 + len(loss_curves), len(_SCORES))
    figure = Figure(figsize=(11 * columns / 3, 6), layout="constrained")
    above, below = figure.subplots(2, columns)
    _draw(above[0], epochs, "loss", {"total": [r["train"].get("loss") for r in records]})
    parts, answers = records[-1]["train"], records[-1]["val"]
    for axes, (title, names) in zip(above[1:], loss_curves.items()):
        _draw(axes, epochs, f"training {title}", {
            label: [r["train"].get(name, nan) for r in records]  # a stage has its own terms
            for label, name in names.items() if name in parts})
    for axes, (title, name) in zip(below, _SCORES.items()):
        _draw(axes, epochs, f"held-out {title}", {
            answer_title(answer): [_number(r["val"][answer][name]) for r in records]
            for answer in answers})
    for axes in (*above[1 + len(loss_curves):], *below[len(_SCORES):]):
        axes.set_axis_off()
    figure.savefig(path, dpi=90)


def _number(score: float | None) -> float:
    return nan if score is None else score


def _draw(axes: Any, epochs: list[int], title: str, lines: dict[str, list[float]]) -> None:
    for label, values in lines.items():
        axes.plot(epochs, values, marker=".", label=label)
    axes.set(title=title, xlabel="epoch")
    axes.grid(alpha=0.3)
    if len(lines) > 1:
        axes.legend()
