"""One training run: its configuration, its state and its step."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from scenecode.core.errors import ConfigError, ScenecodeError
from scenecode.core.strict_config import to_mapping
from scenecode.networks.classes import ClassSet
from scenecode.networks.data.augment import Augment, AugmentConfig
from scenecode.networks.data.datasets import data_path
from scenecode.networks.data.mixed import Batch, MixedImages, batches
from scenecode.networks.distributed import Processes
from scenecode.networks.families.scenecode.model import ModelConfig, SceneCode
from scenecode.networks.families.scenecode.objective import LossConfig, Objective, balanced_weights
from scenecode.networks.inference.checkpoint import find_weights, load_checkpoint
from scenecode.networks.layers.backbones import Backbone
from scenecode.networks.layers.imagenet import load_imagenet
from scenecode.networks.training.training_data import DataConfig


class TrainingError(ScenecodeError):
    """Training that cannot go on."""


@dataclass(frozen=True)
class TrainConfig:
    """One training run; read from YAML by ``scenecode.core.strict_config``."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    #: ImageNet weights of the backbone, absolute or below ``$SCENECODE_DATA``
    pretrained: str | None = None
    #: weights of an earlier run to go on from, a shipped name or a file, instead of those; of a
    #: model that differs in its backbone alone, all that neither is nor reads the backbone
    start_from: str | None = None
    #: first blocks of the backbone that do not learn
    frozen_blocks: int = 0
    epochs: int = 20
    #: images of a step, shared out when several processes train
    batch_size: int = 8
    optimiser: Literal["adam", "adamw"] = "adamw"
    encoder_rate: float = 2e-4
    rate: float = 1e-3
    weight_decay: float = 1e-2
    #: the rate falls as (1 - progress) ** poly_power, after a linear rise over warmup_steps
    poly_power: float = 0.9
    warmup_steps: int = 100
    #: gradients longer than this are shortened
    clip_norm: float = 10.0
    #: bfloat16 computes the network, but not its weights and losses, in 16 bits: faster on GPUs
    #: and on CPUs that have it
    precision: Literal["float32", "bfloat16"] = "float32"
    #: the shipped weights are an average over the last 1 / (1 - ema_decay) steps
    ema_decay: float = 0.998
    seed: int = 0
    #: CPU threads of torch, 0 for its own choice
    threads: int = 0
    #: processes that prepare batches
    workers: int = 1

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 2:
            raise ConfigError("epochs must be at least 1 and batch_size at least 2 "
                              "(batch norm needs two)")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay must lie in [0, 1), got {self.ema_decay}")
        if self.clip_norm <= 0:
            raise ConfigError(f"clip_norm must be positive, got {self.clip_norm}")


class _Step(nn.Module):
    """Model and objective as one, so that the gradients of both are shared."""

    def __init__(self, model: SceneCode, objective: Objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        return self.objective(self.model, batch, epoch, generator)


class Training:
    """A run in progress: model, average, optimiser and position."""

    def __init__(self, config: TrainConfig, data: MixedImages, augmented: bool,
                 device: torch.device, processes: Processes = Processes()):
        torch.manual_seed(config.seed)
        self.config, self.data, self.device, self.processes = config, data, device, processes
        self.share = processes.share(config.batch_size)
        self.model = self._make_model(data.classes)
        self.model.backbone.freeze(config.frozen_blocks)
        self.model.to(device=device, memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.model).eval().requires_grad_(False)
        weights = balanced_weights(data.label_counts(), config.loss.class_balance)
        self.objective = Objective(config.loss, weights, processes).to(device)
        self.optimiser = self._make_optimiser()
        self._forward = processes.wrap(_Step(self.model, self.objective))
        size = (config.model.width, config.model.height)
        self.augment = Augment(*size, config.augment) if augmented else None
        self.epoch, self.batch = 0, 0
        #: of the current epoch, sums over its batches of each part of the loss
        self.sums: dict[str, float] = {}
        self.batches_per_epoch = sum(data.counts) // config.batch_size

    @property
    def step(self) -> int:
        return self.epoch * self.batches_per_epoch + self.batch

    def _make_model(self, classes: ClassSet) -> SceneCode:
        model = SceneCode(self.config.model, classes)
        needs_backbone = True
        if self.config.start_from:
            needs_backbone = not _go_on_from(find_weights(self.config.start_from), model)
        if self.config.pretrained and needs_backbone:
            load_imagenet(model.backbone, data_path(self.config.pretrained))
        elif self.config.start_from and needs_backbone:
            raise ConfigError(f"start_from: {self.config.start_from} has another backbone than "
                              f"{self.config.model.backbone}, which would begin at random; "
                              "set 'pretrained' to ImageNet weights for it")
        for name, part in list(model.named_children()):
            if part is not model.backbone or not self.config.model.frozen_norm:
                setattr(model, name, self.processes.share_norms(part, self.device))
        return model

    def _make_optimiser(self) -> torch.optim.Optimizer:
        encoder = [p for p in self.model.backbone.parameters() if p.requires_grad]
        own = {id(p) for p in self.model.backbone.parameters()}
        rest = [p for p in self.model.parameters() if id(p) not in own]
        groups = [{"params": encoder, "lr": self.config.encoder_rate},
                  {"params": [*rest, *self.objective.parameters()], "lr": self.config.rate}]
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.config.optimiser]
        return kind([g for g in groups if g["params"]], weight_decay=self.config.weight_decay,
                    fused=True)

    def remaining_batches(self) -> Iterator[Batch]:
        """This process's share of the rest of the current epoch."""
        return batches(self.data, self.epoch, self.config.batch_size,
                       self.config.model.canonical_focal, self.augment,
                       self.config.workers if self.augment else 0, first=self.batch,
                       part=slice(self.processes.rank * self.share,
                                  (self.processes.rank + 1) * self.share))

    def learn(self, batch: Batch) -> None:
        """One step.  Raises ``TrainingError`` when loss or gradient is no finite number."""
        self.model.train()
        self._set_rates()
        generator = torch.Generator().manual_seed((self.config.seed << 32) + self.step)
        epoch = self.step / self.batches_per_epoch
        with torch.autocast(self.device.type, torch.bfloat16,
                            enabled=self.config.precision == "bfloat16"):
            total, parts = self._forward(batch.to(self.device), epoch, generator)
        losses = self.processes.mean(torch.stack([total.detach(), *parts.values()]))
        self._require_finite(losses[0], "loss")
        self.optimiser.zero_grad()
        total.backward()
        length = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self._require_finite(length, "length of the gradient")
        self.optimiser.step()
        self._average()
        for name, value in zip(("loss", *parts), losses.tolist()):
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.batch += 1

    def _require_finite(self, value: Tensor, what: str) -> None:
        if not torch.isfinite(value):
            raise TrainingError(
                f"the {what} is {value.item()} in epoch {self.epoch + 1}, batch {self.batch}; "
                "resume from the last epoch with lower rates (encoder_rate, rate)")

    def losses(self) -> dict[str, float]:
        """The mean of each part of the loss over the current epoch so far."""
        return {name: total / self.batch for name, total in self.sums.items()}

    def end_epoch(self) -> None:
        """Go on to the next one."""
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, {}

    def _set_rates(self) -> None:
        total = self.config.epochs * self.batches_per_epoch
        factor = max(1 - self.step / total, 0.0) ** self.config.poly_power
        factor *= min((self.step + 1) / max(self.config.warmup_steps, 1), 1.0)
        for group in self.optimiser.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * factor

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for own, new in zip(self.averaged.state_dict().values(), self.model.state_dict().values()):
            if own.is_floating_point():
                own.lerp_(new, 1 - decay)
            else:
                own.copy_(new)

    def state(self) -> dict:
        """Everything that ``load`` needs to go on exactly from here."""
        return {"config": to_mapping(self.config), "epoch": self.epoch, "batch": self.batch,
                "sums": self.sums, "model": self.model.state_dict(),
                "averaged": self.averaged.state_dict(), "objective": self.objective.state_dict(),
                "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict) -> None:
        self.epoch, self.batch, self.sums = state["epoch"], state["batch"], dict(state["sums"])
        for name in ("model", "averaged", "objective", "optimiser"):
            getattr(self, name).load_state_dict(state[name])


def _go_on_from(path: Path, model: SceneCode) -> bool:
    """Fill ``model`` with the weights at ``path``; whether those of the backbone are among them.

    Raises ``ConfigError`` when more than the backbone differs.
    """
    earlier, own = load_checkpoint(path).model, model.config
    like_own = replace(earlier.config, backbone=own.backbone, padding=own.padding)
    if (like_own, earlier.classes) != (own, model.classes):
        raise ConfigError(f"{path}: is another model, or has other classes, than the one "
                          "to be trained; change 'model' to fit it, or drop start_from")
    state = earlier.state_dict()
    same_backbone = earlier.config == own
    if not same_backbone:
        reads_backbone = tuple(f"{name}." for name, part in model.named_modules()
                               if isinstance(part, Backbone) or name.endswith(".reduce"))
        state = {name: value for name, value in state.items()
                 if not name.startswith(reads_backbone)}
    model.load_state_dict(state, strict=same_backbone)
    return same_backbone
