"""Text files of all editors are read."""

import pytest

from scenecode.core.text_file import read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_marks_and_line_ends_are_read_over(tmp_path, encoding, end):
    path = tmp_path / "list.txt"
    path.write_bytes(f"1 bücher{end}2 本{end}".encode(encoding))
    assert read_text(path) == "1 bücher\n2 本\n"


def test_what_is_no_text_raises(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(b"\x89PNG\xff\xd8")
    with pytest.raises(UnicodeDecodeError):
        read_text(path)
