"""A training run in progress: its model, its optimiser and its step."""

import copy
import time
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from scenecode.core.errors import ConfigError, ScenecodeError
from scenecode.core.strict_config import to_mapping
from scenecode.networks.classes import ClassSet
from scenecode.networks.data.augment import Augment, AugmentConfig
from scenecode.networks.data.datasets import data_path
from scenecode.networks.data.mixed import Batch, MixedImages, batches
from scenecode.networks.data.resident import ResidentImages, resident_batch, resident_batches
from scenecode.networks.distributed import Processes
from scenecode.networks.families.family import Objective
from scenecode.networks.families.network import Network
from scenecode.networks.inference.checkpoint import (
    find_weights,
    in_channels_last,
    load_checkpoint,
)
from scenecode.networks.layers.backbones import Backbone
from scenecode.networks.layers.imagenet import load_imagenet
from scenecode.networks.sample import Sample
from scenecode.networks.training.config import StageConfig, TrainConfig
from scenecode.networks.training.optimiser import make_optimiser, set_frozen, set_rates
from scenecode.networks.training.schedule import Schedule


class TrainingError(ScenecodeError):
    """Training that cannot go on."""


class _Step(nn.Module):
    """Model and objective as one module, so that the gradients of both are averaged."""

    def __init__(self, model: Network, objective: Objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        return self.objective(self.model, batch, epoch, generator)


class Trainer:
    """A run in progress: model, average, optimiser and position."""

    def __init__(self, config: TrainConfig, data: MixedImages, augmented: bool,
                 device: torch.device, processes: Processes = Processes()):
        torch.manual_seed(config.seed)
        self.config, self.data, self.device, self.processes = config, data, device, processes
        self.local_batch_size = processes.local_batch_size(config.batch_size)
        self.model = self._make_model(data.classes)
        if config.frozen_blocks:
            self._backbone("frozen_blocks").freeze(config.frozen_blocks)
        in_channels_last(self.model).to(device)
        self.averaged = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.objective: Objective = config.family.objective(
            config.loss, data.label_counts(), processes).to(device)
        self.optimiser = make_optimiser(config, self.model, self.objective)
        self._forward = processes.wrap(_Step(self.model, self.objective),
                                       some_unused=bool(config.stages))
        geometry = self.model.geometry
        self.augment = (Augment(geometry.width, geometry.height, config.augment)
                        if augmented else None)
        self.resident = ResidentImages.load(data, device) if config.resident else None
        if config.teacher:
            self.objective.learn_from(load_checkpoint(find_weights(config.teacher), device).model)
        self.epoch, self.batch = 0, 0
        self._minutes_before, self._begin = 0.0, time.monotonic()
        #: of the current epoch, sums over its batches of each part of the loss
        self.sums: dict[str, float] = {}
        self.batches_per_epoch = sum(data.counts) // config.batch_size
        if not self.batches_per_epoch:
            raise ConfigError(f"batch_size {config.batch_size} is more than the "
                              f"{sum(data.counts)} images of an epoch; lower it")
        self.schedule = Schedule(config, self.batches_per_epoch)
        self._trainable = {n: p.requires_grad for n, p in self.model.named_parameters()}
        self._stage = -1
        for stage in self.schedule.stages:  # mistakes in later ones are to be known now
            self._enter(stage)

    @property
    def step(self) -> int:
        return self.epoch * self.batches_per_epoch + self.batch

    def _make_model(self, classes: ClassSet) -> Network:
        model: Network = self.config.family.build(self.config.model, classes)
        self.model = model
        taken = self._start_from(self.config.start_from) if self.config.start_from else set()
        has_encoder = any(name.startswith("backbone.") for name in taken) \
            or taken == self.model.state_dict().keys()
        if self.config.pretrained and not has_encoder:
            load_imagenet(self._backbone("pretrained"), data_path(self.config.pretrained))
        elif self.config.start_from and not has_encoder:
            raise ConfigError(f"start_from: {self.config.start_from} has another backbone than "
                              "the model to be trained, whose own would start at random; set "
                              "'pretrained' to ImageNet weights for it")
        for name, part in list(model.named_children()):
            if not (isinstance(part, Backbone) and part.frozen_norm):
                setattr(model, name, self.processes.synchronise_batch_norm(part, self.device))
        return model

    def _start_from(self, path_or_name: str) -> set[str]:
        """Fill the model with weights of an earlier run; the names of those that it then has.

        Raises ``ConfigError`` when the earlier model does not fit.
        """
        path = find_weights(path_or_name)
        state = self.model.transferable_state(load_checkpoint(path).model)
        if state is None:
            raise ConfigError(f"{path}: is another model, or has other classes, than the one "
                              "to be trained; change 'model' to fit it, or drop start_from")
        self.model.load_state_dict(state, strict=False)
        return set(state)

    def _backbone(self, key: str) -> Backbone:
        """The model's; ``ConfigError`` that names the ``key`` that needs one."""
        if self.model.backbone is None:
            raise ConfigError(f"{key}: networks of architecture '{self.config.family.name}' have "
                              "no backbone; leave it out")
        return self.model.backbone

    def remaining_batches(self) -> Iterator[Batch]:
        """This process's part of the rest of the current epoch."""
        geometry, size = self.model.geometry, self.local_batch_size
        if self.resident is not None:
            return self._resident_batches(self.resident)
        return batches(self.data, self.epoch, self.config.batch_size, geometry.canonical_focal,
                       self.augment, workers=self.config.workers if self.augment else 0,
                       first=self.batch, max_depth=geometry.max_depth,
                       part=slice(self.processes.rank * size, (self.processes.rank + 1) * size))

    def _resident_batches(self, images: ResidentImages) -> Iterator[Batch]:
        geometry, size = self.model.geometry, self.local_batch_size
        part = slice(self.processes.rank * size, (self.processes.rank + 1) * size)
        unchanged = AugmentConfig(flip=0, zoom=1, aspect=0, brightness=0, contrast=0, colour=0,
                                  gamma=0, blur=0, noise=0)
        for indices, seed in resident_batches(self.data, images, self.epoch,
                                              self.config.batch_size, self.batch, part):
            config = self.augment.config if self.augment else unchanged
            if self.augment and self.config.last_augment is not None \
                    and self.progress() > 1 - self.config.last_part:
                config = self.config.last_augment
            generator = torch.Generator(self.device).manual_seed(seed)
            yield resident_batch(images, indices, (geometry.height, geometry.width),
                                 geometry.canonical_focal, config, generator,
                                 geometry.max_depth)

    def minutes(self) -> float:
        """How long the run has trained, earlier parts of it included."""
        return self._minutes_before + (time.monotonic() - self._begin) / 60

    def progress(self) -> float:
        """From 0 to 1 at the end of training, which its steps or its minutes bring."""
        done = self.step / self.schedule.iterations
        if self.config.minutes is not None:
            done = max(done, self.minutes() / self.config.minutes)
        return min(done, 1.0)

    def training_step(self, batch: Batch) -> None:
        """One step of the optimiser.  Raises ``TrainingError`` when loss or gradient is not
        finite."""
        self._prepare_step()
        generator = torch.Generator().manual_seed((self.config.seed << 32) + self.step)
        epoch = self.step / self.batches_per_epoch
        with torch.autocast(self.device.type, torch.bfloat16,
                            enabled=self.config.precision == "bfloat16"):
            total, parts = self._forward(batch.to(self.device), epoch, generator)
        losses = self.processes.mean(torch.stack([total.detach(), *parts.values()]))
        self._require_finite(losses[0], "loss")
        self.optimiser.zero_grad()
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self._require_finite(norm, "norm of the gradient")
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
        """Begin the next one."""
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, {}

    def _prepare_step(self) -> None:
        """Rates, terms and frozen parts as the schedule has them at this step."""
        progress = self.progress()
        stage = self.schedule.stage_at(progress)
        if stage != self._stage:
            self._stage = stage
            self._enter(self.schedule.stages[stage])
        set_rates(self.optimiser, *self.schedule.rates_at(progress, self.step))
        self.model.train()
        frozen = self.schedule.stages[stage].frozen
        for name, module in self.model.named_modules() if frozen else ():
            if f"{name}.".startswith(frozen):
                module.eval()

    def _enter(self, stage: StageConfig) -> None:
        self.objective.use(stage.terms)
        set_frozen(self.model, stage.frozen, self._trainable)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        pairs = list(zip(self.averaged.state_dict().values(), self.model.state_dict().values()))
        reals = [(own, new) for own, new in pairs if own.is_floating_point()]
        torch._foreach_lerp_([own for own, _ in reals], [new for _, new in reals], 1 - decay)
        for own, new in pairs:
            if not own.is_floating_point():
                own.copy_(new)

    def fit_uncertainty(self, held_out: Iterable[Sample]) -> None:
        """``Network.fit_uncertainty`` of the averaged model, and the same for the one trained."""
        self.averaged.fit_uncertainty(held_out)
        if self.averaged.log_depth_std is not None and self.model.log_depth_std is not None:
            self.model.log_depth_std.load_state_dict(self.averaged.log_depth_std.state_dict())

    def state(self) -> dict:
        """Everything that ``load`` needs to continue exactly from here."""
        return {"config": to_mapping(self.config), "minutes": self.minutes(),
                "epoch": self.epoch, "batch": self.batch,
                "sums": self.sums, "model": self.model.state_dict(),
                "averaged": self.averaged.state_dict(), "objective": self.objective.state_dict(),
                "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict) -> None:
        """Continue from what ``state`` returned."""
        self._minutes_before, self._begin = state["minutes"], time.monotonic()
        self.epoch, self.batch, self.sums = state["epoch"], state["batch"], dict(state["sums"])
        for name in ("model", "averaged", "objective", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
