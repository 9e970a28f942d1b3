import subprocess
import sys

import pytest
from rich.table import Table

from scenecode.core.console import escape, make_console

AWKWARD_NAMES = ("run[left]", "a[/left]", "12:30:00", "at :smile: home", r"back\[slash")


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_names_are_shown_as_they_are(name, capsys):
    console = make_console()
    console.print(f"result in {name}")
    table = Table(title=name)
    table.add_row(name)
    console.print(table)
    assert capsys.readouterr().out.count(name) == 3


@pytest.mark.parametrize("name", AWKWARD_NAMES[:2])
def test_escaped_names_survive_where_markup_is_always_parsed(name, capsys):
    console = make_console(stderr=True)
    with console.status(escape(name)) as status:
        assert str(status.renderable.text) == name


def test_standard_error_is_another_stream(capsys):
    make_console(stderr=True).print("words")
    assert capsys.readouterr() == ("", "words\n")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_text_that_the_encoding_lacks_is_escaped(encoding):
    # kanji, and a lone surrogate as in a file name that is not UTF-8
    code = ("from scenecode.core.console import make_console\n"
            "make_console().print('before \\u53f0\\u6240 \\udcfc after')\n"
            "print('plain \\u53f0 \\udcfc')\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True,
                          env={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding)
    assert "before" in text and "after" in text and "\\udcfc" in text
    assert ("\u53f0" if encoding == "utf-8" else "\\u53f0") in text
