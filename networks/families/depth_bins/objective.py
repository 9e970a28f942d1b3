"""Training loss of a network that classifies depth: the cross-entropy over bins."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.core.errors import ConfigError
from scenecode.networks.data.mixed import Batch
from scenecode.networks.distributed import Processes
from scenecode.networks.families.depth_bins.model import DepthBinsNetwork
from scenecode.networks.families.family import Objective
from scenecode.networks.families.losses import pixel_grid

#: Label of a pixel of unknown depth.
UNKNOWN = -100


@dataclass(frozen=True)
class DepthBinsLossConfig:
    """Where the loss is taken."""

    #: at every n-th pixel of each row and column; 1, 2 or 4
    pixel_step: int = 1

    def __post_init__(self) -> None:
        if self.pixel_step not in (1, 2, 4):
            raise ConfigError(f"loss.pixel_step must be 1, 2 or 4, got {self.pixel_step}")


class DepthBinsObjective(Objective):
    """The loss of one process."""

    def __init__(self, config: DepthBinsLossConfig, processes: Processes = Processes()):
        super().__init__()
        self.config, self.processes = config, processes

    def forward(self, model: DepthBinsNetwork, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The total (scalar) and its detached parts: ``depth``, the cross-entropy, and
        ``right_bin``, the part of the pixels whose most likely bin is the true one.

        Depth beyond the bins' range is far enough to be unknown to the data set
        (``Geometry.max_depth``); nearer than it is the first bin.
        """
        step = self.config.pixel_step
        at = pixel_grid(step, generator)
        valid = batch.valid[at]
        labels = model.bins.label(batch.depth[at]).masked_fill(~valid, UNKNOWN)
        scores = model.scores(model(batch.image), step)
        count = valid.sum().to(scores.dtype)
        mean_count = self.processes.mean(count).clamp(min=1)
        loss = F.cross_entropy(scores, labels, ignore_index=UNKNOWN, reduction="sum") / mean_count
        right = (scores.detach().argmax(1) == labels).sum() / mean_count
        return loss, {"depth": loss.detach(), "right_bin": right}
