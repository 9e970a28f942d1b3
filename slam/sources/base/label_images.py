"""True labels next to the photographs: ``labels13`` with NYUv2's 13 classes."""

from pathlib import Path

import numpy as np

from scenecode.networks.classes import NYU13
from scenecode.networks.data.base.stored_images import lookup_table, read_bytes_map

#: Folder of PNG files of ids 1..13, in the published order of the classes; 0 is unknown.
LABELS_FOLDER = "labels13"
_IDS = lookup_table({i + 1: i for i in range(len(NYU13))})


def read_labels13(path: Path) -> np.ndarray:
    """(H, W) uint8 ids of ``NYU13``, ``VOID`` where unknown; ``DataError`` unless the image has
    one channel of 8 bits."""
    return _IDS[read_bytes_map(path)]


def labels13_by_name(folder: Path) -> dict[str, Path]:
    """The label images of a recording by their names without the ending; empty for none."""
    return {path.stem: path for path in (folder / LABELS_FOLDER).glob("*.png")}
