"""Training loss of the two decoders: the scale-invariant error of log disparity and the
cross-entropy of labels, in fixed parts."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from scenecode.core.errors import ConfigError
from scenecode.networks.data.mixed import Batch
from scenecode.networks.distributed import Processes
from scenecode.networks.families.family import Objective
from scenecode.networks.families.losses import (
    cross_entropy_part,
    pixel_grid,
    scale_invariant,
    upsampled,
)
from scenecode.networks.families.twins.model import Twins

#: Outputs below it are not distinguished by the literal form, whose logarithm has no end.
SMALLEST_OUTPUT = 1e-3


@dataclass(frozen=True)
class TwinsLossConfig:
    """``semantic * Ls + (1 - semantic) * depth_scale * Ld``."""

    #: part of the cross-entropy, "alpha" of the paper
    semantic: float = 0.75
    #: what the depth loss is multiplied by
    depth_scale: float = 1.0
    #: part of the squared mean error that is forgiven (Eigen et al. 2014): 0 for absolute depth,
    #: 1 for depth up to scale
    invariance: float = 0.5
    #: the difference whose square is the error: of log(1 + disparity), which the network's
    #: output is but for a factor; of log disparity, which weighs far and near alike; or of the
    #: logarithm of the output, as printed, where the output is a logarithm already
    difference: Literal["log_one_plus_disparity", "log_disparity", "log_output"] = \
        "log_one_plus_disparity"
    #: labels weigh as their frequency to the power of minus this: 0 treats pixels equally,
    #: 1 treats classes equally
    class_balance: float = 0.0
    #: losses are taken at every n-th pixel of each row and column
    pixel_step: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.semantic <= 1 and 0 <= self.invariance <= 1
                and 0 <= self.class_balance <= 1):
            raise ConfigError("loss.semantic, invariance and class_balance lie in [0, 1]; got "
                              f"{self.semantic}, {self.invariance} and {self.class_balance}")
        if self.depth_scale <= 0 or self.pixel_step < 1:
            raise ConfigError("loss.depth_scale must be positive and pixel_step at least 1; got "
                              f"{self.depth_scale} and {self.pixel_step}")


class TwinsObjective(Objective):
    """The loss of one process."""

    #: (C,)
    class_weights: Tensor

    def __init__(self, config: TwinsLossConfig, class_weights: Tensor,
                 processes: Processes = Processes()):
        """``class_weights`` (C,) as ``balanced_weights`` gives them."""
        super().__init__()
        self.config, self.processes = config, processes
        self.register_buffer("class_weights", class_weights)

    def forward(self, model: Twins, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The total (scalar) and its detached parts ``depth`` and ``semantic``."""
        at = pixel_grid(self.config.pixel_step, generator)
        depth, labels = batch.depth[at][:, None], batch.labels[at]
        output = model(batch.image)
        difference = self._difference(model, upsampled(output.depth, depth), depth)
        depth_loss = scale_invariant(difference, batch.valid[at][:, None],
                                     self.config.invariance)
        semantic_loss = cross_entropy_part(output.logits, labels, self.class_weights,
                                           self.processes)
        total = self.config.semantic * semantic_loss \
            + (1 - self.config.semantic) * self.config.depth_scale * depth_loss
        return total, {"depth": depth_loss.detach(), "semantic": semantic_loss.detach()}

    def _difference(self, model: Twins, output: Tensor, depth: Tensor) -> Tensor:
        """Of outputs and what ``depth`` (metres) means, both (B, 1, h, w)."""
        wanted = model.output_of_depth(depth)
        if self.config.difference == "log_one_plus_disparity":
            return model.config.log_range * (output - wanted)
        output, wanted = (maps.clamp(min=SMALLEST_OUTPUT) for maps in (output, wanted))
        if self.config.difference == "log_output":
            return (output / wanted).log()
        return (model.disparity(output) / model.disparity(wanted)).log()
