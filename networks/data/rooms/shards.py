"""A cache of rendered rooms on disk, written once and read by training.

``python -m scenecode.networks.data.rooms.shards --out DIR --images N --workers K`` (or ``--cluster
ADDRESS``) writes shards of ``SHARD`` images: ``NNNNN_images.npy`` (n, H, W, 3) uint8,
``NNNNN_depth.npy`` (n, H, W) float16 metres, ``NNNNN_labels.npy`` (n, H, W) uint8,
``NNNNN_cameras.npy`` (n, 4) float64 (fx, fy, cx, cy).  Shards that exist are kept, so a broken run
goes on where it stopped.
"""

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scenecode.core.atomic_write import replacing
from scenecode.core.errors import DataError, ScenecodeError
from scenecode.core.jobs import completed, open_executor
from scenecode.networks.classes import NYU13
from scenecode.networks.data.rooms.images import RoomsImages, ViewsConfig, as_sample
from scenecode.networks.data.rooms.layout import RoomConfig
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

#: images in a shard
SHARD = 50
_KINDS = {"images": np.uint8, "depth": np.float16, "labels": np.uint8, "cameras": np.float64}


class RoomsShards:
    """``LabelledImages`` from a folder written by ``write_shards``.

    Raises ``DataError`` for a folder without shards or with incomplete ones.
    """

    classes = NYU13

    def __init__(self, folder: str | Path):
        self._folder = Path(folder)
        # images.npy is written last: a shard without it was never finished
        stems = sorted(p.name.split("_")[0] for p in self._folder.glob("*_images.npy"))
        if not stems:
            raise DataError(f"{folder}: no room shards; write some with "
                            "python -m scenecode.networks.data.rooms.shards --out DIR --images N")
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


@dataclass(frozen=True)
class _Shard:
    """Images ``start`` to ``stop`` of the views, to be rendered into the folder."""

    folder: Path
    start: int
    stop: int
    views: ViewsConfig
    room: RoomConfig


def write_shards(folder: str | Path, images: int, views: ViewsConfig, room: RoomConfig,
                 workers: int = 1, cluster: str | None = None) -> float:
    """Renders ``images`` images into ``folder`` by ``open_executor(workers, cluster)``; returns
    images per second.

    Raises ``DataError`` when some shards could not be written; the others are.
    """
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    views = replace(views, rooms=-(-images // views.views_per_room))
    shards = [_Shard(folder=folder, start=start, stop=min(start + SHARD, images), views=views,
                     room=room)
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
    source = RoomsImages(shard.views, shard.room)
    shots = [source.view(index) for index in range(shard.start, shard.stop)]
    columns = {"depth": [v.depth for v, _ in shots], "labels": [v.labels for v, _ in shots],
               "cameras": [(c.fx, c.fy, c.cx, c.cy) for _, c in shots],
               "images": [v.image for v, _ in shots]}
    for kind, values in columns.items():
        with replacing(_path(shard.folder, shard.start, kind)) as temporary, \
                open(temporary, "wb") as file:
            np.save(file, np.asarray(values, _KINDS[kind]), allow_pickle=False)
    return len(shots)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scenecode.networks.data.rooms.shards",
                                     description="Render procedural rooms for training.")
    parser.add_argument("--out", required=True, help="folder for the shards")
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1, metavar="N",
                        help="processes of this machine (default %(default)s)")
    parser.add_argument("--cluster", metavar="ADDRESS",
                        help="render by the workers of this Dask scheduler instead")
    parser.add_argument("--views-per-room", type=int, default=ViewsConfig.views_per_room)
    parser.add_argument("--first-seed", type=int, default=ViewsConfig.first_seed)
    parser.add_argument("--size", type=int, nargs=2, metavar=("W", "H"),
                        default=(ViewsConfig.width, ViewsConfig.height))
    parser.add_argument("--focal", type=float, nargs=2, metavar=("LOW", "HIGH"),
                        default=ViewsConfig.focal, help="focal length over image width")
    parser.add_argument("--textures", help="folder of texture tiles in sub-folders by material")
    parser.add_argument("--meshes", help="folder of .glb models named by what they are")
    options = parser.parse_args(arguments)
    try:
        rate = write_shards(options.out, options.images,
                            ViewsConfig(views_per_room=options.views_per_room,
                                        first_seed=options.first_seed, width=options.size[0],
                                        height=options.size[1], focal=tuple(options.focal)),
                            RoomConfig(textures=options.textures, meshes=options.meshes),
                            options.workers, options.cluster)
    except ScenecodeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {options.images} images, {rate:.1f} images/s")
    return 0


if __name__ == "__main__":
    # other processes find the functions by the name of their module
    from scenecode.networks.data.rooms import shards
    sys.exit(shards.main())
