"""Semantic codes trained through their use: two to four views of a room, Gauss-Newton steps on
equation 8 with the prior, and the loss of the fused labels (``python -m
scenecode.slam.training.semantic_codes``).

Only what the semantic head does with a code is trained, 13,000 weights; the prediction at zero
code stays as it is.  The recognition model, which describes given labels by a code, has to learn
the new codes afterwards: ``scenecode train semantic_recognition``.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress, track
from torch import Tensor, nn

from scenecode.core.console import make_console
from scenecode.core.errors import ConfigError, ScenecodeError
from scenecode.networks.evaluation.metrics import Confusion
from scenecode.networks.families.losses import balanced_weights, pixel_grid
from scenecode.networks.inference.checkpoint import (
    Checkpoint,
    find_weights,
    load_checkpoint,
    save_checkpoint,
)
from scenecode.slam.benchmarks.fusion_scenes import TUNING_SEED
from scenecode.slam.fusion.label_fusion import LabelFusion, LabelFusionConfig
from scenecode.slam.training.code_agreement import fused_at_agreement, fusion_loss
from scenecode.slam.training.view_groups import CodedLabels, FeatureGroup, room_groups

#: First room of those trained on: above all others.
TRAINING_SEED = 900_000
#: Views of a group, and groups of each room.
VIEWS, REFERENCES = 4, 2
#: Labels are compared at every n-th pixel of each row and column.
_PIXEL_STEP = 2
#: Classes weigh as their frequency to the power of minus this.
_CLASS_BALANCE = 0.7
#: Largest norm of the gradient, steps over which the rate rises, and its share at the end.
_CLIP, _WARMUP, _LAST_RATE = 1.0, 50, 0.02


@dataclass(frozen=True)
class SemanticCodeTraining:
    steps: int = 2000
    #: groups in a step
    batch: int = 4
    rate: float = 1e-3
    #: Gauss-Newton steps that gradients flow through
    iterations: int = 3
    seed: int = 0
    fusion: LabelFusionConfig = field(default_factory=LabelFusionConfig)

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.iterations) < 1 or self.rate <= 0:
            raise ConfigError("steps, batch and iterations must be at least 1, and the rate "
                              "positive")


class SemanticCodeTrainer:
    """Trains the part of a model's semantic head that a code goes through."""

    def __init__(self, model: CodedLabels, groups: Sequence[FeatureGroup],
                 config: SemanticCodeTraining):
        """Raises ``ConfigError`` for a model without semantic codes, or whose decoder is not
        linear, and without groups."""
        self._weights = [weight.requires_grad_() for weight in model.semantic_code_weights()]
        if not groups:
            raise ConfigError("training through label fusion needs rooms to train on")
        self.model, self._groups, self._config = model, groups, config
        self._optimiser = torch.optim.Adam(self._weights, lr=config.rate)
        self._rng = np.random.default_rng(config.seed)
        self._generator = torch.Generator().manual_seed(config.seed)
        counts = torch.stack([torch.bincount(g.labels.flatten().long(), minlength=256)
                              for g in groups]).sum(0)
        self._class_weights = balanced_weights(counts[:len(model.classes)], _CLASS_BALANCE)
        self._step = 0

    def step(self) -> float:
        """One step of the optimiser; the mean loss of its groups before it."""
        c = self._config
        rising = min(1.0, (self._step + 1) / _WARMUP)
        falling = 0.5 * (1 + math.cos(math.pi * self._step / c.steps))
        self._optimiser.param_groups[0]["lr"] = c.rate * rising * max(falling, _LAST_RATE)
        self._optimiser.zero_grad()
        total = 0.0
        for index in self._rng.choice(len(self._groups), min(c.batch, len(self._groups)), False):
            loss = self._loss(self._groups[index])
            (loss / c.batch).backward()
            total += loss.item() / c.batch
        nn.utils.clip_grad_norm_(self._weights, _CLIP)
        self._optimiser.step()
        self._step += 1
        return total

    def _loss(self, group: FeatureGroup) -> Tensor:
        others = self._rng.choice(np.arange(1, len(group.features)),
                                  self._rng.integers(1, len(group.features)), replace=False)
        views = group.views(self.model, [0, *sorted(others.tolist())])
        fused = fused_at_agreement(views, self._config.fusion, self._config.iterations)
        at = pixel_grid(_PIXEL_STEP, self._generator)
        return fusion_loss(fused[at].flatten(1).T, group.labels[at].flatten(),
                           self._class_weights)


@torch.no_grad()
def fusion_scores(model: CodedLabels, groups: Iterable[FeatureGroup], views: int,
                  methods: Sequence[str] = ("none", "average", "code_alone"),
                  config: LabelFusionConfig = LabelFusionConfig()) -> dict[str, float]:
    """mIoU by method of label fusion, of so many views."""
    counts = {method: Confusion(len(model.classes)) for method in methods}
    for group in groups:
        fusion = LabelFusion(group.views(model, range(views)), config)
        for method in methods:
            counts[method].add(fusion.fuse(method).argmax(0), group.labels)
    return {method: confusion.scores()["miou"] for method, confusion in counts.items()}


def train(checkpoint: Checkpoint, groups: Sequence[FeatureGroup], held_out: Sequence[FeatureGroup],
          config: SemanticCodeTraining, out: Path, every: int,
          report: Callable[[str], None]) -> None:
    """Train the checkpoint's model; ``out/model.safetensors`` is written, and scores of held-out
    groups are told, every so many steps and at the end.  Ctrl-C ends it and keeps the last."""
    model = _coded(checkpoint)
    trainer = SemanticCodeTrainer(model, groups, config)
    losses: list[float] = []
    report(_told(model, held_out, "before"))
    with Progress(console=make_console(stderr=True), transient=True) as progress:
        task = progress.add_task("training", total=config.steps)
        for step in range(1, config.steps + 1):
            losses.append(trainer.step())
            progress.update(task, advance=1)
            if step % every and step < config.steps:
                continue
            scores = _told(model, held_out, f"step {step}, loss {np.mean(losses):.4f}")
            losses.clear()
            report(scores)
            facts = checkpoint.facts | {"through_fusion": {"steps": step, "rate": config.rate,
                                                           "batch": config.batch}}
            save_checkpoint(out / "model.safetensors", checkpoint.model, facts, half=True)


def _coded(checkpoint: Checkpoint) -> CodedLabels:
    """The checkpoint's model; raises ``ConfigError`` for one without semantic codes."""
    if not isinstance(checkpoint.model, CodedLabels):
        raise ConfigError("training through label fusion needs a network with semantic codes, of "
                          "architecture 'scenecode'")
    return checkpoint.model


def _told(model: CodedLabels, held_out: Sequence[FeatureGroup], opening: str) -> str:
    parts = [opening]
    for views in sorted({2, len(held_out[0].features)}) if held_out else ():
        scores = fusion_scores(model, held_out, views)
        parts.append(f"{views} views: " + ", ".join(f"{name} {100 * score:.1f}"
                                                    for name, score in scores.items()))
    return "; ".join(parts)


EXAMPLES = """examples:
  python -m scenecode.slam.training.semantic_codes --out runs/use
  python -m scenecode.slam.training.semantic_codes --model runs/use/model.safetensors --out more
  scenecode evaluate fusion --references 42 --first-seed 40000 --model runs/use/model.safetensors
  scenecode train semantic_recognition --set start_from=runs/use/model.safetensors --out runs/r"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as told on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scenecode.slam.training.semantic_codes",
                                     description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="weights to begin with (default: the shipped ones)")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.safetensors")
    parser.add_argument("--rooms", type=int, default=700,
                        help="rooms to train on, rendered first: 3 MB each (default %(default)s)")
    parser.add_argument("--held-out", type=int, default=40, metavar="ROOMS",
                        help="rooms to judge by (default %(default)s)")
    parser.add_argument("--steps", type=int, default=SemanticCodeTraining.steps)
    parser.add_argument("--rate", type=float, default=SemanticCodeTraining.rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=250, metavar="STEPS",
                        help="steps from a checkpoint to the next (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    console = make_console(stderr=True)
    try:
        checkpoint = load_checkpoint(find_weights(args.model))
        model = _coded(checkpoint)
        config = SemanticCodeTraining(steps=args.steps, rate=args.rate, seed=args.seed)
        held_out, groups = ([group for of_room in track(
            room_groups(model, count, VIEWS, REFERENCES, first), f"rendering {what}",
            total=count, console=console, transient=True) for group in of_room]
            for count, first, what in ((args.held_out, TUNING_SEED, "held-out rooms"),
                                       (args.rooms, TRAINING_SEED, "rooms")))
        train(checkpoint, groups, held_out, config, args.out, args.every, console.print)
    except ScenecodeError as error:
        console.print(f"error: {error}", style="red")
        return 1
    except KeyboardInterrupt:
        console.print(f"interrupted; {args.out} has the last checkpoint, if there was one")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
