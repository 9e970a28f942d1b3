"""The page of pictures of ``evaluate model``: a folder with ``index.html`` and its images."""

import html
from pathlib import Path

import numpy as np
import torch

from scenecode.core.errors import DataError
from scenecode.networks.evaluation.comparison import Comparison
from scenecode.networks.evaluation.pictures import (
    jacobian_sheet,
    prediction_sheet,
    spread,
    strongest_entries,
    write_rgb,
)
from scenecode.networks.evaluation.reliability_plot import save_reliability_plot
from scenecode.networks.families.scenecode.model import SceneCode

#: Images shown, and those of them whose Jacobians are shown.
SHOWN, SHOWN_JACOBIANS = 8, 3
#: Code entries shown: of the semantic code (a row each, over all classes; the paper's figure 6
#: has two) and of the depth code.
SEMANTIC_ENTRIES, DEPTH_ENTRIES = 3, 13
#: Digits of the scores.
_DECIMALS = 3

_STYLE = """body { font-family: sans-serif; margin: 2em; color: #222; }
img { max-width: 100%; image-rendering: auto; }
table { border-collapse: collapse; margin: 1em 0; }
td, th { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: right; }
td:first-child, th:first-child { text-align: left; }"""
_PREDICTIONS = ("Depth from near (red) to far (blue), labels in the classes' colours, unknown "
                "black; uncertainty and entropy from none (violet) to full (yellow). Zero code "
                "sees the image only, encoded also the truth through the recognition models.")
_RELIABILITY = "Predicted uncertainty against what happened; right is on the dashed line."
_SEMANTIC = ("How the strongest entries of the semantic code move the logits of each class: red "
             "raises, blue lowers.")
_DEPTH = ("How the strongest entries of the depth code move proximity: red brings nearer, blue "
          "takes farther.")


class ModelPage:
    """Collects comparisons of a data set of known length and writes the page."""

    def __init__(self, folder: Path, model: SceneCode, length: int):
        """Makes ``folder``; raises ``DataError`` when that cannot be done."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be made a folder for pictures "
                            f"({error.strerror}); give another --pictures DIR") from error
        self._folder, self._model = folder, model
        self._wanted = set(spread(length, SHOWN))
        self._comparisons: list[Comparison] = []

    def wants(self, index: int) -> bool:
        """Whether the image of this index is to be shown."""
        return index in self._wanted

    def add(self, comparison: Comparison) -> None:
        """Show this image too."""
        self._comparisons.append(comparison)

    def write(self, result: dict, title: str) -> Path:
        """``index.html`` with its pictures; ``result`` as ``scenecode.networks.evaluation.evaluate`` prints it.
        Returns its path; raises ``DataError`` when the folder cannot be written."""
        try:
            pictures = self._write_pictures(result["calibration"])
            page = self._folder / "index.html"
            page.write_text(_page(result, title, pictures), encoding="utf-8")
        except OSError as error:
            raise DataError(f"{self._folder}: the pictures could not be written ({error}); "
                            "check its rights and space, or give another --pictures DIR"
                            ) from error
        return page

    def _write_pictures(self, calibration: dict) -> dict[str, str]:
        """The captions of the pictures by their file names."""
        write_rgb(self._folder / "predictions.png",
                  prediction_sheet(self._comparisons, self._model.classes))
        save_reliability_plot(self._folder / "reliability.png", calibration)
        captions = {"predictions.png": _PREDICTIONS, "reliability.png": _RELIABILITY}
        if self._model.config.decoder != "linear":  # its derivative depends on the code
            return captions
        for index in spread(len(self._comparisons), SHOWN_JACOBIANS):
            sheets = self._jacobians(self._comparisons[index])
            for (name, caption), sheet in zip((("semantic", _SEMANTIC), ("depth", _DEPTH)), sheets):
                if sheet is not None:
                    write_rgb(self._folder / f"{name}_jacobians_{index}.png", sheet)
                    captions[f"{name}_jacobians_{index}.png"] = caption
        return captions

    @torch.no_grad()
    def _jacobians(self, comparison: Comparison) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Sheets of the semantic and of the depth code, where the model has them."""
        model, features, image = self._model, comparison.features, comparison.sample.image
        semantic = depth = None
        if model.config.semantic_code:
            J = model.semantic_head.jacobian(features.semantic)[0]
            rows = {f"entry {k}": J[:, k] for k in strongest_entries(J, SEMANTIC_ENTRIES)}
            semantic = jacobian_sheet(image, model.classes.names, rows)
        if model.config.depth_code:
            J = model.depth_head.jacobian(features.depth)[0]
            entries = strongest_entries(J, DEPTH_ENTRIES)
            depth = jacobian_sheet(image, [f"entry {k}" for k in entries], {"": J[0, entries]})
        return semantic, depth


def _page(result: dict, title: str, captions: dict[str, str]) -> str:
    """HTML: the scores, then the pictures."""
    kinds = ("zero_code", "encoded")
    scores = [[name, *(_number(result[kind][name]) for kind in kinds)] for name in result[kinds[0]]]
    classes = [[name, _number(row["share"]),
                *(_number(row[kind][key]) for key in ("iou", "accuracy") for kind in kinds)]
               for name, row in result["classes"].items()]
    figures = "".join(f'<h2>{html.escape(text)}</h2><img src="{name}" alt="{html.escape(text)}">'
                      for name, text in captions.items())
    return (f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}"
            f"</title><style>{_STYLE}</style><h1>{html.escape(title)}</h1>"
            + _table(["", "zero code", "encoded"], scores)
            + _table(["class", "share", "IoU", "IoU encoded", "accuracy", "accuracy encoded"],
                     classes) + figures + "</html>\n")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head),
             *("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.{_DECIMALS}f}"
