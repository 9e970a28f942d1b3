import numpy as np
import pytest
import yaml

from scenecode.core.errors import DataError
from scenecode.networks.classes import (
    CAMVID_11,
    CITYSCAPES_19,
    CITYSCAPES_CATEGORIES,
    CITYSCAPES_CATEGORY_OF_CLASS,
    CITYSCAPES_LABEL_IDS,
    NYU13,
    NYU_40,
    STANFORD_13,
    SUNRGBD_37,
    VOID,
    load_classes,
)

ENTRIES = [{"id": 1, "name": "door", "colour": [0, 9, 255]},
           {"id": 0, "name": "wall", "colour": [249, 139, 0]}]


def test_a_label_file_gives_ids_names_and_colours(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text(yaml.safe_dump(ENTRIES))
    classes = load_classes(path)
    assert classes.names == ("wall", "door")
    painted = classes.paint(np.array([[0, 1, VOID]], np.uint8))
    assert painted.tolist() == [[[249, 139, 0], [0, 9, 255], [0, 0, 0]]]


def test_the_label_file_of_a_class_set_gives_it_back(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text(yaml.safe_dump(NYU13.to_json()))
    assert load_classes(path) == NYU13


@pytest.mark.parametrize("text, message", [
    ("[", "not valid YAML"),
    ("names: [a]", "must be a list with one"),
    ("[a, b]", "must be a list with one"),
    ("[]", "0 class names"),
    ("[{id: 0, name: a}]", "needs id, name and colour.*'colour'"),
    ("[{id: 1, name: a, colour: [0, 0, 0]}]", "ids must be 0..0 without gaps"),
    ("[{id: 0, name: a, colour: [0, 0]}]", "three numbers of 0..255"),
    ("[{id: 0, name: a, colour: [0, 0, 256]}]", "three numbers of 0..255"),
    ("[{id: 0, name: a, colour: red}]", "needs id, name and colour"),
    ("[{id: 0, name: 7, colour: [0, 0, 0]}]", "names must be text"),
    ("[{id: 0, name: a, colour: [0, 0, 0]}, {id: 1, name: a, colour: [1, 0, 0]}]",
     "names must differ"),
])
def test_a_label_file_that_breaks_a_rule_is_named(tmp_path, text, message):
    path = tmp_path / "classes.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=f"classes.yaml: .*{message}"):
        load_classes(path)


def test_a_missing_label_file_is_named(tmp_path):
    with pytest.raises(DataError, match="gone.yaml: cannot read the label set.*check the path"):
        load_classes(tmp_path / "gone.yaml")


@pytest.mark.parametrize("classes, count", [
    (NYU_40, 40), (SUNRGBD_37, 37), (STANFORD_13, 13), (CITYSCAPES_19, 19), (CAMVID_11, 11)])
def test_the_classes_of_a_data_set_are_told_apart_by_name_and_colour(classes, count):
    assert len(classes) == count
    # void is black
    assert len({(0, 0, 0), *classes.colours}) == count + 1


def test_cityscapes_tables_agree_with_its_classes():
    assert len(CITYSCAPES_LABEL_IDS) == len(CITYSCAPES_CATEGORY_OF_CLASS) == len(CITYSCAPES_19)
    of = dict(zip(CITYSCAPES_19.names, CITYSCAPES_CATEGORY_OF_CLASS))
    assert [CITYSCAPES_CATEGORIES[of[name]] for name in ("road", "pole", "terrain", "rider")] \
        == ["flat", "object", "nature", "human"]
