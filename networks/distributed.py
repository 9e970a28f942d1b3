"""Training in several processes, on one machine or many, as ``torchrun`` starts them."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from scenecode.core.device import choose_device
from scenecode.core.errors import ConfigError

#: Batch norm needs two images.
MIN_LOCAL_BATCH_SIZE = 2
#: Seconds that gloo's threads get to release what they still hold.
_RELEASE = 0.2


@dataclass(frozen=True)
class Processes:
    """This process among those that train one model together; by default it is alone.

    The methods that combine values must be called by every process, in the same order.
    """

    rank: int = 0
    count: int = 1
    #: rank among the processes of this machine, which is the number of its GPU
    local_rank: int = 0

    @staticmethod
    def from_environment() -> "Processes":
        """As ``torchrun`` sets RANK, WORLD_SIZE and LOCAL_RANK; alone without them."""
        return Processes(rank=int(os.environ.get("RANK", 0)),
                         count=int(os.environ.get("WORLD_SIZE", 1)),
                         local_rank=int(os.environ.get("LOCAL_RANK", 0)))

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process that writes, prints and validates."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """Where this process computes: each of several takes a GPU of its own."""
        device = choose_device(name)
        if device.type == "cuda" and device.index is None and self.count > 1:
            device = torch.device("cuda", self.local_rank)
        return device

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Connected to the others, at the address that ``torchrun`` gave."""
        if self.count == 1:
            yield
            return
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo",
                                rank=self.rank, world_size=self.count)
        try:
            yield
        finally:
            # gloo's threads may need Python's lock to release the last tensors; who destroys the
            # group later holds it while waiting for these threads
            time.sleep(_RELEASE)
            dist.destroy_process_group()

    def local_batch_size(self, batch_size: int) -> int:
        """How many images of each batch are this process's.

        Raises ``ConfigError`` when not all processes get equally many, at least two each.
        """
        size, remainder = divmod(batch_size, self.count)
        if remainder or size < MIN_LOCAL_BATCH_SIZE:
            raise ConfigError(
                f"batch_size {batch_size} cannot be divided among {self.count} processes; choose "
                f"a multiple of {self.count} that is at least {MIN_LOCAL_BATCH_SIZE * self.count}")
        return size

    def mean(self, values: Tensor) -> Tensor:
        """The mean of every process's ``values``, which are not changed; not differentiable."""
        if self.count == 1:
            return values
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.count

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in any process."""
        if self.count == 1:
            return flag
        return self.mean(torch.tensor(float(flag), device=device)).item() > 0

    def wrap(self, module: nn.Module, some_unused: bool = False) -> nn.Module:
        """``module``, whose gradients are then the means over all processes; ``some_unused``:
        whether there are steps in which some parameters have none."""
        if self.count == 1:
            return module
        return nn.parallel.DistributedDataParallel(module, find_unused_parameters=some_unused)

    def synchronise_batch_norm(self, module: nn.Module, device: torch.device) -> nn.Module:
        """``module`` with batch norm that takes its statistics over the whole batch.

        torch can do so on GPUs only: on CPUs each process normalises by its own part, and
        the running statistics are those of the first.
        """
        if self.count == 1 or device.type != "cuda":
            return module
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
