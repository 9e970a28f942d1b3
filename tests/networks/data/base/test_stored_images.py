import numpy as np
import pytest

from scenecode.networks.classes import CAMVID_11, CITYSCAPES_19, NYU13, NYU_40, STANFORD_13
from scenecode.networks.data.base.stored_images import resample_sparse
from scenecode.networks.data.base.translation import TABLES, class_names


def test_shrinking_keeps_single_measurements():
    """Of two in a cell the nearer one; none is lost and none is invented."""
    depth = np.zeros((8, 8), np.float32)
    depth[1, 1], depth[2, 3], depth[7, 7] = 9, 4, 30
    assert resample_sparse(depth, (0, 0, 8, 8), 2, 2).tolist() == [[4, 0], [0, 30]]
    assert resample_sparse(depth, (1, 1, 2, 2), 2, 2).tolist() == [[9, 0], [0, 0]]


@pytest.mark.parametrize("source, target, table", TABLES)
def test_tables_name_classes_that_there_are(source, target, table):
    assert set(table) <= set(source.names)
    assert set(table.values()) <= {None, *target.names}


def test_counterparts_of_classes():
    def of(source, target, name):
        return class_names(source, target)[source.names.index(name)]

    assert of(CITYSCAPES_19, CAMVID_11, "vegetation") == "tree"
    assert of(CAMVID_11, CITYSCAPES_19, "tree") == "vegetation"
    # a rider and a bicycle are two classes there
    assert of(CAMVID_11, CITYSCAPES_19, "bicyclist") is None
    assert of(NYU_40, NYU13, "television") == "tv"
    assert of(NYU_40, NYU13, "dresser") == "furniture"
    assert of(STANFORD_13, NYU13, "door") == "wall"
    assert of(NYU13, STANFORD_13, "objects") is None
