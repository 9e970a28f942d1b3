"""Scores of depth and labels, pooled over all pixels of a set."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.networks.classes import VOID

#: A depth counts as correct when it is within this ratio of the truth (Eigen et al. 2014), or
#: within these powers of it.
DELTA = 1.25
DELTA_POWERS = (1, 2, 3)
#: Least standard deviation of depth in metres by which it is divided.
MIN_STD = 1e-6


class Confusion:
    """Counts of (true class, predicted class); void pixels never count."""

    def __init__(self, classes: int):
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)

    def add(self, predicted: Tensor, truth: Tensor) -> None:
        """Label maps of any equal shape; ``truth`` may hold ``VOID``."""
        labelled = truth != VOID
        C = len(self.counts)
        pairs = truth[labelled].long().cpu() * C + predicted[labelled].long().cpu()
        self.counts += torch.bincount(pairs, minlength=C * C).reshape(C, C)

    def joined(self, group_of_class: Sequence[int]) -> "Confusion":
        """The counts of groups of classes, numbered from 0."""
        groups = F.one_hot(torch.tensor(group_of_class))
        counts = Confusion(groups.shape[1])
        counts.counts += groups.T @ self.counts @ groups
        return counts

    def scores(self) -> dict[str, float]:
        """``miou``, ``pixel_accuracy`` and ``class_accuracy`` in [0, 1].

        Means are over the classes that occur in the truth; NaN when none does.
        """
        iou, accuracy = self.by_class()
        occurs = self.counts.sum(1) > 0
        correct = self.counts.diagonal().sum() / self.counts.sum()
        return {"miou": iou[occurs].mean().item(), "pixel_accuracy": correct.item(),
                "class_accuracy": accuracy[occurs].mean().item()}

    def by_class(self) -> tuple[Tensor, Tensor]:
        """Intersection over union, and accuracy, of each class (C,), float64; NaN for a class
        that does not occur in the truth."""
        counts = self.counts.double()
        correct, true, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
        absent = true == 0
        iou = (correct / (true + predicted - correct)).masked_fill(absent, torch.nan)
        return iou, correct / true


@dataclass
class DepthErrors:
    """Running sums over pixels with known depth, and over images."""

    pixels: int = 0
    relative: float = 0.0
    squared_relative: float = 0.0
    within_delta: tuple[int, ...] = (0,) * len(DELTA_POWERS)
    squared: float = 0.0
    squared_log: float = 0.0
    proximity: float = 0.0
    images: int = 0
    log_std: float = 0.0
    log_variance: float = 0.0
    log_literal: float = 0.0
    within_delta_matched: int = 0
    within_delta_normalised: int = 0

    def add(self, depth: Tensor, truth: Tensor, prox: Tensor, prox_truth: Tensor) -> None:
        """One image: depth in metres (0 unknown in ``truth``) and proximity, all of one shape."""
        valid = truth > 0
        d, t = depth[valid].double(), truth[valid].double()
        if not d.numel():
            return
        error, log_error = d - t, torch.log(d / t)
        self.pixels += d.numel()
        self.relative += (error.abs() / t).sum().item()
        self.squared_relative += (error.square() / t).sum().item()
        self.squared += error.square().sum().item()
        self.squared_log += log_error.square().sum().item()
        self.within_delta = tuple(
            count + int((log_error.abs() < power * log(DELTA)).sum())
            for count, power in zip(self.within_delta, DELTA_POWERS))
        self.proximity += (prox[valid] - prox_truth[valid]).double().abs().sum().item()
        self.images += 1
        variance = log_error.var(correction=0).item()
        self.log_std += variance ** 0.5
        self.log_variance += variance
        self.log_literal += variance + 4 * log_error.mean().item() ** 2
        normalised, normalised_truth = (
            (v - v.mean()) / v.std(correction=0).clamp(min=MIN_STD) for v in (d, t))
        matched = normalised * t.std(correction=0) + t.mean()
        self.within_delta_matched += _count_within_delta(matched, t)
        self.within_delta_normalised += _count_within_delta(normalised, normalised_truth)

    def scores(self) -> dict[str, float]:
        """In metres or without unit; NaN when no depth was known.

        ``abs_rel``, ``sq_rel`` (squared error over true depth), ``rmse_m``, ``rmse_log``,
        ``delta1`` to ``delta3`` (parts within 1.25, 1.25^2 and 1.25^3) and
        ``proximity_error`` (mean absolute; the paper's figure 4) are over pixels; ``si_log``
        is the standard deviation of the log error in an image (Eigen et al. 2014, equation 1,
        its root), which no scale of the depth changes, mean over images.

        ``si_log_variance`` is the mean of the squares of ``si_log``, and ``si_log_literal`` the
        same with the sign of the mean error that HybridNet (table 3) prints.  ``mvn_delta1`` is
        ``delta1`` after a scale and an offset that give the depth the mean and the standard
        deviation of the image's truth, and ``mvn_delta1_literal`` that of both normalised to mean
        0 and deviation 1, as printed there, where ratios of values of unlike sign never count.
        """
        n, images = self.pixels or float("nan"), self.images or float("nan")
        deltas = {f"delta{power}": count / n
                  for power, count in zip(DELTA_POWERS, self.within_delta)}
        return {"abs_rel": self.relative / n, "sq_rel": self.squared_relative / n,
                "rmse_m": (self.squared / n) ** 0.5, "rmse_log": (self.squared_log / n) ** 0.5,
                "si_log": self.log_std / images, "proximity_error": self.proximity / n,
                "si_log_variance": self.log_variance / images,
                "si_log_literal": self.log_literal / images,
                "mvn_delta1": self.within_delta_matched / n,
                "mvn_delta1_literal": self.within_delta_normalised / n} | deltas


def _count_within_delta(depth: Tensor, truth: Tensor) -> int:
    """How many have a ratio within ``DELTA``; none where the signs differ."""
    ratio = depth / truth
    return int(((ratio < DELTA) & (ratio > 1 / DELTA)).sum())
