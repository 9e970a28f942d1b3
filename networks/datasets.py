"""Opening a data set by name, for training and evaluation."""

import os
from pathlib import Path
from typing import Literal

from networks.data.nyuv2 import NYUv2
from networks.data.sample import LabelledImages
from networks.errors import DataError

DatasetName = Literal["nyuv2", "rooms"]

#: Environment variable that says where data sets and ImageNet weights lie.
DATA_VARIABLE = "SCENECODE_DATA"


def data_path(text: str) -> Path:
    """A path as it is, or below ``$SCENECODE_DATA`` when it is relative and not found here."""
    path = Path(text)
    base = os.environ.get(DATA_VARIABLE)
    if path.is_absolute() or path.exists() or base is None:
        return path
    return Path(base) / path


def open_dataset(name: DatasetName, root: str, split: str, width: int,
                 height: int) -> LabelledImages:
    """A data set at one image size.

    Raises ``DataError`` for an unknown split, and when ``root`` does not hold the data.
    """
    path = data_path(root)
    if not path.exists():
        raise DataError(f"{path}: no such folder; give --root, or set {DATA_VARIABLE} to the "
                        "folder that holds it")
    return NYUv2(path, split, width, height)
