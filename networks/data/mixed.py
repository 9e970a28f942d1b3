"""Several data sets as one, in a seeded order, and batches of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import inf

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from scenecode.core.errors import DataError
from scenecode.networks.classes import VOID
from scenecode.networks.data.augment import Augment, canonical_depth, collaged
from scenecode.networks.sample import LabelledImages, Sample

#: Batches that each worker process prepares ahead.
PREFETCH = 2
#: Images of a data set that tell how frequent its classes are.
COUNTED_IMAGES = 200


class MixedImages:
    """Data sets with one class set, joined; index i counts through them in turn.

    ``counts`` are the samples of each in an epoch (default: all of each).  An
    epoch takes the next ``counts[k]`` of an endless series of shuffles of set k, so that
    no sample is seen twice before all were seen once, whatever the counts.  The order
    depends on ``seed`` and the epoch only: training that resumes sees what it would have.
    """

    def __init__(self, datasets: Sequence[LabelledImages],
                 counts: Sequence[int] | None = None, seed: int = 0):
        lengths = [len(d) for d in datasets]
        if not lengths or 0 in lengths:
            raise DataError(f"every mixed data set needs images; they have {lengths}")
        if any(d.classes != datasets[0].classes for d in datasets):
            raise DataError("mixed data sets must have the same classes, in the same order")
        self.counts = tuple(lengths if counts is None else counts)
        if len(self.counts) != len(lengths) or min(self.counts) < 0 or sum(self.counts) == 0:
            raise DataError(f"{len(lengths)} data sets need as many counts, each at least 0 "
                            f"and not all 0; got {self.counts}")
        self.classes = datasets[0].classes
        self.seed = seed
        self._datasets = tuple(datasets)
        self._starts = np.concatenate([[0], np.cumsum(lengths)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)}")
        k = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._datasets[k][index - int(self._starts[k])]

    def order(self, epoch: int) -> np.ndarray:
        """The indices (sum of counts,) of an epoch, in the order they are to be seen."""
        parts = [self._starts[k] + self._drawn(k, epoch) for k in range(len(self._datasets))]
        rng = np.random.default_rng((self.seed, epoch))
        return rng.permutation(np.concatenate(parts))

    def label_counts(self) -> Tensor:
        """Labelled pixels (C,) of each class in an epoch, estimated from at most
        ``COUNTED_IMAGES`` images of each data set."""
        total = torch.zeros(len(self.classes), dtype=torch.float64)
        for count, dataset in zip(self.counts, self._datasets):
            looked_at = range(0, len(dataset), -(-len(dataset) // COUNTED_IMAGES))
            labels = torch.cat([dataset[i].labels.flatten() for i in looked_at])
            seen = torch.bincount(labels[labels != VOID].long(), minlength=len(self.classes))
            total += seen * (count / len(looked_at))
        return total

    def _drawn(self, k: int, epoch: int) -> np.ndarray:
        count, length = self.counts[k], int(self._starts[k + 1] - self._starts[k])
        places = np.arange(epoch * count, (epoch + 1) * count)
        shuffles = {int(s): np.random.default_rng((self.seed, k, int(s))).permutation(length)
                    for s in np.unique(places // length)}
        return np.array([shuffles[p // length][p % length] for p in places.tolist()], np.int64)


@dataclass(frozen=True)
class Batch:
    """Samples of one size, stacked."""

    #: (B, 3, H, W) float32 in [0, 1]
    image: Tensor
    #: (B, H, W) float32 metres at the canonical focal length, 0 where unknown
    depth: Tensor
    #: (B, H, W) bool, where depth is known
    valid: Tensor
    #: (B, H, W) int64 class ids, VOID where unknown
    labels: Tensor

    def to(self, device) -> "Batch":
        """The same batch on another device."""
        return Batch(**{field.name: getattr(self, field.name).to(device, non_blocking=True)
                        for field in fields(self)})


def collate(samples: Sequence[Sample], focal: float, max_depth: float = inf) -> Batch:
    """Samples of one size to a batch, depth converted to the canonical ``focal`` (pixels) and
    unknown beyond ``max_depth`` (metres, of the sample's own camera)."""
    depth = torch.stack([canonical_depth(s.with_depth_up_to(max_depth), focal) for s in samples])
    return Batch(image=torch.stack([s.image for s in samples]), depth=depth, valid=depth > 0,
                 labels=torch.stack([s.labels for s in samples]).long())


def batches(mixed: MixedImages, epoch: int, batch_size: int, focal: float,
            augment: Augment | None = None, workers: int = 0, first: int = 0,
            part: slice = slice(None), max_depth: float = inf) -> Iterator[Batch]:
    """The whole batches of an epoch; what is left over at its end is dropped.

    ``focal`` is the canonical focal length in pixels at the size of the batch; depth beyond
    ``max_depth`` metres is unknown.  Sample n
    of an epoch is augmented with a generator seeded by (seed, epoch, n), so the batches
    are the same for any number of ``workers`` (processes; 0 loads in the caller),
    ``first`` continues an epoch at that batch, and ``part`` takes only those samples of
    each batch.
    """
    order = mixed.order(epoch)
    if not 0 < batch_size <= len(order):
        raise DataError(f"batch size {batch_size} must lie in 1..{len(order)}, "
                        "the samples of an epoch")
    loader: DataLoader[Sample] = DataLoader(
        _Epoch(mixed=mixed, order=order, epoch=epoch, augment=augment),
        batch_sampler=[list(range(b * batch_size, (b + 1) * batch_size)[part])
                       for b in range(first, len(order) // batch_size)],
        collate_fn=_Collate(focal, max_depth), num_workers=workers, worker_init_fn=_start_worker,
        prefetch_factor=PREFETCH if workers else None)
    yield from loader


@dataclass(frozen=True)
class _Collate:
    """``collate`` at one focal length, as an object that can be sent to a process."""

    focal: float
    max_depth: float

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        return collate(samples, self.focal, self.max_depth)


@dataclass(frozen=True)
class _Epoch(Dataset[Sample]):
    """Position in the epoch -> augmented sample."""

    mixed: MixedImages
    order: np.ndarray
    epoch: int
    augment: Augment | None

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> Sample:
        sample = self.mixed[int(self.order[position])]
        if self.augment is None:
            return sample
        rng = np.random.default_rng((self.mixed.seed, self.epoch, position))
        sample, share = self.augment(sample, rng), self.augment.config.collage
        if share and rng.random() < share:
            other = self.mixed[int(self.order[rng.integers(len(self))])]
            sample = collaged(sample, self.augment(other, rng), rng)
        return sample


def _start_worker(worker: int) -> None:
    # OpenCV's thread pool does not survive a fork, and the processes are the parallelism
    cv2.setNumThreads(0)
