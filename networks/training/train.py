"""Training, in one function that resumes exactly
(``python -m scenecode.networks.training.train CONFIG``).

Everything random follows from the seed and the position in training, so that a run that was
stopped and resumed sees the same batches, crops and codes as one that was not.
"""

import argparse
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scenecode.core.atomic_write import write_text
from scenecode.core.console import make_console
from scenecode.core.errors import ScenecodeError
from scenecode.core.shipped import find_config
from scenecode.core.strict_config import load_yaml, override, to_mapping
from scenecode.networks.data.cached import CachedImages
from scenecode.networks.data.mixed import MixedImages
from scenecode.networks.distributed import Processes
from scenecode.networks.evaluation.evaluate import evaluate_model
from scenecode.networks.evaluation.pictures import evenly_spaced, save_sample_pictures
from scenecode.networks.families.network import answer_title
from scenecode.networks.inference.checkpoint import save_checkpoint
from scenecode.networks.sample import LabelledImages, Sample
from scenecode.networks.training.config import TrainConfig, read_train_config
from scenecode.networks.training.log import TrainingLog, save_curves
from scenecode.networks.training.state import load_state, save_state
from scenecode.networks.training.trainer import Trainer
from scenecode.networks.training.training_data import open_training_data

#: An overfitting epoch shows its few images this many batches long.
OVERFIT_BATCHES = 20
#: Held-out images that the uncertainty of depth is fitted to, where a network has to be told it.
CALIBRATED_ON = 60
#: Held-out scores printed after every epoch: text, name and digits.
PRINTED = (("mIoU", "miou", 3), ("abs_rel", "abs_rel", 3), ("proximity", "proximity_error", 4))


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

    ``out`` also receives ``config.yaml``, ``log.jsonl`` (a line per epoch), ``curves.png``,
    ``samples.png`` and ``state.pt``, from which ``resume`` continues.  ``overfit`` trains on
    that many images, without augmentation, and validates on the same: a check that
    everything learns.  ``images``, training and held-out ones, take the place of the
    configured data.  Started by ``torchrun``, every process takes its part of each batch,
    and the first one alone validates and writes.  Ctrl-C saves and returns.  Raises
    ``ScenecodeError`` for bad configurations, missing data and a loss that is not a number.
    """
    processes = Processes.from_environment()
    if config.threads:
        torch.set_num_threads(config.threads)
    geometry = config.model.geometry
    data, held_out = images or open_training_data(config.data, geometry.width, geometry.height,
                                                  config.seed)
    if overfit:
        data, held_out = _few_images(config, held_out, overfit)
    where = processes.device(device)
    with processes.joined(where):
        trainer = Trainer(config, data, not overfit, where, processes)
        _train(trainer, held_out, Path(out), resume, console or make_console())
    return Path(out) / "model.safetensors"


def _train(trainer: Trainer, held_out: LabelledImages, out: Path, resume: bool,
           console: Console) -> None:
    config, processes = trainer.config, trainer.processes
    console.quiet = console.quiet or not processes.is_main_process
    if resume:
        trainer.load(load_state(out / "state.pt", to_mapping(config)))
    log = None
    if processes.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "config.yaml", yaml.safe_dump(to_mapping(config), sort_keys=False))
        log = TrainingLog(out / "log.jsonl", trainer.epoch)
    with _interrupt_flag() as interrupted:
        while trainer.epoch < trainer.schedule.epochs and trainer.progress() < 1:
            if not _train_epoch(trainer, interrupted, console):
                if processes.is_main_process:
                    save_state(out / "state.pt", trainer.state())
                console.print(f"stopped; go on with --resume --out {out}")
                break
            losses = trainer.losses()
            console.print(f"{trainer.batch * config.batch_size} images, "
                          f"{trainer.minutes():.1f} minutes of training")
            trainer.end_epoch()
            if log is not None:
                _finish_epoch(trainer, held_out, losses, out, log, console)


def _few_images(config: TrainConfig, dataset: LabelledImages,
                count: int) -> tuple[MixedImages, LabelledImages]:
    """The first images of a set, again and again; and once."""
    few = CachedImages(_FirstImages(dataset, count))
    return MixedImages([few], [OVERFIT_BATCHES * config.batch_size], config.seed), few


def _train_epoch(trainer: Trainer, interrupted: threading.Event, console: Console) -> bool:
    """The rest of the epoch; false when Ctrl-C, in any process, ended it early."""
    columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn(), TextColumn("loss {task.fields[loss]:.3f}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=trainer.batches_per_epoch, completed=trainer.batch,
                                 epoch=trainer.epoch + 1, loss=float("nan"))
        for batch in trainer.remaining_batches():
            trainer.training_step(batch)
            progress.update(task, completed=trainer.batch, loss=trainer.losses()["loss"])
            if trainer.processes.any(interrupted.is_set(), trainer.device):
                return False
            if trainer.processes.any(trainer.progress() >= 1, trainer.device):
                break
    return True


def _finish_epoch(trainer: Trainer, held_out: LabelledImages, losses: dict, out: Path,
                  log: TrainingLog, console: Console) -> None:
    """Validate the averaged model, write everything, print one line."""
    trainer.fit_uncertainty(held_out[index] for index in
                            evenly_spaced(len(held_out), CALIBRATED_ON))
    scores = evaluate_model(trainer.averaged, held_out)
    log.add(trainer.epoch, losses, scores)
    save_curves(out / "curves.png", log.records, trainer.config.family.loss_curves)
    facts = {"epochs": trainer.epoch, "config": to_mapping(trainer.config), "val": scores}
    save_checkpoint(out / "model.safetensors", trainer.averaged, facts, half=True)
    save_state(out / "state.pt", trainer.state())
    save_sample_pictures(out / "samples.png", trainer.averaged, held_out)
    summary = "  ".join(f"{text} " + " | ".join(_rounded(answer[name], digits)
                                                for answer in scores.values())
                        for text, name, digits in PRINTED)
    console.print(f"epoch {trainer.epoch}/{trainer.schedule.epochs}  loss {losses['loss']:.3f}  "
                  f"{' | '.join(map(answer_title, scores))}:  {summary}")


def _rounded(score: float | None, digits: int) -> str:
    return "-" if score is None else f"{score:.{digits}f}"


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


EXAMPLES = """examples:
  export SCENECODE_DATA=~/data
  scenecode train configs/train/nyuv2_rooms_mobilenetv2.yaml --out runs/a
  scenecode train CONFIG --out runs/a --resume            go on after Ctrl-C, or a crash
  scenecode train CONFIG --set precision=bfloat16 --set batch_size=32
  scenecode train CONFIG --set data.folder=mine --set data.rooms=0     your own images
  torchrun --nproc-per-node 4 --no-python scenecode train CONFIG       four GPUs; add
      --nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29500 for two machines
DIR gets curves.png, samples.png, log.jsonl and model.safetensors after every epoch.
docs/training.md tells the layout of your own images and label sets."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``train``."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file, or the name of a shipped "
                        "one, for example nyuv2_rooms_mobilenetv2")
    parser.add_argument("--out", metavar="DIR", default="runs/train", help="where results go")
    parser.add_argument("--resume", action="store_true", help="continue from DIR/state.pt")
    parser.add_argument("--overfit", metavar="N", type=int, default=0,
                        help="overfit N images, to check that training works")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[],
                        help="change one key, for example --set loss.depth_kl=1e-3")


def main(args: argparse.Namespace) -> int:
    """``train``: 0 when done or stopped by Ctrl-C."""
    config = read_train_config(load_yaml(find_config(args.config, "train")), args.config)
    for assignment in args.set:
        config = override(config, assignment)
    train(config, args.out, args.resume, args.overfit, args.device)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scenecode.networks.training.train",
                                     description=__doc__)
    add_arguments(parser)
    try:
        raise SystemExit(main(parser.parse_args()))
    except ScenecodeError as error:
        raise SystemExit(f"error: {error}") from error
