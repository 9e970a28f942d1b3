"""Training loss of SceneCode: proximity, labels, code distributions and their balance (paper
section 3.1)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.core.errors import ConfigError
from scenecode.networks.data.mixed import Batch
from scenecode.networks.distributed import Processes
from scenecode.networks.families.family import Objective
from scenecode.networks.families.losses import (
    TaskWeights,
    cross_entropy,
    edge_l1,
    labelled_weight,
    laplace_nll,
    own_part,
    pixel_grid,
    proximity_l1,
    relative_l1,
    upsampled,
)
from scenecode.networks.families.network import Network
from scenecode.networks.families.scenecode.model import MIN_SCALE, EncoderMaps, Features, SceneCode
from scenecode.optim.geometry.proximity import proximity_from_depth


@dataclass(frozen=True)
class SceneCodeLossConfig:
    """Weights of the terms; the KL terms are per code entry, against pixel means."""

    #: KL weight of the depth code; too high a value empties the code
    depth_kl: float = 5e-4
    semantic_kl: float = 1e-3
    #: epochs without KL, then epochs over which its weight rises
    kl_start: float = 2.0
    kl_ramp: float = 6.0
    #: weight of the plain proximity error at zero code, added to the one divided by the predicted
    #: scale: with that alone hard pixels get a large scale instead of a better prediction
    plain_depth: float = 0.0
    #: weight of the zero code's relative depth error, for the same reason; unlike that of
    #: proximity it is larger for too far than for too near
    relative_depth: float = 0.0
    #: weight of the errors of the zero code's differences between neighbours, which sharpens edges
    edges: float = 0.0
    #: weights of the differences to a teacher's zero code, of labels (Kullback-Leibler divergence)
    #: and of proximity
    taught_labels: float = 0.0
    taught_depth: float = 0.0
    #: probability with which a step drops each channel of the encoder's coarsest maps, and half
    #: of it for the second coarsest: no single cue is then relied on
    dropout: float = 0.0
    #: labels weigh as their frequency to the power of minus this: 0 treats pixels equally,
    #: 1 treats classes equally
    class_balance: float = 0.0
    #: losses are taken at every n-th pixel of each row and column
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


def kl_from_unit_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp logvar) || N(0, 1)), summed over the code, mean over the batch."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean()


@dataclass(frozen=True)
class _SampledCode:
    """A code sampled from the recognised distribution."""

    #: (B, size)
    code: Tensor
    #: KL divergence from the unit normal, a scalar
    kl: Tensor
    #: root mean square of the means: about 1 when codes are used and unit normal
    rms: Tensor


class SceneCodeObjective(Objective):
    """Everything that training minimises, for one batch.

    Every image is decoded twice: from the zero code, because that is all that a new keyframe
    has, and from a code sampled from its recognition model.  The predicted scale ``b`` is
    learnt on the zero-code error, which is what mapping needs to know, and only weights the
    other.

    Where several processes have a part of the batch each, the mean of their losses, and so
    of their gradients, is what one process would find on the whole of it.
    """

    class_weights: Tensor

    def __init__(self, config: SceneCodeLossConfig, class_weights: Tensor,
                 processes: Processes = Processes()):
        """``class_weights`` (C,) as ``balanced_weights`` gives them."""
        super().__init__()
        self.config, self.processes = config, processes
        self.task_weights = TaskWeights()
        self.register_buffer("class_weights", class_weights)
        #: not a part: it is neither trained nor saved
        self._teacher: tuple[SceneCode, ...] = ()

    def learn_from(self, teacher: Network) -> None:
        if not isinstance(teacher, SceneCode):
            raise ConfigError("teacher: must be a network of architecture 'scenecode'")
        self._teacher = (teacher,)

    def forward(self, model: SceneCode, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The total (scalar) and its detached parts; ``epoch`` may be fractional."""
        prox = proximity_from_depth(batch.depth, model.config.average_depth)[:, None]
        valid = batch.valid[:, None].to(prox.dtype)
        features = model.features(batch.image,
                                  lambda maps: self._channel_dropout(maps, generator))
        depth_code = self._sample_code(model.config.depth_code, generator,
                                       lambda: model.recognise_depth(features, prox, valid))
        semantic_code = self._sample_code(
            model.config.semantic_code, generator,
            lambda: model.recognise_semantic(features, batch.labels))
        coded_prox, coded_logits = model.decode(
            features, None if depth_code is None else depth_code.code,
            None if semantic_code is None else semantic_code.code)

        at = pixel_grid(self.config.pixel_step, generator)
        kl_factor = self.config.kl_factor(epoch)
        depth, depth_parts = self._depth_loss(features, coded_prox, depth_code, kl_factor,
                                              prox[at], valid[at])
        semantic, semantic_parts = self._semantic_loss(features, coded_logits, semantic_code,
                                                       kl_factor, batch.labels[at])
        parts = depth_parts | semantic_parts
        for teacher in self._teacher:
            with torch.no_grad():
                taught = teacher.features(batch.image)
            known = taught.logits_zero.float().log_softmax(1)
            own = features.logits_zero.float().log_softmax(1)
            parts["taught_labels"] = (known.exp() * (known - own)).sum(1).mean()
            difference = (features.prox_zero - taught.prox_zero).float()
            parts["taught_depth"] = (difference.abs() / features.prox_b.detach().float()).mean()
            semantic = semantic + self.config.taught_labels * parts["taught_labels"]
            depth = depth + self.config.taught_depth * parts["taught_depth"]
        return (self.task_weights(depth, semantic),
                {name: value.detach() for name, value in parts.items()})

    def _depth_loss(self, features: Features, coded_prox: Tensor, sampled: _SampledCode | None,
                    kl_factor: float, prox: Tensor,
                    valid: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Of ``prox`` where ``valid``, both (B, 1, H, W) at the sampled pixels."""
        weight = own_part(valid.sum(), self.processes)
        b, zero = (upsampled(maps, prox) for maps in (features.prox_b, features.prox_zero))
        plain = weight * proximity_l1(zero, prox, valid)
        relative = weight * relative_l1(zero, prox, valid)
        loss = weight * laplace_nll(zero, prox, valid, b, MIN_SCALE) \
            + self.config.plain_depth * plain + self.config.relative_depth * relative
        parts = {"depth_zero": plain, "depth_relative": relative}
        if self.config.edges:
            parts["depth_edges"] = weight * edge_l1(zero, prox, valid)
            loss = loss + self.config.edges * parts["depth_edges"]
        if sampled is None:
            return loss, parts
        error = upsampled(coded_prox, prox) - prox
        nothing = torch.zeros_like(error)
        loss = loss + weight * proximity_l1(error / b.detach(), nothing, valid)
        loss = loss + kl_factor * self.config.depth_kl * sampled.kl
        return loss, parts | {"depth_coded": weight * proximity_l1(error, nothing, valid),
                              "depth_kl": sampled.kl, "depth_code_rms": sampled.rms}

    def _semantic_loss(self, features: Features, coded_logits: Tensor,
                       sampled: _SampledCode | None, kl_factor: float,
                       labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Of ``labels`` (B, H, W) at the sampled pixels."""
        weight = own_part(labelled_weight(labels, self.class_weights), self.processes)
        zero = weight * cross_entropy(upsampled(features.logits_zero, labels), labels,
                                      self.class_weights)
        parts = {"semantic_zero": zero}
        if sampled is None:
            return zero, parts
        coded = weight * cross_entropy(upsampled(coded_logits, labels), labels,
                                       self.class_weights)
        return (zero + coded + kl_factor * self.config.semantic_kl * sampled.kl,
                parts | {"semantic_coded": coded, "semantic_kl": sampled.kl,
                         "semantic_code_rms": sampled.rms})

    def _channel_dropout(self, encoded: EncoderMaps, generator: torch.Generator) -> EncoderMaps:
        """The encoder's maps with whole channels of the two coarsest dropped."""
        if not self.config.dropout:
            return encoded
        *fine, coarser, coarsest = encoded
        return (*fine, self._dropped(coarser, 0.5 * self.config.dropout, generator),
                self._dropped(coarsest, self.config.dropout, generator))

    def _dropped(self, maps: Tensor, probability: float, generator: torch.Generator) -> Tensor:
        B, C = maps.shape[:2]
        rank, count = self.processes.rank, self.processes.count
        uniform = torch.rand((B * count, C), generator=generator)[rank * B:(rank + 1) * B]
        kept = (uniform >= probability).to(maps)
        return maps * (kept / (1 - probability))[..., None, None]

    def _sample_code(self, size: int, generator: torch.Generator,
                     recognise: Callable[[], tuple[Tensor, Tensor]]) -> _SampledCode | None:
        """``None`` for a model without that code.  The noise is generated for the whole batch, of
        which a process takes its own part."""
        if not size:
            return None
        mean, logvar = (value.float() for value in recognise())
        rank, count, B = self.processes.rank, self.processes.count, len(mean)
        noise = torch.randn((B * count, size), generator=generator)[rank * B:(rank + 1) * B]
        code = mean + noise.to(mean.device) * torch.exp(0.5 * logvar)
        return _SampledCode(code=code, kl=kl_from_unit_normal(mean, logvar),
                            rms=mean.square().mean().sqrt())
