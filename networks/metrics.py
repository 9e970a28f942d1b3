"""Scores of depth and labels, pooled over all pixels of a set."""

from dataclasses import dataclass

import torch
from torch import Tensor

from networks.classes import VOID

#: A depth counts as right when it is within this ratio of the truth (Eigen et al. 2014).
DELTA = 1.25


class Confusion:
    """Counts of (true class, predicted class); void pixels never count."""

    def __init__(self, classes: int):
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)

    def add(self, predicted: Tensor, truth: Tensor) -> None:
        """Label maps of any equal shape; ``truth`` may hold ``VOID``."""
        known = truth != VOID
        C = len(self.counts)
        pairs = truth[known].long().cpu() * C + predicted[known].long().cpu()
        self.counts += torch.bincount(pairs, minlength=C * C).reshape(C, C)

    def scores(self) -> dict[str, float]:
        """``miou``, ``pixel_accuracy`` and ``class_accuracy`` in [0, 1].

        Means are over the classes that occur in the truth; NaN when none does.
        """
        counts = self.counts.double()
        right, true, said = counts.diagonal(), counts.sum(1), counts.sum(0)
        occurs = true > 0
        iou = right[occurs] / (true + said - right)[occurs]
        return {"miou": iou.mean().item(), "pixel_accuracy": (right.sum() / true.sum()).item(),
                "class_accuracy": (right[occurs] / true[occurs]).mean().item()}


@dataclass
class DepthErrors:
    """Running sums over pixels with known depth."""

    pixels: int = 0
    relative: float = 0.0
    within_delta: int = 0
    squared: float = 0.0
    proximity: float = 0.0

    def add(self, depth: Tensor, truth: Tensor, prox: Tensor, prox_truth: Tensor) -> None:
        """Depth in metres (0 unknown in ``truth``) and proximity, all of one shape."""
        known = truth > 0
        d, t = depth[known].double(), truth[known].double()
        self.pixels += d.numel()
        self.relative += ((d - t).abs() / t).sum().item()
        self.within_delta += int((torch.maximum(d / t, t / d) < DELTA).sum())
        self.squared += (d - t).square().sum().item()
        self.proximity += (prox[known] - prox_truth[known]).double().abs().sum().item()

    def scores(self) -> dict[str, float]:
        """``abs_rel``, ``delta1``, ``rmse_m`` and ``proximity_error`` (mean absolute);
        NaN when no depth was known."""
        n = self.pixels or float("nan")
        return {"abs_rel": self.relative / n, "delta1": self.within_delta / n,
                "rmse_m": (self.squared / n) ** 0.5, "proximity_error": self.proximity / n}
