"""Opening a data set by name, for training and evaluation."""

import os
from pathlib import Path
from typing import Literal

from scenecode.core.errors import DataError
from scenecode.networks.classes import CLASS_SETS
from scenecode.networks.data.folder import FolderImages
from scenecode.networks.data.nyuv2 import NYUv2
from scenecode.networks.data.relabelled import with_classes
from scenecode.networks.data.rooms.images import FIRST_TRAINING_SEED, RoomsImages, ViewsConfig
from scenecode.networks.data.scenenet.dataset import SceneNet
from scenecode.networks.data.streets.images import streets_split
from scenecode.networks.sample import LabelledImages

DatasetName = Literal["nyuv2", "rooms", "streets", "folder", "scenenet"]

#: Environment variable with the folder of data sets and ImageNet weights.
DATA_VARIABLE = "SCENECODE_DATA"

#: First room of each split; training rooms start far above the held-out ones.
ROOMS_SPLITS = {"test": 5_000, "val": 7_000, "train": FIRST_TRAINING_SEED}
ROOMS_EVALUATED = 40
VIEWS_EVALUATED = 2


def data_path(text: str) -> Path:
    """A path as it is, or below ``$SCENECODE_DATA`` when it is relative and not found here."""
    path = Path(text)
    base = os.environ.get(DATA_VARIABLE)
    if path.is_absolute() or path.exists() or base is None:
        return path
    return Path(base) / path


def open_dataset(name: DatasetName, root: str, split: str, width: int, height: int,
                 classes: int | None = None) -> LabelledImages:
    """A data set at one image size; rooms and streets need no ``root``.

    ``classes`` is the number of classes of the labels, by default those that the data set is
    usually evaluated with; labels of another set are translated (``with_classes``).

    Raises ``DataError`` for an unknown split or number of classes, and when ``root`` does not
    hold the data.
    """
    dataset = _open(name, root, split, width, height)
    if classes is None or classes == len(dataset.classes):
        return dataset
    if classes not in CLASS_SETS:
        raise DataError(f"there is no set of {classes} classes; choose one of "
                        f"{', '.join(map(str, sorted(CLASS_SETS)))}")
    return with_classes(dataset, CLASS_SETS[classes])


def _open(name: DatasetName, root: str, split: str, width: int, height: int) -> LabelledImages:
    if name == "rooms":
        if split not in ROOMS_SPLITS:
            raise DataError(f"rooms split {split!r} is unknown; choose one of "
                            f"{', '.join(ROOMS_SPLITS)}")
        views = ViewsConfig(rooms=ROOMS_EVALUATED, views_per_room=VIEWS_EVALUATED,
                            first_seed=ROOMS_SPLITS[split], width=width, height=height)
        return RoomsImages(views)
    if name == "streets":
        return streets_split(split, width, height)
    path = data_path(root)
    if not path.exists():
        raise DataError(f"{path}: no such folder; give --root, or set {DATA_VARIABLE} to the "
                        "folder that holds it")
    if name == "folder":
        return FolderImages(path, split, width, height)
    if name == "scenenet":
        return SceneNet(path, split, width, height)
    return NYUv2(path, split, width, height)
