"""How far the depths of a network without a predicted scale usually are from the truth."""

from collections.abc import Iterable
from math import log, sqrt

import torch
from torch import Tensor, nn

from scenecode.networks.families.geometry import Geometry

#: Bands of ``Geometry.depth_range``, equally wide in ln depth; the outer ones hold everything
#: beyond.
BANDS = 12
#: Standard deviation of ln depth before anything was fitted, and the least there can be.
DEFAULT_STD, MIN_STD = 0.2, 0.01
#: A band of few pixels tends to the value of all; this many of its own weigh as much as that.
PRIOR_PIXELS = 100.0


class LogDepthStd(nn.Module):
    """The standard deviation of ln depth as a function of predicted depth: one number for each
    band of depth, fitted on held-out images and stored with the weights, linear between the
    centres of the bands.

    A standard deviation ``s`` of ln depth is the Laplace scale ``b = s p (1 - p) / sqrt(2)`` of
    proximity ``p``; ``scenecode.networks.prediction.Prediction.without_codes`` takes
    ``depth_std = s * depth``.
    """

    #: (BANDS,)
    std: Tensor

    def __init__(self, geometry: Geometry):
        super().__init__()
        nearest, farthest = geometry.depth_range
        self._start = log(nearest)
        self._width = (log(farthest) - self._start) / BANDS
        self.register_buffer("std", torch.full((BANDS,), DEFAULT_STD))

    def forward(self, depth: Tensor) -> Tensor:
        """Depths in metres at the canonical focal length, of any shape, to the standard
        deviations of their logarithms."""
        position = ((depth.log() - self._start) / self._width - 0.5).clamp(0, BANDS - 1)
        lower = position.floor().clamp(max=BANDS - 2)
        index = lower.long()
        return torch.lerp(self.std[index], self.std[index + 1], position - lower)

    @torch.no_grad()
    def fit(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Fit to predicted and true depths of images, in metres at the canonical focal length, of
        one shape each; pixels whose true depth is 0 are unknown.  Without any, nothing changes.

        The maximum likelihood estimate for errors of ln depth that are Laplace distributed:
        sqrt(2) times their mean absolute value.
        """
        total, count = torch.zeros(2, BANDS, dtype=torch.float64)
        for depth, truth in pairs:
            known = truth > 0
            predicted = depth[known].double().cpu().log()
            error = (predicted - truth[known].double().cpu().log()).abs()
            band = ((predicted - self._start) / self._width).floor().clamp(0, BANDS - 1).long()
            total += torch.bincount(band, error, BANDS)
            count += torch.bincount(band, minlength=BANDS)
        if count.sum():
            overall = total.sum() / count.sum()
            mean = (total + PRIOR_PIXELS * overall) / (count + PRIOR_PIXELS)
            self.std.copy_((sqrt(2) * mean).clamp(min=MIN_STD))
