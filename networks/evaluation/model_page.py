"""The page of pictures of ``evaluate model``: a folder with ``index.html`` and its images."""

import html
from pathlib import Path

from scenecode.core.atomic_write import write_text
from scenecode.core.errors import DataError, ResultError
from scenecode.core.images import write_rgb
from scenecode.networks.evaluation.comparison import Comparison
from scenecode.networks.evaluation.pictures import evenly_spaced, prediction_sheet
from scenecode.networks.evaluation.reliability_plot import save_reliability_plot
from scenecode.networks.families.network import Network, answer_title

#: Images shown, and those of them that the family's own figures are drawn of.
SHOWN, WITH_FIGURES = 8, 3
#: Digits of the scores.
_DECIMALS = 3

_STYLE = """body { font-family: sans-serif; margin: 2em; color: #222; }
img { max-width: 100%; image-rendering: auto; }
table { border-collapse: collapse; margin: 1em 0; }
td, th { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: right; }
td:first-child, th:first-child { text-align: left; }"""
_PREDICTIONS = ("Depth from near (red) to far (blue), labels in the classes' colours, unknown "
                "black; uncertainty and entropy from none (violet) to full (yellow).")
_RELIABILITY = "Predicted uncertainty against what happened; right is on the dashed line."


class ModelPage:
    """Collects comparisons of a data set of known length and writes the page."""

    def __init__(self, folder: Path, model: Network, length: int):
        """Makes ``folder``; raises ``DataError`` when that cannot be done."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be made a folder for pictures "
                            f"({error.strerror}); give another --pictures DIR") from error
        self._folder, self._model = folder, model
        self._shown = set(evenly_spaced(length, SHOWN))
        self._comparisons: list[Comparison] = []

    def shows(self, index: int) -> bool:
        """Whether the image of this index is to be added."""
        return index in self._shown

    def add(self, comparison: Comparison) -> None:
        """Show this image too."""
        self._comparisons.append(comparison)

    def write(self, result: dict, heading: str) -> Path:
        """``index.html`` with its pictures; ``result`` as
        ``scenecode.networks.evaluation.evaluate`` prints it.

        Returns its path; raises ``DataError`` when the folder cannot be written.
        """
        page = self._folder / "index.html"
        try:
            captions = self._write_pictures(result["calibration"])
            write_text(page, _page(result, heading, captions))
        except (OSError, ResultError) as error:
            raise DataError(f"{self._folder}: the pictures could not be written ({error}); "
                            "check its permissions and space, or give another --pictures DIR"
                            ) from error
        return page

    def _write_pictures(self, calibration: dict) -> dict[str, str]:
        """The captions of the pictures by their file names."""
        write_rgb(self._folder / "predictions.png",
                  prediction_sheet(self._comparisons, self._model.classes))
        save_reliability_plot(self._folder / "reliability.png", calibration)
        captions = {"predictions.png": _PREDICTIONS, "reliability.png": _RELIABILITY}
        for index in evenly_spaced(len(self._comparisons), WITH_FIGURES):
            for figure in self._model.figures(self._comparisons[index].sample):
                name = f"{figure.name}_{index}.png"
                write_rgb(self._folder / name, figure.picture)
                captions[name] = figure.caption
        return captions


def _page(result: dict, heading: str, captions: dict[str, str]) -> str:
    """HTML: the scores, then the pictures."""
    kinds = list(result["calibration"])
    scores = [[name, *(_number(result[kind][name]) for kind in kinds)]
              for name in result[kinds[0]]]
    classes = [[name, _number(row["share"]),
                *(_number(row[kind][key]) for key in ("iou", "accuracy") for kind in kinds)]
               for name, row in result["classes"].items()]
    class_head = ["class", "share", *(f"{text}, {answer_title(kind)}"
                                      for text in ("IoU", "accuracy") for kind in kinds)]
    figures = "".join(f'<h2>{html.escape(text)}</h2><img src="{name}" alt="{html.escape(text)}">'
                      for name, text in captions.items())
    heading = html.escape(heading)
    return (f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{heading}</title>"
            f"<style>{_STYLE}</style><h1>{heading}</h1>"
            + _table(["", *map(answer_title, kinds)], scores)
            + _table(class_head, classes) + figures + "</html>\n")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head),
             *("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.{_DECIMALS}f}"
