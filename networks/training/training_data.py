"""The images that a run is trained and validated on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import ClassSet, load_classes
from scenecode.networks.data.cached import CachedImages
from scenecode.networks.data.datasets import data_path
from scenecode.networks.data.folder import FolderImages
from scenecode.networks.data.mixed import MixedImages
from scenecode.networks.data.nyuv2 import NYUv2
from scenecode.networks.data.relabelled import with_classes
from scenecode.networks.data.rooms.images import FIRST_TRAINING_SEED, RoomsImages, ViewsConfig
from scenecode.networks.data.rooms.layout import RoomConfig
from scenecode.networks.data.rooms.shards import RoomsShards
from scenecode.networks.sample import LabelledImages

#: Rooms of the held-out set when there is no NYUv2, with one view each.
HELD_OUT_ROOMS = 30


@dataclass(frozen=True)
class DataConfig:
    """Which data sets, and how many images of each make an epoch."""

    #: folder of NYUv2, absolute or below ``$SCENECODE_DATA``; None: not used
    nyuv2: str | None = None
    #: the part of it that is trained on: "trainfit" leaves the validation part out, "train" is
    #: all of its training split, for a final run whose settings are fixed (the scores that it
    #: prints are then of training images)
    nyuv2_part: Literal["trainfit", "train"] = "trainfit"
    #: folder of your own images (docs/training.md), absolute or below ``$SCENECODE_DATA``
    folder: str | None = None
    #: YAML file with the label set to train; other data sets' labels are matched by name.
    #: None: the folder's own or, without one, NYUv2's 13 classes
    classes: str | None = None
    #: procedural rooms and views of each; 0 rooms: not used
    rooms: int = 300
    views_per_room: int = 5
    #: folder of rendered rooms to take instead
    #: (``python -m scenecode.networks.data.rooms.shards`` writes one)
    shards: str | None = None
    #: room images in an epoch; None: all of them
    rooms_per_epoch: int | None = None
    #: passes over the images in what counts as an epoch: a GPU needs many
    passes: int = 1
    #: folders of texture tiles and of .glb models, absolute or below ``$SCENECODE_DATA``
    textures: str | None = None
    meshes: str | None = None
    #: images are decoded or rendered once, at this size, and cropped from it
    width: int = 320
    height: int = 240
    #: folder that keeps the decoded images for the next run; None: memory only
    cache: str | None = None

    def __post_init__(self):
        if self.nyuv2 is None and self.folder is None and not self.rooms:
            raise ConfigError("data: name a folder or the folder of nyuv2, or ask for rooms, or "
                              "several of them")


def open_training_data(config: DataConfig, width: int, height: int,
                       seed: int) -> tuple[MixedImages, LabelledImages]:
    """Training images at the configured size, and held-out ones at ``width`` x ``height``.

    The held-out ones come from the folder where there is one, else from NYUv2, else from
    rooms.  NYUv2's own training split is divided for this; its test split is never touched.
    """
    parts: list[LabelledImages] = []
    counts: list[int] = []
    if config.folder is not None:
        folder = FolderImages(data_path(config.folder), "train", config.width, config.height)
        parts.append(_cached(folder, config, f"folder_{config.width}"))
        counts.append(len(folder))
    if config.nyuv2 is not None:
        nyuv2 = NYUv2(data_path(config.nyuv2), config.nyuv2_part, config.width, config.height)
        parts.append(_cached(nyuv2, config, f"nyuv2_{config.nyuv2_part}_{config.width}"))
        counts.append(len(nyuv2))
    if config.rooms:
        parts.append(_rooms(config))
        counts.append(config.rooms_per_epoch or len(parts[-1]))
    classes = _classes(config, parts[0])
    held_out = with_classes(_held_out(config, width, height), classes)
    counts = [count * config.passes for count in counts]
    return MixedImages([with_classes(part, classes) for part in parts], counts, seed), held_out


def _classes(config: DataConfig, first: LabelledImages) -> ClassSet:
    """The label set to train: the configured one, or that of the first data set."""
    return load_classes(data_path(config.classes)) if config.classes else first.classes


def _held_out(config: DataConfig, width: int, height: int) -> LabelledImages:
    if config.folder is not None:
        return CachedImages(FolderImages(data_path(config.folder), "val", width, height))
    if config.nyuv2 is not None:
        return CachedImages(NYUv2(data_path(config.nyuv2), "val", width, height))
    # the seeds after those that are trained on
    views = ViewsConfig(rooms=HELD_OUT_ROOMS, views_per_room=1,
                        first_seed=FIRST_TRAINING_SEED + config.rooms, width=width, height=height)
    return CachedImages(RoomsImages(views, _room_config(config)))


def _rooms(config: DataConfig) -> LabelledImages:
    if config.shards is not None:
        return RoomsShards(data_path(config.shards))
    views = ViewsConfig(rooms=config.rooms, views_per_room=config.views_per_room,
                        first_seed=FIRST_TRAINING_SEED, width=config.width, height=config.height)
    # the augmentation recolours and blurs, so the camera's effects are left out here
    rooms = RoomsImages(views, _room_config(config), effects=None)
    return _cached(rooms, config, f"rooms_{config.width}_{config.rooms}x{config.views_per_room}")


def _room_config(config: DataConfig) -> RoomConfig:
    return RoomConfig(textures=_below_data(config.textures), meshes=_below_data(config.meshes))


def _below_data(folder: str | None) -> str | None:
    return None if folder is None else str(data_path(folder))


def _cached(dataset: LabelledImages, config: DataConfig, name: str) -> CachedImages:
    return CachedImages(dataset, Path(config.cache) / f"{name}.npy" if config.cache else None)
