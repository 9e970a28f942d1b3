"""Drawing of what ``scenecode.networks.evaluation.reliability`` found."""

from pathlib import Path
from typing import Any

from scenecode.networks.evaluation.reliability import LARGEST_SCALE, SMALLEST_SCALE
from scenecode.networks.families.network import answer_title

#: Smallest and largest dots of the drawing, in points squared, for shares 0 and 1 of the pixels.
_DOTS = (8.0, 400.0)


def save_reliability_plot(path: Path, calibration: dict[str, dict]) -> None:
    """A PNG with three panels, right where the dots lie on the diagonal: pixels below each
    Laplace quantile of the error, error in bins of predicted scale, and accuracy in bins of
    confidence; the area of a dot is its share of the pixels.  ``calibration`` as
    ``scenecode.networks.evaluation.evaluate.Evaluation.calibration`` gives it."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    coverage, scale, probability = figure.subplots(1, 3)
    for depth in (values["depth"] for values in calibration.values() if "depth" in values):
        quantiles = {float(q): part for q, part in depth["coverage"].items()}
        coverage.plot(list(quantiles), list(quantiles.values()), marker="o")
        coverage.set(title=f"depth: mean |error| / b = {depth['mean_scaled_error']:.2f}")
        _dots(scale, depth["by_scale"], "scale", "error")
    _diagonal(coverage, 0, 1)
    coverage.set(xlabel="quantile of a Laplace distribution", ylabel="part of the pixels below")
    _diagonal(scale, SMALLEST_SCALE, LARGEST_SCALE)
    scale.set(title="proximity error by predicted scale", xscale="log", yscale="log",
              xlabel="predicted scale b", ylabel="mean |error|")
    for kind, values in calibration.items():
        if "probabilities" not in values:
            continue
        p = values["probabilities"]
        _dots(probability, p["bins"], "confidence", "accuracy",
              f"{answer_title(kind)}: ECE {p['ece']:.3f}, NLL {p['nll']:.2f}")
    _diagonal(probability, 0, 1)
    probability.set(title="class probabilities", xlabel="confidence", ylabel="accuracy")
    if any("probabilities" in values for values in calibration.values()):
        probability.legend(loc="upper left")
    figure.savefig(path, dpi=100)


def _diagonal(axes: Any, low: float, high: float) -> None:
    axes.plot([low, high], [low, high], color="0.6", linestyle="--", zorder=1)
    axes.grid(alpha=0.3)


def _dots(axes: Any, bins: list[dict], x: str, y: str, label: str | None = None) -> None:
    areas = [_DOTS[0] + (_DOTS[1] - _DOTS[0]) * bin["share"] for bin in bins]
    axes.scatter([bin[x] for bin in bins], [bin[y] for bin in bins], areas, alpha=0.7,
                 label=label)
