"""The images that a run is trained and validated on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import CLASS_SETS, NYU13, ClassSet, load_classes
from scenecode.networks.data.cached import CachedImages
from scenecode.networks.data.datasets import DatasetName, data_path, open_dataset
from scenecode.networks.data.folder import FolderImages
from scenecode.networks.data.mixed import MixedImages
from scenecode.networks.data.relabelled import with_classes
from scenecode.networks.data.rooms.images import FIRST_TRAINING_SEED, RoomsImages, ViewsConfig
from scenecode.networks.data.rooms.layout import RoomConfig
from scenecode.networks.data.rooms.shards import RoomsShards
from scenecode.networks.sample import LabelledImages

#: Rooms of the held-out set when there is no NYUv2, with one view each.
HELD_OUT_ROOMS = 30


@dataclass(frozen=True)
class SetConfig:
    """Images of one data set."""

    #: its name, as ``evaluate model --data`` has it
    data: DatasetName
    #: its folder, absolute or below ``$SCENECODE_DATA``; not for rooms and streets
    root: str = ""
    split: str = "train"
    #: images in an epoch; None: all of the split
    count: int | None = None
    #: folder of label images to take instead of its own, e.g. another network's answers
    labels: str | None = None

    def __post_init__(self):
        if self.count is not None and self.count < 1:
            raise ConfigError(f"count must be at least 1, got {self.count}")


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
    #: further data sets of any kind, e.g. ``[{data: camvid, root: camvid, split: train}]``; set
    #: ``rooms: 0`` where rooms do not belong with them
    sets: tuple[SetConfig, ...] = ()
    #: what is held out, by default the folder's ``val``, else that of NYUv2, of the first of
    #: ``sets``, or rooms
    held_out: SetConfig | None = None
    #: the label set to train: a number of classes (13, 40, 37, 19 or 11) or a YAML file; labels
    #: of data sets with other classes are matched by name and stated tables.  None: that of the
    #: first data set in the order of these keys
    classes: str | int | None = None
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
        if self.nyuv2 is None and self.folder is None and not self.rooms and not self.sets:
            raise ConfigError("data: name a folder or the folder of nyuv2, or ask for rooms, or "
                              "list 'sets', or several of them")
        if isinstance(self.classes, int) and self.classes not in CLASS_SETS:
            raise ConfigError(f"data: there is no set of {self.classes} classes; choose one of "
                              f"{', '.join(map(str, sorted(CLASS_SETS)))}, or give a file")


def open_training_data(config: DataConfig, width: int, height: int,
                       seed: int) -> tuple[MixedImages, LabelledImages]:
    """Training images at the configured size, and held-out ones at ``width`` x ``height``.

    The held-out ones are those configured, else they come from the folder where there is one,
    else from NYUv2, from the first of the sets, or from rooms.  NYUv2's own training split is
    divided for this; its test split is never touched.
    """
    parts: list[LabelledImages] = []
    counts: list[int] = []
    if config.folder is not None:
        folder = FolderImages(data_path(config.folder), "train", config.width, config.height)
        parts.append(_cached(folder, config, f"folder_{config.width}"))
        counts.append(len(folder))
    if config.nyuv2 is not None:
        nyuv2 = _nyuv2(config.nyuv2, config.nyuv2_part, config, config.width,
                       config.height)
        of_40 = "" if nyuv2.classes == NYU13 else f"_{len(nyuv2.classes)}"
        parts.append(_cached(nyuv2, config, f"nyuv2_{config.nyuv2_part}_{config.width}{of_40}"))
        counts.append(len(nyuv2))
    for chosen in config.sets:
        dataset = _open_set(chosen, config.width, config.height, _number(config))
        parts.append(_cached(dataset, config, _cache_name(chosen, dataset, config)))
        counts.append(chosen.count or len(dataset))
    if config.rooms:
        parts.append(_rooms(config))
        counts.append(config.rooms_per_epoch or len(parts[-1]))
    classes = _classes(config, parts[0])
    held_out = with_classes(_held_out(config, width, height), classes)
    counts = [count * config.passes for count in counts]
    return MixedImages([with_classes(part, classes) for part in parts], counts, seed), held_out


def _classes(config: DataConfig, first: LabelledImages) -> ClassSet:
    """The label set to train: the configured one, or that of the first data set."""
    if isinstance(config.classes, str):
        return load_classes(data_path(config.classes))
    if config.classes is None or config.classes == len(first.classes):
        return first.classes
    return CLASS_SETS[config.classes]


def _number(config: DataConfig) -> int | None:
    return config.classes if isinstance(config.classes, int) else None


def _open_set(chosen: SetConfig, width: int, height: int, classes: int | None) -> LabelledImages:
    return open_dataset(chosen.data, chosen.root, chosen.split, width, height, classes,
                        chosen.labels)


def _cache_name(chosen: SetConfig, dataset: LabelledImages, config: DataConfig) -> str:
    """A name that tells everything apart that the stored samples depend on."""
    size = f"{config.width}x{config.height}"
    parts = (chosen.data, Path(chosen.root).name, Path(chosen.split).stem,
             Path(chosen.labels or "").name, len(dataset.classes), size)
    return "_".join(str(part) for part in parts if part)


def _held_out(config: DataConfig, width: int, height: int) -> LabelledImages:
    if config.held_out is not None:
        return CachedImages(_open_set(config.held_out, width, height, _number(config)))
    if config.folder is not None:
        return CachedImages(FolderImages(data_path(config.folder), "val", width, height))
    if config.nyuv2 is not None:
        return CachedImages(_nyuv2(config.nyuv2, "val", config, width, height))
    if config.sets:
        held_out = replace(config.sets[0], split="val", labels=None)
        return CachedImages(_open_set(held_out, width, height, _number(config)))
    # the seeds after those that are trained on
    views = ViewsConfig(rooms=HELD_OUT_ROOMS, views_per_room=1,
                        first_seed=FIRST_TRAINING_SEED + config.rooms, width=width, height=height)
    return CachedImages(RoomsImages(views, _room_config(config)))


def _nyuv2(root: str, split: str, config: DataConfig, width: int,
           height: int) -> LabelledImages:
    return open_dataset("nyuv2", root, split, width, height, _number(config))


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
