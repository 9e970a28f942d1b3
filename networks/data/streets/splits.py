"""The streets that are trained and tested on."""

from pathlib import Path

from scenecode.networks.data.base.stored_images import require_split
from scenecode.networks.data.rendering.shards import has_shards
from scenecode.networks.data.streets.images import (
    FIRST_TRAINING_SEED,
    StreetsImages,
    ViewsConfig,
)
from scenecode.networks.data.streets.shards import StreetsShards
from scenecode.networks.sample import LabelledImages

#: first street of each split and how many it has; those of training are far from the others
SPLITS = {"test": (5_000, 20), "val": (7_000, 20), "train": (FIRST_TRAINING_SEED, 300)}


def open_streets(folder: Path | None, split: str, width: int, height: int) -> LabelledImages:
    """The streets of a split, rendered at one size; those of training from ``folder`` where it
    holds shards of them, at their own size.  Raises ``DataError`` for a split that there is not.
    """
    require_split("streets", split, SPLITS)
    if split == "train" and folder is not None and has_shards(folder):
        return StreetsShards(folder)
    first, count = SPLITS[split]
    return StreetsImages(ViewsConfig(streets=count, views_per_street=4, first_seed=first,
                                     width=width, height=height))
