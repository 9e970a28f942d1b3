"""``scenecode map``: what is in a map file, whether it is whole, parts and unions."""

import argparse
import json
from math import isfinite
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from scenecode.cli.map_network import add_network_arguments
from scenecode.core.console import make_console
from scenecode.core.errors import ConfigError, ResultError
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile import editing, merging
from scenecode.slam.mapfile.editing import Selection
from scenecode.slam.mapfile.network import map_config, map_network
from scenecode.slam.mapfile.storage import reading
from scenecode.slam.mapfile.storage.database import size_on_disk
from scenecode.slam.mapfile.storage.writing import write_map
from scenecode.slam.mapfile.summary import summarise

INFO_EXAMPLES = """examples:
  scenecode map info kitchen.map          keyframes, frames, loops, size, sessions
  scenecode map info kitchen.map --json   the same for scripts"""
CHECK_EXAMPLES = """examples:
  scenecode map check kitchen.map && cp kitchen.map /backup/

Reads everything and compares it with its checksums and rules; ends with status 1 and the reason
when anything is wrong.  The file is not changed."""
COMPACT_EXAMPLES = """examples:
  scenecode map compact kitchen.map

Every keyframe and frame stays; unused pages, and what belongs to no keyframe any more, go."""
CUT_EXAMPLES = """examples:
  scenecode map cut kitchen.map --keyframes 0-40,55 --out table.map
  scenecode map cut kitchen.map --time 12.5:60 --out minute.map     seconds of the source
  scenecode map cut house.map --near 1.0,0.2,3.5,2.0 --out room.map  within 2 m of a place
  scenecode map cut kitchen.map --sessions 1 --out today.map

Several conditions select the keyframes that meet all of them.  World frame and numbers stay.
'scenecode map info' lists the sessions; keyframes.txt of 'scenecode export' has times and
places."""

MERGE_EXAMPLES = """examples:
  scenecode map merge kitchen.map hall.map --out flat.map

Both maps must show one place in part.  Places of the second that are recognised in the first say
how it lies in the first one's world frame; loops are closed between both.  Sessions and frames of
both are kept."""


def add_info_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode map info``."""
    _add_file(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode map check``."""
    _add_file(parser)


def add_compact_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode map compact``."""
    _add_file(parser)


def add_cut_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode map cut``."""
    _add_file(parser)
    parser.add_argument("--out", metavar="FILE", required=True, help="the new map file")
    parser.add_argument("--keyframes", type=_numbers, metavar="N-M,...", help="by number")
    parser.add_argument("--sessions", type=_numbers, metavar="N,...", help="made in these runs")
    parser.add_argument("--time", type=_span, metavar="FROM:TO",
                        help="taken in this span, seconds; either end may be left out")
    parser.add_argument("--near", type=_place, metavar="X,Y,Z,RADIUS",
                        help="taken within a distance of a place, metres in the map's world")


def add_merge_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode map merge``."""
    parser.add_argument("file", metavar="A", help="a map file, whose world frame stays")
    parser.add_argument("second", metavar="B", help="another, of the same network")
    parser.add_argument("--out", metavar="FILE", required=True, help="the new map file")
    add_network_arguments(parser)


def info(args: argparse.Namespace) -> int:
    """Run ``scenecode map info``; returns the exit status."""
    summary = summarise(args.file)
    if args.json:
        print(json.dumps(summary, indent=1))
        return 0
    table = Table(show_header=False, title=args.file)
    for name, value in summary.items():
        if name not in ("classes", "sessions"):
            table.add_row(name, str(value))
    table.add_row("classes", ", ".join(summary["classes"]))
    for number, session in enumerate(summary["sessions"]):
        table.add_row(f"session {number}", f"{session['source']}, {session['started']}: "
                      f"{session['frames']} frames, {session['keyframes']} keyframes")
    make_console().print(table)
    return 0


def check(args: argparse.Namespace) -> int:
    """Run ``scenecode map check``; returns the exit status."""
    stored = reading.check(args.file)
    print(f"{args.file}: whole, {len(stored.keyframes)} keyframes and {stored.num_frames} frames")
    return 0


def compact(args: argparse.Namespace) -> int:
    """Run ``scenecode map compact``; returns the exit status."""
    before = size_on_disk(Path(args.file))
    editing.compact(args.file)
    print(f"{args.file}: {before} bytes before, {size_on_disk(Path(args.file))} now")
    return 0


def cut(args: argparse.Namespace) -> int:
    """Run ``scenecode map cut``; returns the exit status."""
    selection = Selection(keyframes=args.keyframes, sessions=args.sessions, time=args.time,
                          near=args.near)
    if selection == Selection():
        raise ConfigError("say which part of the map is wanted: --keyframes, --sessions, --time "
                          "or --near")
    _require_new(args.out)
    stored = reading.load(args.file)
    numbers = selection.numbers(stored)
    if not numbers:
        raise ResultError(f"no keyframe of {args.file} meets these conditions; 'scenecode map "
                          "info' and 'scenecode export' show what there is")
    part = editing.cut(stored, numbers)
    write_map(args.out, part)
    print(f"{args.out}: {len(part.keyframes)} of {len(stored.keyframes)} keyframes, "
          f"{part.num_frames} of {stored.num_frames} frames")
    return 0


def merge(args: argparse.Namespace) -> int:
    """Run ``scenecode map merge``; returns the exit status."""
    _require_new(args.out)
    first, second = reading.load(args.file), reading.load(args.second)
    editing.require_joinable(first, second, (args.file, args.second))
    predictor = map_network(first.meta, args.file, args.model, args.device)
    config = map_config(first.meta, args.file, args.device)
    memory = WorkingMemory(predictor, config.device)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())
    with Progress(*columns, console=make_console(stderr=True)) as progress:
        task = progress.add_task("keyframes searched", total=len(second.keyframes))
        merged = merging.merge(first, second, (args.file, args.second), memory, config,
                               lambda: progress.advance(task))
    write_map(args.out, merged)
    print(f"{args.out}: {len(merged.keyframes)} keyframes, {merged.num_frames} frames, "
          f"{len(merged.loops)} loops")
    return 0


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a map file, which run --map writes")


def _require_new(out: str) -> None:
    if Path(out).exists():
        raise ResultError(f"{out} exists already; give another --out")


def _numbers(text: str) -> frozenset[int]:
    numbers: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            start, end = int(first), int(last or first)
            if not 0 <= end - start <= 10 ** 7:
                raise ValueError
            numbers |= set(range(start, end + 1))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' must be numbers and ranges, as 0-40,55"
                                         ) from error
    return frozenset(numbers)


def _span(text: str) -> tuple[float, float]:
    first, colon, last = text.partition(":")
    try:
        start, end = float(first or "-inf"), float(last or "inf")
        if not colon or not start <= end:
            raise ValueError
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' must be two rising times in seconds, as "
                                         "12.5:60") from error
    return start, end


def _place(text: str) -> tuple[float, float, float, float]:
    try:
        x, y, z, radius = (float(part) for part in text.split(","))
        if not isfinite(x + y + z) or not radius > 0:
            raise ValueError
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' must be four numbers of metres, X,Y,Z,RADIUS"
                                         ) from error
    return x, y, z, radius
