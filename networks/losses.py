"""Training losses: proximity, labels, code distributions and their balance (paper section 3.1)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.classes import VOID
from networks.errors import ConfigError
from networks.scenecode import MIN_SCALE


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; the KL terms are per code entry, against pixel means."""

    #: KL weight of the depth code; too high a value empties the code
    depth_kl: float = 2e-4
    semantic_kl: float = 1e-3
    #: epochs without KL, then epochs over which its weight rises
    kl_start: float = 2.0
    kl_ramp: float = 6.0
    #: losses look at every n-th pixel of each row and column
    pixel_step: int = 2

    def __post_init__(self):
        if self.pixel_step < 1 or self.kl_ramp <= 0:
            raise ConfigError("pixel_step must be at least 1 and kl_ramp positive")

    def kl_factor(self, epoch: float) -> float:
        """0 for the first ``kl_start`` epochs, then linearly to 1."""
        return min(max((epoch - self.kl_start) / self.kl_ramp, 0.0), 1.0)


def proximity_l1(prox: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Mean absolute error where ``known`` is 1; all (B, 1, H, W)."""
    return ((prox - truth).abs() * known).sum() / known.sum().clamp(min=1)


def laplace(prox: Tensor, truth: Tensor, known: Tensor, b: Tensor) -> Tensor:
    """Equation 3, ``|p~ - p| / b + log b``, mean over known pixels, with the constant
    ``-log(MIN_SCALE)`` added: it is then never negative, which the task weights need."""
    nll = (prox - truth).abs() / b + torch.log(b / MIN_SCALE)
    return (nll * known).sum() / known.sum().clamp(min=1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Equation 4: logits (B, C, H, W), labels (B, H, W) uint8; void pixels do not count."""
    total = F.cross_entropy(logits, labels.long(), ignore_index=VOID, reduction="sum")
    return total / (labels != VOID).sum().clamp(min=1)


def kl_from_unit_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp logvar) || N(0, 1)), summed over the code, mean over the batch."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean()


class TaskWeights(nn.Module):
    """Balance of two losses by learnt homoscedastic uncertainty (Kendall et al. 2018):
    ``sum_i exp(-s_i) L_i + s_i`` for non-negative ``L_i``."""

    def __init__(self):
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(2))

    def forward(self, depth: Tensor, semantic: Tensor) -> Tensor:
        losses = torch.stack([depth, semantic])
        return (torch.exp(-self.log_variance) * losses + self.log_variance).sum()
