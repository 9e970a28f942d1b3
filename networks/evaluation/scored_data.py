"""The images that a network is scored on, and the label set that it is scored in."""

import logging
from dataclasses import replace

import torch

from scenecode.core.errors import DataError
from scenecode.networks.classes import CLASS_SETS, VOID, ClassSet
from scenecode.networks.data.datasets import DatasetName, open_dataset
from scenecode.networks.data.relabelled import with_classes
from scenecode.networks.evaluation.translated import Translated
from scenecode.networks.families.network import Network
from scenecode.networks.sample import LabelledImages, Sample

#: Data sets that need no folder.
_RENDERED = ("rooms", "streets")

_log = logging.getLogger(__name__)


def open_scored(model: Network, name: DatasetName, root: str | None, split: str,
                classes: int | None) -> tuple[Network, LabelledImages]:
    """A data set in the classes of a network, at its size, and the network.

    ``root`` is by default the name of the data set.  With a number of ``classes`` both are in the
    set of that many (``Translated``, ``Relabelled``).  Without it, labels that have no class in
    common with the network are left out, so that depth alone is scored.  Raises ``DataError`` as
    ``open_dataset``, and where nothing is left to be scored.
    """
    root = root if root is not None else "" if name in _RENDERED else name
    size = model.width, model.height
    if not model.predicts_labels:
        return model, _WithoutLabels(open_dataset(name, root, split, *size, classes),
                                     model.classes)
    if classes is not None:
        data = open_dataset(name, root, split, *size, classes)
        return (model if data.classes == model.classes
                else Translated(model, data.classes)), data
    try:
        return model, with_classes(
            open_dataset(name, root, split, *size, _number_of(model.classes)), model.classes)
    except DataError as error:
        data = open_dataset(name, root, split, *size)
        if not model.predicts_depth:
            raise
        _log.warning("%s; depth alone is scored", error)
        return model, _WithoutLabels(data, model.classes)


def _number_of(classes: ClassSet) -> int | None:
    """By which a data set is opened in these classes; ``None`` for a set of one's own."""
    number = len(classes)
    return number if CLASS_SETS.get(number) == classes else None


class _WithoutLabels:
    """Images of a data set whose labels are not known."""

    def __init__(self, data: LabelledImages, classes: ClassSet):
        self.classes, self._data = classes, data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Sample:
        sample = self._data[index]
        return replace(sample, labels=torch.full_like(sample.labels, VOID))
