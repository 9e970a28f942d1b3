"""One training step and a short run in each of two processes, which must find it by import."""

import os
from dataclasses import replace

import torch
from support.small_training import Walls, quiet, small_config
from torch import nn

from scenecode.networks.classes import VOID
from scenecode.networks.data.mixed import MixedImages
from scenecode.networks.distributed import Processes
from scenecode.networks.families.scenecode.family import SceneCodeFamily
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.families.scenecode.objective import SceneCodeLossConfig
from scenecode.networks.training.train import train
from scenecode.networks.training.trainer import Trainer

CONFIG = small_config(batch_size=4, epochs=1,
                      loss=SceneCodeLossConfig(kl_start=0.0, class_balance=0.5, relative_depth=1.0,
                                      dropout=0.3))


class PartlyKnown(Walls):
    """Images of which some have far fewer known pixels than others."""

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        depth, labels = sample.depth.clone(), sample.labels.clone()
        if index % 2:
            depth[:50], labels[:, :30] = 0, VOID
        return replace(sample, depth=depth, labels=labels)


class StillNorms(SceneCode):
    """Batch norm at its running statistics: on CPUs those of a batch are each process's own."""

    def train(self, mode=True):
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def one_step(processes: Processes) -> dict:
    """Gradients and weights after a step, and the log's line on it."""
    SceneCodeFamily.build = lambda self, config, classes: StillNorms(config, classes)
    data = MixedImages([PartlyKnown()], [4])
    run = Trainer(CONFIG, data, False, torch.device("cpu"), processes)
    run.training_step(next(run.remaining_batches()))
    parameters = dict(run.model.named_parameters()) | dict(run.objective.named_parameters())
    return {"gradients": {n: p.grad for n, p in parameters.items() if p.grad is not None},
            "weights": {n: p.detach() for n, p in parameters.items()}, "losses": run.losses()}


def as_torchrun_sets(rank: int, port: int) -> dict[str, str]:
    return {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def worker(rank: int, ports: tuple[int, int], folder: str) -> None:
    """One step, then a whole run; each process has folders of its own."""
    torch.set_num_threads(1)
    os.environ.update(as_torchrun_sets(rank, ports[0]))
    processes = Processes.from_environment()
    with processes.joined(torch.device("cpu")):
        torch.save(one_step(processes), f"{folder}/step_{rank}.pt")
        assert processes.any(rank == 1, torch.device("cpu"))
    os.environ.update(as_torchrun_sets(rank, ports[1]))
    images = MixedImages([Walls()], [8]), Walls(2)
    train(CONFIG, f"{folder}/out_{rank}", device="cpu", images=images, console=quiet())
