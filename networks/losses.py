"""Training losses: proximity, labels, code distributions and their balance (paper section 3.1)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.classes import VOID
from networks.data.mixed import Batch
from networks.errors import ConfigError
from networks.scenecode import MIN_SCALE, SceneCode
from optim.proximity import proximity_from_depth


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; the KL terms are per code entry, against pixel means."""

    #: KL weight of the depth code; too high a value empties the code
    depth_kl: float = 5e-4
    semantic_kl: float = 1e-3
    #: epochs without KL, then epochs over which its weight rises
    kl_start: float = 2.0
    kl_ramp: float = 6.0
    #: weight of the plain proximity error at zero code, beside the one that the predicted
    #: scale excuses: otherwise the hard pixels are given up
    plain_depth: float = 0.0
    #: labels weigh as their frequency to the power of minus this: 0 treats pixels alike,
    #: 1 treats classes alike
    class_balance: float = 0.0
    #: losses look at every n-th pixel of each row and column
    pixel_step: int = 2

    def __post_init__(self):
        if self.pixel_step < 1 or self.kl_ramp <= 0:
            raise ConfigError("pixel_step must be at least 1 and kl_ramp positive")
        if self.plain_depth < 0 or not 0 <= self.class_balance <= 1:
            raise ConfigError("plain_depth must not be negative, class_balance lies in [0, 1]; "
                              f"got {self.plain_depth} and {self.class_balance}")

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


def cross_entropy(logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
    """Equation 4: logits (B, C, H, W), labels (B, H, W) ids; the mean over pixels, each with
    the weight (C,) of its class; void pixels do not count."""
    total = F.cross_entropy(logits, labels.long(), class_weights, ignore_index=VOID,
                            reduction="sum")
    return total / class_weights[labels[labels != VOID].long()].sum().clamp(min=1e-6)


def balanced_weights(counts: Tensor, exponent: float) -> Tensor:
    """Class weights (C,) as ``frequency ** -exponent``, one on average over pixels, from pixel
    counts (C,); classes that never occur weigh as one pixel of theirs would."""
    counts = counts.double()
    weights = counts.clamp(min=1) ** -exponent
    return (weights * counts.sum().clamp(min=1) / (weights * counts).sum().clamp(min=1e-6)).float()


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


class Objective(nn.Module):
    """Everything that training minimises, for one batch.

    Every image is decoded twice: from the zero code, because that is all that a new keyframe
    has, and from a code drawn from its recognition model.  The predicted scale ``b`` is
    learnt on the zero-code error, which is what mapping needs to know, and only weighs the
    other.
    """

    def __init__(self, config: LossConfig, class_weights: Tensor):
        """``class_weights`` (C,) as ``balanced_weights`` gives them."""
        super().__init__()
        self.config = config
        self.task_weights = TaskWeights()
        self.register_buffer("class_weights", class_weights)

    def forward(self, model: SceneCode, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The total (scalar) and its detached parts; ``epoch`` may be fractional."""
        prox = proximity_from_depth(batch.depth, model.config.average_depth)[:, None]
        known = batch.valid[:, None].to(prox.dtype)
        features = model.features(batch.image)
        depth_code, depth_kl, depth_rms = self._draw(
            model.config.depth_code, generator,
            lambda: model.recognise_depth(features, prox, known))
        semantic_code, semantic_kl, semantic_rms = self._draw(
            model.config.semantic_code, generator,
            lambda: model.recognise_semantic(features, batch.labels))
        coded_prox, coded_logits = model.decode(features, depth_code, semantic_code)

        step = self.config.pixel_step
        row, column = torch.randint(step, (2,), generator=generator).tolist()
        at = (..., slice(row, None, step), slice(column, None, step))
        prox, known, labels = prox[at], known[at], batch.labels[at]

        def upsample(maps: Tensor) -> Tensor:
            return F.interpolate(maps, prox.shape[-2:], mode="bilinear", align_corners=False)

        b = upsample(features.prox_b)
        zero_prox = upsample(features.prox_zero)
        depth_zero = laplace(zero_prox, prox, known, b)
        semantic_zero = cross_entropy(upsample(features.logits_zero), labels, self.class_weights)
        plain_zero = proximity_l1(zero_prox, prox, known)
        parts = {"depth_zero": plain_zero, "semantic_zero": semantic_zero}
        depth = depth_zero + self.config.plain_depth * plain_zero
        semantic = semantic_zero
        factor = self.config.kl_factor(epoch)
        if depth_code is not None:
            error = upsample(coded_prox) - prox
            depth = depth + proximity_l1(error / b.detach(), torch.zeros_like(error), known)
            depth = depth + factor * self.config.depth_kl * depth_kl
            parts |= {"depth_coded": proximity_l1(error, torch.zeros_like(error), known),
                      "depth_kl": depth_kl, "depth_code_rms": depth_rms}
        if semantic_code is not None:
            coded = cross_entropy(upsample(coded_logits), labels, self.class_weights)
            semantic = semantic + coded + factor * self.config.semantic_kl * semantic_kl
            parts |= {"semantic_coded": coded, "semantic_kl": semantic_kl,
                      "semantic_code_rms": semantic_rms}
        total = self.task_weights(depth, semantic)
        return total, {name: value.detach() for name, value in parts.items()}

    @staticmethod
    def _draw(size: int, generator: torch.Generator, recognise):
        """A code (B, size) of the recognised distribution, its KL, and the root mean square of
        the means (about 1 when codes are used and unit normal); nothing without code."""
        if not size:
            return None, None, None
        mean, logvar = recognise()
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        code = mean + noise * torch.exp(0.5 * logvar)
        return code, kl_from_unit_normal(mean, logvar), mean.square().mean().sqrt()
