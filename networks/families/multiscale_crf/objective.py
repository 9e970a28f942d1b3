"""Training loss of the multi-scale network: labels, relative depth, and the labels of the field
(Mousavian et al. 2016, sections 3.2 and 3.3)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
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
from scenecode.networks.families.multiscale_crf.model import MultiscaleCRF


@dataclass(frozen=True)
class MultiscaleCRFLossConfig:
    """Weights of the terms, all means over pixels; the paper's lambda of 1e-6 on sums over 513 x
    513 pixels is the default of ``labels``."""

    labels: float = 0.26
    depth: float = 1.0
    #: weight of the squared mean of the difference of log depths, on which the paper's loss does
    #: not depend: it fixes the scale
    absolute: float = 0.0
    #: labels weigh as their frequency to the power of minus this
    class_balance: float = 0.0
    #: losses are taken at every n-th pixel of each row and column
    pixel_step: int = 1
    #: the field of a training step is of images reduced by this factor
    crf_step: int = 4

    def __post_init__(self) -> None:
        if min(self.labels, self.depth, self.absolute) < 0 or not 0 <= self.class_balance <= 1:
            raise ConfigError("labels, depth and absolute must not be negative, class_balance "
                              f"lies in [0, 1]; got {self}")
        if min(self.pixel_step, self.crf_step) < 1:
            raise ConfigError("pixel_step and crf_step must be at least 1")


class MultiscaleCRFObjective(Objective):
    """The loss of one process.

    A stage of training chooses among ``labels`` (of the network alone), ``depth`` and ``crf``
    (labels of the field): the paper's three are ``labels``, ``labels depth`` and ``crf depth``.
    """

    terms = ("labels", "depth", "crf")
    class_weights: Tensor

    def __init__(self, config: MultiscaleCRFLossConfig, class_weights: Tensor,
                 processes: Processes = Processes()):
        super().__init__()
        self.config, self.processes = config, processes
        self.register_buffer("class_weights", class_weights)

    def forward(self, model: MultiscaleCRF, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The total (scalar) and its detached parts: ``labels``, ``crf`` (cross-entropies) and
        ``depth`` (twice the variance of the error of log depth), of those terms that are used."""
        at = pixel_grid(self.config.pixel_step, generator)
        output = model(batch.image)
        labels = batch.labels[at]
        parts, total = {}, output.logits.new_zeros(())
        if self.uses("labels"):
            parts["labels"] = self._cross_entropy(output.logits, labels)
            total = total + self.config.labels * parts["labels"]
        if self.uses("depth"):
            parts["depth"], loss = self._depth_loss(model, output.depth_scores, batch.depth[at])
            total = total + loss
        if self.uses("crf"):
            parts["crf"] = self._cross_entropy(self._marginals(model, output.logits,
                                                               output.depth_scores, batch.image),
                                               labels)
            total = total + self.config.labels * parts["crf"]
        return total, {name: value.detach() for name, value in parts.items()}

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy_part(logits, labels, self.class_weights, self.processes)

    def _depth_loss(self, model: MultiscaleCRF, scores: Tensor,
                    truth: Tensor) -> tuple[Tensor, Tensor]:
        """Twice the variance (equation 4: the mean over pairs of pixels), and the weighted loss.

        The truth is clipped to the last bin and rounded to whole bins (section 4.2).
        """
        length, bins = model.config.bin_length, model.config.depth_bins
        valid = truth > 0
        rounded = (truth / length).round().clamp(1, bins) * length
        depth, _ = model.depth(upsampled(scores, truth))
        difference = depth.log() - rounded.log()
        variance = 2 * scale_invariant(difference, valid, 1.0)
        mean_square = scale_invariant(difference, valid, 0.0)
        return variance, (self.config.depth * variance
                          + self.config.absolute * (mean_square - variance / 2))

    def _marginals(self, model: MultiscaleCRF, logits: Tensor, scores: Tensor,
                   image: Tensor) -> Tensor:
        """Of the field on reduced images; it sees image and depth as constants."""
        size = [-(-side // self.config.crf_step) for side in image.shape[-2:]]
        small, unary, depth_scores = (
            F.interpolate(maps.float(), size, mode="area" if maps is image else "bilinear")
            for maps in (image, logits, scores))
        with torch.no_grad():
            depth, _ = model.depth(depth_scores)
        return model.marginal_logits(unary, small, depth)
