"""Training losses: proximity, labels, code distributions and their balance (paper section 3.1)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import VOID
from scenecode.networks.data.mixed import Batch
from scenecode.networks.distributed import Processes
from scenecode.networks.families.scenecode.model import MIN_SCALE, Features, SceneCode
from scenecode.optim.geometry.proximity import proximity_from_depth

#: Relative depth errors are taken of proximities at least this far inside 0 to 1.
PROXIMITY_RANGE = 0.05


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
    #: weight of the zero code's error of depth over depth, for the same reason; unlike the one of
    #: proximity it counts too far as worse than too near
    relative_depth: float = 0.0
    #: share of the encoder's coarsest maps that a step leaves out, and half of it of the second
    #: coarsest: no one cue is then relied on
    dropout: float = 0.0
    #: labels weigh as their frequency to the power of minus this: 0 treats pixels alike,
    #: 1 treats classes alike
    class_balance: float = 0.0
    #: losses look at every n-th pixel of each row and column
    pixel_step: int = 2

    def __post_init__(self):
        if self.pixel_step < 1 or self.kl_ramp <= 0:
            raise ConfigError("pixel_step must be at least 1 and kl_ramp positive")
        if min(self.plain_depth, self.relative_depth) < 0 or not 0 <= self.class_balance <= 1:
            raise ConfigError("plain_depth and relative_depth must not be negative, class_balance "
                              f"lies in [0, 1]; got {self.plain_depth}, {self.relative_depth} and "
                              f"{self.class_balance}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must lie in [0, 1), got {self.dropout}")

    def kl_factor(self, epoch: float) -> float:
        """0 for the first ``kl_start`` epochs, then linearly to 1."""
        return min(max((epoch - self.kl_start) / self.kl_ramp, 0.0), 1.0)


def proximity_l1(prox: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Mean absolute error where ``known`` is 1; all (B, 1, H, W)."""
    return ((prox - truth).abs() * known).sum() / known.sum().clamp(min=1)


def relative_l1(prox: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Mean of ``|depth - true depth| / true depth`` where ``known`` is 1, of proximities
    (B, 1, H, W): ``a`` cancels out."""
    p, q = (maps.clamp(PROXIMITY_RANGE, 1 - PROXIMITY_RANGE) for maps in (prox, truth))
    relative = ((1 / p - 1) / (1 / q - 1) - 1).abs()
    return (relative * known).sum() / known.sum().clamp(min=1)


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
    return total / labelled_weight(labels, class_weights).clamp(min=1e-6)


def labelled_weight(labels: Tensor, class_weights: Tensor) -> Tensor:
    """The sum of the class weights (C,) of all pixels of ``labels`` that are not void."""
    return class_weights[labels[labels != VOID].long()].sum()


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


@dataclass(frozen=True)
class _Drawn:
    """A code of the recognised distribution; all ``None`` for a model without that code."""

    #: (B, size)
    code: Tensor | None = None
    kl: Tensor | None = None
    #: root mean square of the means: about 1 when codes are used and unit normal
    rms: Tensor | None = None


class Objective(nn.Module):
    """Everything that training minimises, for one batch.

    Every image is decoded twice: from the zero code, because that is all that a new keyframe
    has, and from a code drawn from its recognition model.  The predicted scale ``b`` is
    learnt on the zero-code error, which is what mapping needs to know, and only weighs the
    other.

    Where several processes have a share of the batch each, the mean of their losses, and so
    of their gradients, is what one process would find on the whole of it.
    """

    def __init__(self, config: LossConfig, class_weights: Tensor,
                 processes: Processes = Processes()):
        """``class_weights`` (C,) as ``balanced_weights`` gives them."""
        super().__init__()
        self.config, self.processes = config, processes
        self.task_weights = TaskWeights()
        self.register_buffer("class_weights", class_weights)

    def forward(self, model: SceneCode, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The total (scalar) and its detached parts; ``epoch`` may be fractional."""
        prox = proximity_from_depth(batch.depth, model.config.average_depth)[:, None]
        known = batch.valid[:, None].to(prox.dtype)
        features = model.features(batch.image, lambda maps: self._thinned(maps, generator))
        depth_code = self._draw(model.config.depth_code, generator,
                                lambda: model.recognise_depth(features, prox, known))
        semantic_code = self._draw(model.config.semantic_code, generator,
                                   lambda: model.recognise_semantic(features, batch.labels))
        coded_prox, coded_logits = model.decode(features, depth_code.code, semantic_code.code)

        step = self.config.pixel_step
        row, column = torch.randint(step, (2,), generator=generator).tolist()
        at = (..., slice(row, None, step), slice(column, None, step))
        factor = self.config.kl_factor(epoch)
        depth, depth_parts = self._depth_loss(features, coded_prox, depth_code, factor,
                                              prox[at], known[at])
        semantic, semantic_parts = self._semantic_loss(features, coded_logits, semantic_code,
                                                       factor, batch.labels[at])
        parts = depth_parts | semantic_parts
        return (self.task_weights(depth, semantic),
                {name: value.detach() for name, value in parts.items()})

    def _depth_loss(self, features: Features, coded_prox: Tensor, drawn: _Drawn, factor: float,
                    prox: Tensor, known: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Of ``prox`` where ``known``, both (B, 1, H, W) at the sampled pixels."""
        share = self._share(known.sum())
        b, zero = (_upsampled(maps, prox) for maps in (features.prox_b, features.prox_zero))
        plain = share * proximity_l1(zero, prox, known)
        relative = share * relative_l1(zero, prox, known)
        loss = share * laplace(zero, prox, known, b) + self.config.plain_depth * plain \
            + self.config.relative_depth * relative
        parts = {"depth_zero": plain, "depth_relative": relative}
        if drawn.code is None:
            return loss, parts
        error = _upsampled(coded_prox, prox) - prox
        nothing = torch.zeros_like(error)
        loss = loss + share * proximity_l1(error / b.detach(), nothing, known)
        loss = loss + factor * self.config.depth_kl * drawn.kl
        return loss, parts | {"depth_coded": share * proximity_l1(error, nothing, known),
                              "depth_kl": drawn.kl, "depth_code_rms": drawn.rms}

    def _semantic_loss(self, features: Features, coded_logits: Tensor, drawn: _Drawn,
                       factor: float, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Of ``labels`` (B, H, W) at the sampled pixels."""
        share = self._share(labelled_weight(labels, self.class_weights))
        zero = share * cross_entropy(_upsampled(features.logits_zero, labels), labels,
                                     self.class_weights)
        parts = {"semantic_zero": zero}
        if drawn.code is None:
            return zero, parts
        coded = share * cross_entropy(_upsampled(coded_logits, labels), labels,
                                      self.class_weights)
        return (zero + coded + factor * self.config.semantic_kl * drawn.kl,
                parts | {"semantic_coded": coded, "semantic_kl": drawn.kl,
                         "semantic_code_rms": drawn.rms})

    def _thinned(self, encoded: tuple[Tensor, ...],
                 generator: torch.Generator) -> tuple[Tensor, ...]:
        """The encoder's maps with whole channels left out of the two coarsest."""
        if not self.config.dropout:
            return encoded
        *fine, coarser, coarsest = encoded
        return (*fine, self._without(coarser, 0.5 * self.config.dropout, generator),
                self._without(coarsest, self.config.dropout, generator))

    def _without(self, maps: Tensor, share: float, generator: torch.Generator) -> Tensor:
        B, C = maps.shape[:2]
        rank, count = self.processes.rank, self.processes.count
        kept = torch.rand((B * count, C), generator=generator)[rank * B:(rank + 1) * B] >= share
        return maps * (kept.to(maps) / (1 - share))[..., None, None]

    def _share(self, weight: Tensor) -> Tensor:
        """This process's known pixels against the mean over processes: what turns a mean over
        its own pixels into its part of the mean over all."""
        return weight / self.processes.mean(weight).clamp(min=1e-6)

    def _draw(self, size: int, generator: torch.Generator, recognise) -> _Drawn:
        """The noise is that of the whole batch, of which a process takes its own part."""
        if not size:
            return _Drawn()
        mean, logvar = (value.float() for value in recognise())
        rank, count, B = self.processes.rank, self.processes.count, len(mean)
        noise = torch.randn((B * count, size), generator=generator)[rank * B:(rank + 1) * B]
        code = mean + noise.to(mean.device) * torch.exp(0.5 * logvar)
        return _Drawn(code, kl_from_unit_normal(mean, logvar), mean.square().mean().sqrt())


def _upsampled(maps: Tensor, like: Tensor) -> Tensor:
    """Maps at feature resolution, at the height and width of ``like``, in single precision."""
    return F.interpolate(maps.float(), like.shape[-2:], mode="bilinear", align_corners=False)
