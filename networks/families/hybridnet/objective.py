"""Training loss of HybridNet: labels, and depth by its values and after normalisation of mean and
variance (section 4.3)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.core.errors import ConfigError
from scenecode.networks.data.mixed import Batch
from scenecode.networks.distributed import Processes
from scenecode.networks.families.family import Objective
from scenecode.networks.families.hybridnet.model import HybridNet
from scenecode.networks.families.losses import cross_entropy_part

#: Least standard deviation in metres by which depth is divided.
_MIN_STD = 1e-3


@dataclass(frozen=True)
class HybridNetLossConfig:
    """Weights of the terms, all means over pixels.

    The paper's alpha of 1000 on the sum over the 41 x 41 pixels of the labels, with sums over 81
    x 81 pixels of depth halved as Caffe's, gives the defaults.
    """

    labels: float = 1.0
    absolute: float = 3.28
    normalised: float = 3.28
    #: factor of the same two errors of the global network's own depth, and weight of the error of
    #: the gradient network; only stages teach these
    global_depth: float = 1.0
    gradient: float = 3.28
    #: labels weigh as their frequency to the power of minus this
    class_balance: float = 0.0

    def __post_init__(self) -> None:
        weights = (self.labels, self.absolute, self.normalised, self.global_depth, self.gradient)
        if min(weights) < 0 or not 0 <= self.class_balance <= 1:
            raise ConfigError("weights of the loss must not be negative, class_balance lies in "
                              f"[0, 1]; got {self}")


class HybridNetObjective(Objective):
    """The loss of one process.

    A stage of training chooses among ``labels``, ``depth`` (refined), ``global`` and
    ``gradient``; without stages labels and refined depth are learnt.
    """

    terms = ("labels", "depth", "global", "gradient")
    class_weights: Tensor

    def __init__(self, config: HybridNetLossConfig, class_weights: Tensor,
                 processes: Processes = Processes()):
        super().__init__()
        self.config, self.processes = config, processes
        self.register_buffer("class_weights", class_weights)

    def uses(self, term: str) -> bool:
        if self._used is None:
            return term in ("labels", "depth")
        return super().uses(term)

    def forward(self, model: HybridNet, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The total (scalar) and its detached parts, by the terms that are used and that the
        network has: ``labels`` is a cross-entropy, ``depth`` and ``global`` the mean square
        error in square metres, each also ``_normalised``, ``gradient`` a mean square error."""
        batch = _one_tile(batch, model.config.tile, generator)
        output, config = model(batch.image), self.config
        parts: dict[str, Tensor] = {}
        total = batch.image.new_zeros(())
        if self.uses("labels") and output.logits is not None:
            parts["labels"] = cross_entropy_part(output.logits, batch.labels,
                                                 self.class_weights, self.processes)
            total = total + config.labels * parts["labels"]
        depths = {"depth": (output.depth, 1.0),
                  "global": (output.global_depth, config.global_depth)}
        for term, (depth, weight) in depths.items():
            if self.uses(term) and depth is not None:
                truth = _nearest(batch.depth, depth)
                parts[term] = mean_square(depth - truth, truth > 0)
                parts[f"{term}_normalised"] = normalised_error(depth, truth)
                both = (config.absolute * parts[term]
                        + config.normalised * parts[f"{term}_normalised"])
                total = total + weight * both
        if self.uses("gradient") and output.gradient is not None:
            parts["gradient"] = gradient_error(output.gradient,
                                               _nearest(batch.depth, output.gradient))
            total = total + config.gradient * parts["gradient"]
        return total, {name: value.detach() for name, value in parts.items()}


def mean_square(error: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid pixels of each image, mean over the images; both (B, N, h, w)."""
    weight = valid.to(error.dtype).flatten(1)
    squares = (error.flatten(1).square() * weight).sum(1)
    return (squares / weight.sum(1).clamp(min=1)).mean()


def normalised_error(depth: Tensor, truth: Tensor) -> Tensor:
    """``mean_square`` of depth and truth (B, 1, h, w), each with its mean over the valid pixels of
    an image taken off and divided by their standard deviation; 0 in ``truth`` is unknown."""
    valid = truth > 0
    return mean_square(_normalised(depth, valid) - _normalised(truth, valid), valid)


def gradient_error(gradient: Tensor, truth: Tensor) -> Tensor:
    """``mean_square`` of absolute differences to the next pixel (B, 2, h, w), along x and y, of a
    true depth (B, 1, h, w), where both pixels are known."""
    errors = []
    for channel, dim in ((0, 3), (1, 2)):
        n = truth.shape[dim] - 1
        known = (truth > 0).narrow(dim, 0, n) & (truth > 0).narrow(dim, 1, n)
        estimate = gradient[:, channel:channel + 1].narrow(dim, 0, n)
        errors.append(mean_square(estimate - truth.diff(dim=dim).abs(), known))
    return torch.stack(errors).mean()


def _normalised(values: Tensor, valid: Tensor) -> Tensor:
    weight = valid.to(values.dtype)
    count = weight.sum((1, 2, 3), keepdim=True).clamp(min=1)
    mean = (values * weight).sum((1, 2, 3), keepdim=True) / count
    variance = ((values - mean).square() * weight).sum((1, 2, 3), keepdim=True) / count
    return (values - mean) / (variance + _MIN_STD ** 2).sqrt()


def _nearest(depth: Tensor, like: Tensor) -> Tensor:
    """True depth (B, H, W) at the size of ``like`` (B, N, h, w), as (B, 1, h, w): of single
    pixels, because means over edges and over unknown pixels are no depth."""
    return F.interpolate(depth[:, None], like.shape[-2:], mode="nearest-exact")


def _one_tile(batch: Batch, tile: int, generator: torch.Generator) -> Batch:
    """The same tile, at random, of every image of a batch."""
    if not tile:
        return batch
    height, width = batch.depth.shape[-2:]
    row, column = (int(torch.randint(side - tile + 1, (), generator=generator))
                   for side in (height, width))
    at = (..., slice(row, row + tile), slice(column, column + tile))
    return Batch(image=batch.image[at], depth=batch.depth[at], valid=batch.valid[at],
                 labels=batch.labels[at])
