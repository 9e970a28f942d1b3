"""A data set seen through another label set."""

from dataclasses import replace

import numpy as np
import torch

from scenecode.core.errors import DataError
from scenecode.networks.classes import VOID, ClassSet
from scenecode.networks.data.base.translation import class_names
from scenecode.networks.sample import LabelledImages, Sample


class Relabelled:
    """The samples of ``dataset`` with the ids of ``classes``, matched by name and by the tables
    of ``scenecode.networks.data.base.translation``.

    Pixels of classes without a counterpart become ``VOID``.  Raises ``DataError`` when none has
    one.
    """

    def __init__(self, dataset: LabelledImages, classes: ClassSet):
        self.classes, self._dataset = classes, dataset
        self._new_ids = np.full(256, VOID, np.uint8)
        for old, name in enumerate(class_names(dataset.classes, classes)):
            if name is not None:
                self._new_ids[old] = classes.names.index(name)
        if (self._new_ids == VOID).all():
            raise DataError(f"none of the classes {', '.join(classes.names)} is in a data set "
                            f"that has {', '.join(dataset.classes.names)}; use its names, or "
                            "leave that data set out")

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[index]
        return replace(sample, labels=torch.from_numpy(self._new_ids[sample.labels.numpy()]))


def with_classes(dataset: LabelledImages, classes: ClassSet | None) -> LabelledImages:
    """``dataset`` itself when it has these classes already, or ``classes`` is None."""
    if classes is None or dataset.classes == classes:
        return dataset
    return Relabelled(dataset, classes)
