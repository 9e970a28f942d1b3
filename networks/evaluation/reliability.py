"""Calibration of a network's uncertainty: of the scale it predicts for depth, and of its class
probabilities.

The optimiser weights residuals by the former and fuses the latter, so both must be calibrated.
Everything is pooled over the pixels of a set.
"""

from math import log

import torch
from torch import Tensor

from scenecode.networks.classes import VOID

#: Parts of the pixels whose error should stay below a Laplace distribution's quantile.
QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
#: Bins of the predicted scale of proximity, even in its logarithm; the first and the last also
#: take what lies outside.
SCALE_BINS, SMALLEST_SCALE, LARGEST_SCALE = 12, 3e-3, 0.3
#: Bins of confidence, even from 0 to 1 (Guo et al. 2017).
CONFIDENCE_BINS = 15


class ScaleReliability:
    """Errors against their predicted Laplace scales: ``|error| / b`` of a Laplace distribution
    is exponential with mean 1."""

    def __init__(self) -> None:
        self._below = torch.zeros(len(QUANTILES) + 1, dtype=torch.int64)
        self._scaled = 0.0
        self._thresholds = torch.tensor([-log(1 - q) for q in QUANTILES])
        self._edges = torch.logspace(log(SMALLEST_SCALE), log(LARGEST_SCALE), SCALE_BINS + 1,
                                     base=torch.e)[1:-1]
        #: count, sum of scales and sum of absolute errors in each bin of scale
        self._by_scale = torch.zeros(3, SCALE_BINS, dtype=torch.float64)

    def add(self, error: Tensor, b: Tensor, valid: Tensor) -> None:
        """Errors and scales of one shape and unit; only where ``valid`` (bool)."""
        error, b = error[valid].abs(), b[valid]
        scaled = error / b
        self._scaled += scaled.double().sum().item()
        self._below += torch.bincount(torch.bucketize(scaled, self._thresholds),
                                      minlength=len(self._below))
        bins = torch.bucketize(b, self._edges)
        self._by_scale += _sums(bins, SCALE_BINS, torch.ones_like(b), b, error)

    def scores(self) -> dict:
        """``mean_scaled_error`` (1 when the scales are right on average), ``coverage``: the
        part of the pixels below each Laplace quantile, by its name, and ``by_scale``: mean
        ``scale``, mean absolute ``error`` (equal when right) and ``share`` of the pixels, in
        bins of the predicted scale.  NaN when nothing was known."""
        n = self._below.sum().item() or float("nan")
        coverage = (self._below.cumsum(0)[:-1] / n).tolist()
        count, scale, error = self._by_scale
        bins = [{"scale": (scale[i] / count[i]).item(), "error": (error[i] / count[i]).item(),
                 "share": (count[i] / n).item()} for i in range(SCALE_BINS) if count[i]]
        return {"mean_scaled_error": self._scaled / n, "by_scale": bins,
                "coverage": {str(q): part for q, part in zip(QUANTILES, coverage)}}


class ProbabilityReliability:
    """Class probabilities against accuracy (Guo et al. 2017, section 2)."""

    def __init__(self) -> None:
        self._nll = 0.0
        #: count, sum of confidences and number of correct pixels in each bin of confidence
        self._bins = torch.zeros(3, CONFIDENCE_BINS, dtype=torch.float64)

    def add(self, logits: Tensor, truth: Tensor) -> None:
        """Logits (C, H, W) of an image and its labels (H, W); void pixels do not count."""
        labelled = truth != VOID
        log_p, labels = logits[:, labelled].log_softmax(0), truth[labelled].long()
        self._nll -= log_p.gather(0, labels[None]).double().sum().item()
        best, predicted = log_p.max(0)
        confidence = best.exp()
        # a bin has its upper edge: probability 1 belongs to the last
        bins = (confidence * CONFIDENCE_BINS).ceil().long().clamp(1, CONFIDENCE_BINS) - 1
        self._bins += _sums(bins, CONFIDENCE_BINS, torch.ones_like(confidence), confidence,
                            (predicted == labels).to(confidence.dtype))

    def scores(self) -> dict:
        """``ece``, the expected calibration error; ``nll``, the mean negative log probability
        of the truth in nats; ``bins``: mean ``confidence``, ``accuracy`` and ``share`` of the
        pixels.  NaN when nothing was labelled."""
        count, confidence, correct = self._bins
        n = count.sum().item() or float("nan")
        bins = [{"confidence": (confidence[i] / count[i]).item(),
                 "accuracy": (correct[i] / count[i]).item(), "share": (count[i] / n).item()}
                for i in range(CONFIDENCE_BINS) if count[i]]
        return {"ece": (confidence - correct).abs().sum().item() / n, "nll": self._nll / n,
                "bins": bins}


def _sums(bins: Tensor, count: int, *values: Tensor) -> Tensor:
    """The sum of each of the values (N,) in each of ``count`` bins, float64."""
    return torch.stack([torch.bincount(bins, value.double(), count) for value in values])
