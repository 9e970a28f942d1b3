import pytest
import torch
from support.numbered import Numbered

from scenecode.core.errors import DataError
from scenecode.networks.classes import NYU13, VOID, ClassSet
from scenecode.networks.data.relabelled import with_classes

FEW = ClassSet(("wall", "floor", "door"), ((1, 0, 0), (2, 0, 0), (3, 0, 0)))


def test_labels_are_matched_by_name_and_the_rest_is_void():
    plain = Numbered(13)
    seen = with_classes(plain, FEW)
    assert len(seen) == 13 and seen.classes == FEW
    expected = {NYU13.names.index("wall"): 0, NYU13.names.index("floor"): 1}
    for i in range(13):
        assert seen[i].labels.unique().tolist() == [expected.get(i, VOID)]
        assert torch.equal(seen[i].depth, plain[i].depth)


def test_equal_classes_change_nothing():
    data = Numbered(3)
    assert with_classes(data, NYU13) is data and with_classes(data, None) is data


def test_label_sets_with_nothing_in_common_are_refused():
    with pytest.raises(DataError, match="none of the classes door is in a data set.*leave that"):
        with_classes(Numbered(3), ClassSet(("door",), ((0, 0, 0),)))
