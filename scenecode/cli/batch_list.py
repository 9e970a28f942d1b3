"""The list of ``scenecode batch``: one recording a line, as one would type it after
``scenecode run``."""

import argparse
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from scenecode.cli.config import requested_config
from scenecode.cli.run import add_run_arguments, require_consistent
from scenecode.core.errors import ConfigError
from scenecode.core.text_file import read_text
from scenecode.slam.benchmarks.sequences import file_stem


@dataclass(frozen=True)
class Entry:
    """One recording of a list."""

    #: of its result folder
    name: str
    #: the words after ``scenecode run``
    arguments: tuple[str, ...]


class _LineParser(argparse.ArgumentParser):
    """Raises ``ConfigError`` where a command line would end the program."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of one recording, as ``scenecode run`` has them, and ``name``.

    Raises ``ConfigError`` for what ``run`` does not know or refuses, and for ``--out`` and
    ``--view``.
    """
    parser = _LineParser(add_help=False)
    add_run_arguments(parser)
    parser.add_argument("--name")
    args = parser.parse_args(list(arguments))
    if args.out is not None:
        raise ConfigError("--out is for scenecode run; here results go to DIR/NAME, choose the "
                          "name by --name")
    if args.view:
        raise ConfigError("--view is for scenecode run; look at a result by scenecode view "
                          "DIR/NAME")
    require_consistent(args)
    requested_config(args)  # wrong settings are an error here
    return args


def read_list(path: str | Path, each: str = "") -> list[Entry]:
    """The recordings of a text file: SOURCE and options of ``scenecode run`` a line, quotes around
    names with blanks, lines that start with # left out.  ``each`` is put before every line.

    Without ``--name`` a recording is called by the end of its source.  Raises ``ConfigError``,
    with the line, for what cannot be read, and for two recordings of one name or that would write
    one map file.
    """
    path = Path(path)
    try:
        lines = read_text(path, "surrogateescape").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); give a text file with one "
                          "recording a line, SOURCE [options of scenecode run]") from error
    entries = []
    maps: dict[Path, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            arguments = (*_words(each), *_words(line))
            args = parse_arguments(arguments)
        except (ValueError, ConfigError) as error:
            raise ConfigError(f"{path}, line {number}: {error}") from error
        if args.map is not None and not args.localise:
            first = maps.setdefault(Path(args.map).resolve(), number)
            if first != number:
                raise ConfigError(f"{path}, line {number}: the map {args.map} is written by line "
                                  f"{first}, too; give each its own, and join them by 'scenecode "
                                  "map merge'")
        entries.append(Entry(file_stem(args.name or _end_of(args.source)), arguments))
    if not entries:
        raise ConfigError(f"{path}: lists no recording; write one a line, SOURCE [options of "
                          "scenecode run]")
    # file systems of some machines do not distinguish case
    counts = Counter(entry.name.casefold() for entry in entries)
    doubles = sorted({entry.name for entry in entries if counts[entry.name.casefold()] > 1})
    if doubles:
        raise ConfigError(f"{path}: several recordings would be called {', '.join(doubles)}; add "
                          "--name NAME to their lines")
    return entries


def _words(line: str) -> list[str]:
    """Separated by blanks unless in quotes; a backslash is a plain character, as in paths of
    Windows.  Raises ``ValueError`` for a quote that is not closed."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    return list(lexer)


def _end_of(source: str) -> str:
    return Path(source).name or source
