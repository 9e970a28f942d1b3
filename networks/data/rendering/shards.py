"""A cache of rendered images on disk, written once and read by training.

A shard of ``SHARD`` images is ``NNNNN_images.npy`` (n, H, W, 3) uint8, ``NNNNN_depth.npy``
(n, H, W) float16 metres, ``NNNNN_labels.npy`` (n, H, W) uint8 and ``NNNNN_cameras.npy`` (n, 4)
float64 (fx, fy, cx, cy).  Shards that exist are kept, so a broken run goes on where it stopped.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from scenecode.core.atomic_write import replacing
from scenecode.core.errors import DataError, ScenecodeError
from scenecode.core.images import image_tensor
from scenecode.core.jobs import completed, open_executor
from scenecode.networks.classes import ClassSet
from scenecode.networks.data.rendering.shading import View
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

#: images in a shard
SHARD = 50
_KINDS = {"images": np.uint8, "depth": np.float16, "labels": np.uint8, "cameras": np.float64}


#: Files of complete shards: their images are written last.
_COMPLETE = "*_images.npy"


class RenderedImages(Protocol):
    """Images that are rendered when they are asked for, the same at every time."""

    def view(self, index: int) -> tuple[View, PinholeCamera]: ...


def as_sample(image, depth, labels, camera: PinholeCamera, name: str) -> Sample:
    """Arrays (H, W, 3) uint8, (H, W) and (H, W) to a ``Sample``."""
    return Sample(image=image_tensor(image), depth=torch.from_numpy(np.array(depth, np.float32)),
                  labels=torch.from_numpy(np.array(labels, np.uint8)), camera=camera, name=name)


class Shards:
    """``LabelledImages`` from a folder written by ``write_shards``.

    Raises ``DataError`` for a folder without shards or with incomplete ones.
    """

    def __init__(self, folder: str | Path, classes: ClassSet, command: str):
        """``command`` writes such folders, for the message."""
        self.classes = classes
        self._folder = Path(folder)
        stems = sorted(p.name.split("_")[0] for p in self._folder.glob(_COMPLETE))
        if not stems:
            raise DataError(f"{folder}: no shards of rendered images; write some with "
                            f"{command} --out DIR --images N")
        self._shards = [self._open(stem) for stem in stems]
        self._ends = np.cumsum([len(s["images"]) for s in self._shards])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"{self._folder}: index {index} of {len(self)}")
        k = int(np.searchsorted(self._ends, index, side="right"))
        shard, row = self._shards[k], index - int(self._ends[k])
        height, width = shard["depth"].shape[1:]
        fx, fy, cx, cy = map(float, shard["cameras"][row])
        camera = PinholeCamera(fx=fx, fy=fy, cx=cx, cy=cy, width=width, height=height)
        return as_sample(shard["images"][row], shard["depth"][row], shard["labels"][row],
                         camera, f"{self._folder.name} {index}")

    def _open(self, stem: str) -> dict[str, np.ndarray]:
        shard = {}
        for kind, dtype in _KINDS.items():
            path = self._folder / f"{stem}_{kind}.npy"
            try:
                shard[kind] = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise DataError(f"{path}: unreadable; delete shard {stem} and write it again"
                                f" ({error})") from error
            if shard[kind].dtype != dtype or len(shard[kind]) != len(shard["images"]):
                raise DataError(f"{path}: {shard[kind].dtype} {shard[kind].shape} does not fit "
                                f"its shard; delete shard {stem} and write it again")
        return shard


def has_shards(folder: Path) -> bool:
    """Whether a folder holds what ``write_shards`` writes."""
    return next(folder.glob(_COMPLETE), None) is not None


@dataclass(frozen=True)
class _Shard:
    """Images ``start`` to ``stop``, to be rendered into the folder."""

    folder: Path
    start: int
    stop: int
    open_images: Callable[[], RenderedImages]


def write_shards(folder: str | Path, images: int, open_images: Callable[[], RenderedImages],
                 workers: int = 1, cluster: str | None = None) -> float:
    """Renders images 0 to ``images`` into ``folder`` by ``open_executor(workers, cluster)``, whose
    processes call ``open_images``; returns images per second.

    Raises ``DataError`` when some shards could not be written; the others are.
    """
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    shards = [_Shard(folder=folder, start=start, stop=min(start + SHARD, images),
                     open_images=open_images)
              for start in range(0, images, SHARD)
              if not _path(folder, start, "images").exists()]
    if not shards:
        return 0.0
    begin, rendered = time.monotonic(), 0
    failures: list[Exception] = []
    with open_executor(workers, cluster) as executor:
        for done in completed(executor, _write_shard, shards):
            if done.error is not None:
                failures.append(done.error)
                continue
            rendered += done.result or 0
            print(f"{rendered} images, {rendered / (time.monotonic() - begin):.1f} images/s",
                  file=sys.stderr)
    if failures:
        raise DataError(f"{folder}: {len(failures)} of {len(shards)} shards were not written, the "
                        f"first because: {failures[0]}") from failures[0]
    return rendered / max(time.monotonic() - begin, 1e-9)


def _path(folder: Path, start: int, kind: str) -> Path:
    return folder / f"{start // SHARD:05d}_{kind}.npy"


def _write_shard(shard: _Shard) -> int:
    source = shard.open_images()
    shots = [source.view(index) for index in range(shard.start, shard.stop)]
    columns = {"depth": [v.depth for v, _ in shots], "labels": [v.labels for v, _ in shots],
               "cameras": [(c.fx, c.fy, c.cx, c.cy) for _, c in shots],
               "images": [v.image for v, _ in shots]}
    for kind, values in columns.items():
        with replacing(_path(shard.folder, shard.start, kind)) as temporary, \
                open(temporary, "wb") as file:
            np.save(file, np.asarray(values, _KINDS[kind]), allow_pickle=False)
    return len(shots)


def argument_parser(module: str, things: str) -> argparse.ArgumentParser:
    """Command-line arguments of what writes shards of ``things``."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}",
                                     description=f"Render procedural {things} for training.")
    parser.add_argument("--out", required=True, help="folder for the shards")
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1, metavar="N",
                        help="processes of this machine (default %(default)s)")
    parser.add_argument("--cluster", metavar="ADDRESS",
                        help="render by the workers of this Dask scheduler instead")
    return parser


def reported(write: Callable[[], float], options: argparse.Namespace) -> int:
    """Exit status of ``write``, whose rate or error is printed."""
    try:
        rate = write()
    except ScenecodeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {options.images} images, {rate:.1f} images/s")
    return 0
