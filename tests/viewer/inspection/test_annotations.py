"""Measures, marks and colours are kept beside the map."""

import pytest

from scenecode.core.errors import ResultError
from scenecode.viewer.inspection.annotations import AnnotationBook, annotations_path


def test_what_was_added_is_there_again(tmp_path):
    path = annotations_path(tmp_path)
    book = AnnotationBook(path)
    book.add_measure("distance", "", 1.5, "m", [[0, 0, 0], [1.5, 0, 0]])
    book.add_measure("area", "the rug", 2.0, "m2", [[0, 0, 0]])
    book.rename_measure(1, "door")
    book.add_mark(30, 1.0, "turned")
    book.set_colour("wall", [1, 2, 3])
    again = AnnotationBook(path).current
    assert [m.name for m in again.measures] == ["door", "the rug"]
    assert again.marks[0].note == "turned" and again.colours == {"wall": [1, 2, 3]}
    book.remove_measure(1)
    book.set_colour("wall", None)
    assert AnnotationBook(path).current.measures == again.measures[1:]
    assert AnnotationBook(path).current.colours == {}


def test_a_map_file_has_its_annotations_beside_it(tmp_path):
    assert annotations_path(tmp_path / "home.map").name == "home.map.annotations.json"


def test_without_a_file_nothing_is_written(tmp_path):
    AnnotationBook().add_mark(0, 0.0, "x")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("text", [
    "{", "[]", '{"measures": [{"a": 1}], "marks": [], "colours": {}}'])
def test_a_damaged_file_is_an_error_with_a_cure(tmp_path, text):
    path = annotations_path(tmp_path)
    path.write_text(text)
    with pytest.raises(ResultError, match="remove it"):
        AnnotationBook(path)
