"""Output on the terminal that shows every name as it is, whatever the encoding of the stream."""

import sys

from rich.console import Console
from rich.markup import escape

__all__ = ["escape", "make_console", "tolerate_any_text"]


def tolerate_any_text() -> None:
    """Let standard output show what it can: a character that its encoding lacks is written as
    an escape (``\\u53f0``) instead of raising ``UnicodeEncodeError``.

    Standard error does so already.  Python sets this up by environment and platform: redirected
    output on Windows is cp1252, ``LC_ALL=C`` is ASCII, and names of files that are not UTF-8 hold
    lone surrogates that no encoding has.
    """
    # tests and notebooks put other objects there
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def make_console(stderr: bool = False) -> Console:
    """A console for standard output or standard error, safe for any text.

    It reads no markup and no emoji codes, so that names of files are shown as they are:
    ``run[left]``, ``a[/b]``, ``12:30:00``.  Style is given by ``style=`` or ``rich.text.Text``.
    Parts of rich that parse markup whatever the console says (``console.status``,
    ``rich.progress.TextColumn``) need ``escape(name)``.
    """
    tolerate_any_text()
    return Console(stderr=stderr, markup=False, emoji=False)
