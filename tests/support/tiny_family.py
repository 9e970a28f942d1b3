"""A family of networks without codes: three convolutions; only the tests know it."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.networks.classes import ClassSet
from scenecode.networks.data.mixed import Batch
from scenecode.networks.distributed import Processes
from scenecode.networks.families.family import Family, Objective
from scenecode.networks.families.geometry import Geometry
from scenecode.networks.families.losses import (
    balanced_weights,
    cross_entropy,
    laplace_nll,
    upsampled,
)
from scenecode.networks.families.network import Network
from scenecode.networks.prediction import Prediction
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import proximity_from_depth

MIN_B = 1e-2
#: Its entry in the registry.
ENTRY = {"tiny": "support.tiny_family:FAMILY"}


@dataclass(frozen=True)
class TinyConfig:
    architecture: Literal["tiny"] = "tiny"
    width: int = 40
    height: int = 24
    channels: int = 8
    canonical_focal: float = 35.0

    @property
    def geometry(self) -> Geometry:
        return Geometry(width=self.width, height=self.height, average_depth=3.0,
                        canonical_focal=self.canonical_focal, max_depth=20.0)


@dataclass(frozen=True)
class TinyLossConfig:
    labels: float = 1.0


class TinyNetwork(Network):
    config: TinyConfig

    def __init__(self, config: TinyConfig, classes: ClassSet):
        super().__init__(config, classes)
        self.trunk = nn.Sequential(
            nn.Conv2d(3, config.channels, 5, 4, 2, bias=False), nn.BatchNorm2d(config.channels),
            nn.ReLU(), nn.Conv2d(config.channels, config.channels, 3, padding=1), nn.ReLU())
        self.head = nn.Conv2d(config.channels, 2 + len(classes), 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) to proximity, its scale (B, 1, h, w) and logits (B, C, h, w)."""
        maps = self.head(self.trunk(image))
        return maps[:, :1].sigmoid(), F.softplus(maps[:, 1:2]) + MIN_B, maps[:, 2:]

    @torch.no_grad()
    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        self.require_size(image)
        prox, b, logits = self(image[None].to(self.device))
        h, w = prox.shape[-2:]
        return Prediction(
            prox_zero=prox[0, 0], prox_J_code=prox.new_zeros(0, h, w), prox_b=b[0, 0],
            logits_zero=logits[0], logits_J_code=prox.new_zeros(len(self.classes), 0, h, w),
            classes=self.classes, average_depth=self.geometry.average_depth_for(camera))


class TinyObjective(Objective):
    class_weights: Tensor

    def __init__(self, config: TinyLossConfig, class_weights: Tensor):
        super().__init__()
        self.config = config
        self.register_buffer("class_weights", class_weights)

    def forward(self, model: TinyNetwork, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        truth = proximity_from_depth(batch.depth, model.geometry.average_depth)[:, None]
        prox, b, logits = (upsampled(maps, truth) for maps in model(batch.image))
        parts = {"depth": laplace_nll(prox, truth, batch.valid[:, None].float(), b, MIN_B),
                 "labels": cross_entropy(logits, batch.labels, self.class_weights)}
        total = parts["depth"] + self.config.labels * parts["labels"]
        return total, {name: part.detach() for name, part in parts.items()}


class TinyFamily(Family[TinyConfig, TinyLossConfig]):
    name = "tiny"
    config_type = TinyConfig
    loss_type = TinyLossConfig
    loss_curves = {"loss of depth": {"network": "depth"}}

    def build(self, config: TinyConfig, classes: ClassSet) -> TinyNetwork:
        return TinyNetwork(config, classes)

    def objective(self, config: TinyLossConfig, label_counts: Tensor,
                  processes: Processes) -> TinyObjective:
        return TinyObjective(config, balanced_weights(label_counts, 0.5))


FAMILY = TinyFamily()
