"""Depth as classes: an interval divided into bins, and depth from a distribution over them.

Spacing-increasing discretisation (SID; Fu et al. 2018, DORN, equation 1) divides the interval
evenly in log depth, uniform discretisation (UD) in depth.
"""

from math import log
from typing import Literal

import torch
from torch import Tensor, nn

from scenecode.core.errors import ConfigError

Spacing = Literal["sid", "ud"]
Decoding = Literal["argmax", "expectation"]


def bin_edges(spacing: Spacing, low: float, high: float, bins: int) -> Tensor:
    """The ``bins + 1`` edges (float64) of the interval from ``low`` to ``high`` metres.

    Raises ``ConfigError`` unless ``0 < low < high`` and there are two bins at least.
    """
    if not 0 < low < high or bins < 2:
        raise ConfigError(f"depth bins need 0 < least depth < greatest depth and at least 2 bins; "
                          f"got {low}, {high} and {bins}")
    steps = torch.arange(bins + 1, dtype=torch.float64) / bins
    if spacing == "ud":
        return low + (high - low) * steps
    return low * (high / low) ** steps


class DepthBins(nn.Module):
    """Bins between ``low`` and ``high`` metres; log depths are natural logarithms.

    The depth of a bin is the geometric mean of its edges, which halves its largest relative
    error.
    """

    #: (K,) natural logarithms of the bins' depths, and their widths in log depth
    log_depth: Tensor
    log_width: Tensor

    def __init__(self, spacing: Spacing, low: float, high: float, bins: int):
        super().__init__()
        self.spacing, self.low, self.high, self.bins = spacing, low, high, bins
        log_edges = bin_edges(spacing, low, high, bins).log()
        for name, value in (("log_depth", (log_edges[1:] + log_edges[:-1]) / 2),
                            ("log_width", log_edges.diff())):
            self.register_buffer(name, value.float(), persistent=False)

    def label(self, depth: Tensor) -> Tensor:
        """The bin (int64, 0 to K - 1) of each depth in metres; depths outside the interval, and
        those that are not positive, belong to the first or the last bin."""
        depth = depth.clamp(min=self.low)
        if self.spacing == "sid":
            part = (depth / self.low).log() / log(self.high / self.low)
        else:
            part = (depth - self.low) / (self.high - self.low)
        return (part * self.bins).floor().long().clamp(0, self.bins - 1)

    def decode(self, logits: Tensor, how: Decoding) -> tuple[Tensor, Tensor]:
        """Logits (B, K, h, w) to depth in metres and the standard deviation of its natural
        logarithm, both (B, h, w).

        ``argmax`` takes the most likely bin, ``expectation`` the mean of log depth.  The
        deviation is the root of the distribution's second moment about that depth plus the
        variance ``width^2 / 12`` of an even distribution inside each bin.
        """
        probability = logits.float().softmax(1)
        if how == "argmax":
            log_depth = self.log_depth[probability.argmax(1)]
        else:
            log_depth = torch.einsum("bkhw,k->bhw", probability, self.log_depth)
        # about a constant, so that no difference of large squares loses digits
        centre = self.log_depth.mean()
        first = torch.einsum("bkhw,k->bhw", probability, self.log_depth - centre)
        second = torch.einsum("bkhw,k->bhw", probability,
                              (self.log_depth - centre).square() + self.log_width.square() / 12)
        offset = log_depth - centre
        variance = second - 2 * offset * first + offset.square()
        return log_depth.exp(), variance.clamp(min=1e-8).sqrt()
