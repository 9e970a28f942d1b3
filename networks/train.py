"""Training, in one function that resumes exactly: ``python -m networks.train CONFIG``.

Everything random follows from the seed and the position in training, so that a run that was
stopped and resumed sees the same batches, crops and codes as one that was not.
"""

import argparse
import copy
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from networks.checkpoint import find_weights, load_checkpoint, save_checkpoint
from networks.classes import ClassSet
from networks.config import from_mapping, load_yaml, override, to_mapping
from networks.data.augment import Augment, AugmentConfig
from networks.data.cached import CachedImages
from networks.data.mixed import Batch, MixedImages, batches
from networks.data.sample import LabelledImages, Sample
from networks.datasets import data_path
from networks.device import choose_device
from networks.errors import ConfigError, ScenecodeError
from networks.evaluate import evaluate_model
from networks.imagenet import load_imagenet
from networks.losses import LossConfig, Objective, balanced_weights
from networks.pictures import save_sample_pictures
from networks.scenecode import ModelConfig, SceneCode
from networks.training_data import DataConfig, open_training_data
from networks.training_state import load_state, save_state

#: An overfitting epoch shows its few images this many batches long.
OVERFIT_BATCHES = 20


class TrainingError(ScenecodeError):
    """Training that cannot go on."""


@dataclass(frozen=True)
class TrainConfig:
    """One training run; read from YAML by ``networks.config``."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    #: ImageNet weights of the backbone, absolute or below ``$SCENECODE_DATA``
    pretrained: str | None = None
    #: weights of an earlier run to go on from, a shipped name or a file, instead of those
    start_from: str | None = None
    #: first blocks of the backbone that do not learn
    frozen_blocks: int = 0
    epochs: int = 20
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


class Training:
    """A run in progress: model, average, optimiser and position."""

    def __init__(self, config: TrainConfig, data: MixedImages, augmented: bool,
                 device: torch.device):
        torch.manual_seed(config.seed)
        self.config, self.data, self.device = config, data, device
        self.model = self._make_model(data.classes)
        self.model.backbone.freeze(config.frozen_blocks)
        self.model.to(device=device, memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.model).eval().requires_grad_(False)
        weights = balanced_weights(data.label_counts(), config.loss.class_balance)
        self.objective = Objective(config.loss, weights).to(device)
        self.optimiser = self._make_optimiser()
        size = (config.model.width, config.model.height)
        self.augment = Augment(*size, config.augment) if augmented else None
        self.epoch, self.batch = 0, 0
        self.batches_per_epoch = sum(data.counts) // config.batch_size

    @property
    def step(self) -> int:
        return self.epoch * self.batches_per_epoch + self.batch

    def _make_model(self, classes: ClassSet) -> SceneCode:
        model = SceneCode(self.config.model, classes)
        if self.config.start_from:
            path = find_weights(self.config.start_from)
            earlier = load_checkpoint(path).model
            if (earlier.config, earlier.classes) != (model.config, model.classes):
                raise ConfigError(f"{path}: is another model, or has other classes, than the one "
                                  "to be trained; change 'model' to fit it, or drop start_from")
            model.load_state_dict(earlier.state_dict())
        elif self.config.pretrained:
            load_imagenet(model.backbone, data_path(self.config.pretrained))
        return model

    def _make_optimiser(self) -> torch.optim.Optimizer:
        encoder = [p for p in self.model.backbone.parameters() if p.requires_grad]
        own = {id(p) for p in self.model.backbone.parameters()}
        rest = [p for p in self.model.parameters() if id(p) not in own]
        groups = [{"params": encoder, "lr": self.config.encoder_rate},
                  {"params": [*rest, *self.objective.parameters()], "lr": self.config.rate}]
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.config.optimiser]
        return kind([g for g in groups if g["params"]], weight_decay=self.config.weight_decay)

    def remaining_batches(self) -> Iterator[Batch]:
        """The rest of the current epoch."""
        return batches(self.data, self.epoch, self.config.batch_size,
                       self.config.model.canonical_focal, self.augment,
                       self.config.workers if self.augment else 0, first=self.batch)

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step; returns the parts of the loss.  Raises ``TrainingError`` when it is NaN."""
        self.model.train()
        self._set_rates()
        generator = torch.Generator().manual_seed((self.config.seed << 32) + self.step)
        epoch = self.step / self.batches_per_epoch
        total, parts = self.objective(self.model, batch.to(self.device), epoch, generator)
        if not torch.isfinite(total):
            raise TrainingError(
                f"the loss is {total.item()} in epoch {self.epoch + 1}, batch {self.batch}; "
                "resume from the last epoch with lower rates (encoder_rate, rate)")
        self.optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimiser.step()
        self._average()
        self.batch += 1
        return {"loss": total.item()} | {name: value.item() for name, value in parts.items()}

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
                "model": self.model.state_dict(), "averaged": self.averaged.state_dict(),
                "objective": self.objective.state_dict(),
                "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict) -> None:
        self.epoch, self.batch = state["epoch"], state["batch"]
        for name in ("model", "averaged", "objective", "optimiser"):
            getattr(self, name).load_state_dict(state[name])


class _FirstImages:
    """The first few samples of a data set."""

    def __init__(self, dataset: LabelledImages, count: int):
        self.classes, self._dataset, self._count = dataset.classes, dataset, count

    def __len__(self) -> int:
        return min(self._count, len(self._dataset))

    def __getitem__(self, index: int) -> Sample:
        return self._dataset[index]


def train(config: TrainConfig, out: str | Path, resume: bool = False, overfit: int = 0,
          device: str = "auto", images: tuple[MixedImages, LabelledImages] | None = None,
          console: Console | None = None) -> Path:
    """Train and return the checkpoint ``out/model.safetensors``, rewritten after every epoch.

    ``out`` also gets ``config.yaml``, ``log.jsonl`` (a line per epoch), ``samples.png`` and
    ``state.pt``, from which ``resume`` goes on.  ``overfit`` trains on that many images,
    without augmentation, and validates on the same: a check that everything learns.
    ``images``, training and held-out ones, take the place of the configured data.
    Ctrl-C saves and returns.  Raises ``ScenecodeError`` for bad configurations, missing data
    and a loss that is not a number.
    """
    out, console = Path(out), console or Console()
    if config.threads:
        torch.set_num_threads(config.threads)
    data, held_out = images or open_training_data(config.data, config.model.width,
                                                  config.model.height, config.seed)
    if overfit:
        data, held_out = _few_images(config, held_out, overfit)
    run = Training(config, data, augmented=not overfit, device=choose_device(device))
    if resume:
        run.load(load_state(out / "state.pt", to_mapping(config)))
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.yaml").write_text(yaml.safe_dump(to_mapping(config), sort_keys=False))
    with _interrupt_flag() as interrupted:
        while run.epoch < config.epochs:
            losses = _learn_epoch(run, interrupted, console)
            if interrupted.is_set():
                save_state(out / "state.pt", run.state())
                console.print(f"stopped; go on with --resume --out {out}")
                break
            run.epoch, run.batch = run.epoch + 1, 0
            _finish_epoch(run, held_out, losses, out, console)
    return out / "model.safetensors"


def _few_images(config: TrainConfig, dataset: LabelledImages,
                count: int) -> tuple[MixedImages, LabelledImages]:
    """The first images of a set, again and again; and once."""
    few = CachedImages(_FirstImages(dataset, count))
    return MixedImages([few], [OVERFIT_BATCHES * config.batch_size], config.seed), few


def _learn_epoch(run: Training, interrupted: threading.Event, console: Console) -> dict:
    """The mean of each part of the loss over the rest of the epoch."""
    sums: dict[str, float] = {}
    count = 0
    columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn(), TextColumn("loss {task.fields[loss]:.3f}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=run.batches_per_epoch, completed=run.batch,
                                 epoch=run.epoch + 1, loss=float("nan"))
        for batch in run.remaining_batches():
            parts = run.learn(batch)
            sums = {name: sums.get(name, 0.0) + value for name, value in parts.items()}
            count += 1
            progress.update(task, completed=run.batch, loss=sums["loss"] / count)
            if interrupted.is_set():
                break
    return {name: value / max(count, 1) for name, value in sums.items()}


def _finish_epoch(run: Training, held_out: LabelledImages, losses: dict, out: Path,
                  console: Console) -> None:
    """Validate the averaged model, write everything, print one line."""
    scores = evaluate_model(run.averaged, held_out)
    record = {"epoch": run.epoch, "train": losses, "val": scores}
    with open(out / "log.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps(record) + "\n")
    facts = {"epochs": run.epoch, "config": to_mapping(run.config), "val": scores}
    save_checkpoint(out / "model.safetensors", run.averaged, facts, half=True)
    save_state(out / "state.pt", run.state())
    save_sample_pictures(out / "samples.png", run.averaged, held_out)
    zero, coded = scores["zero_code"], scores["encoded"]
    console.print(
        f"epoch {run.epoch}/{run.config.epochs}  loss {losses.get('loss', float('nan')):.3f}  "
        f"zero | encoded:  mIoU {zero['miou']:.3f} | {coded['miou']:.3f}  "
        f"abs_rel {zero['abs_rel']:.3f} | {coded['abs_rel']:.3f}  "
        f"proximity {zero['proximity_error']:.4f} | {coded['proximity_error']:.4f}")


@contextmanager
def _interrupt_flag() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that a step is never left half done."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # only the main thread may handle signals
        return
    previous = signal.signal(signal.SIGINT, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``train``."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file, see configs/train")
    parser.add_argument("--out", metavar="DIR", default="runs/train", help="where results go")
    parser.add_argument("--resume", action="store_true", help="go on from DIR/state.pt")
    parser.add_argument("--overfit", metavar="N", type=int, default=0,
                        help="learn N images by heart, to see that training works")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[],
                        help="change one key, for example --set loss.depth_kl=1e-3")


def main(args: argparse.Namespace) -> int:
    """``train``: 0 when done or stopped by Ctrl-C."""
    config = from_mapping(TrainConfig, load_yaml(args.config), args.config)
    for assignment in args.set:
        config = override(config, assignment)
    train(config, args.out, args.resume, args.overfit, args.device)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m networks.train", description=__doc__)
    add_arguments(parser)
    try:
        raise SystemExit(main(parser.parse_args()))
    except ScenecodeError as error:
        raise SystemExit(f"error: {error}") from error
