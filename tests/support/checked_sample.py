"""A sample of a data set that ``support.data_layouts`` wrote, compared with what is in it."""

import pytest
from support.data_layouts import FAR, HEIGHT, NEAR, WIDTH

from scenecode.networks.classes import VOID
from scenecode.networks.data.datasets import open_dataset

SIZE = (WIDTH, HEIGHT)


def found(name, root, split, *, depth, labels=(None, None), count=1, classes=None,
          metres=(NEAR, FAR)):
    """The first sample of ``count``: its halves have these ``labels``, and ``metres`` times
    ``depth`` where that is a number."""
    data = open_dataset(name, str(root), split, *SIZE, classes=classes)
    assert len(data) == count
    sample = data[0]
    assert sample.image[:, 5, 5].mean() < 0.3 < sample.image[:, 5, 30].mean()
    if depth:
        near, far = sample.depth[5, 5], sample.depth[5, 30]
        assert (near, far) == pytest.approx((metres[0] * depth, metres[1] * depth), rel=0.02)
    assert (sample.depth[0] == 0).all()
    names = [*data.classes.names, *[None] * (VOID + 1 - len(data.classes))]
    assert (names[sample.labels[5, 5]], names[sample.labels[5, 30]]) == labels
    assert (sample.labels[0] == VOID).all()
    return sample
