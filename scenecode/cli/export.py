"""``scenecode export``: a map file as a result folder."""

import argparse

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scenecode.cli.map_network import add_network_arguments
from scenecode.core.console import escape, make_console
from scenecode.slam.output.map_export import write_result
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.output.saved_map import open_saved

EXAMPLES = """examples:
  scenecode export kitchen.map --out kitchen            as if 'run --out kitchen' had written it
  scenecode export kitchen.map --out kitchen && scenecode view kitchen
  scenecode export old.map --out old --model my.safetensors   where the weights are now

Depth, labels and points are computed again from the images and codes in the map, by the network
that made it.  Several sessions follow each other in time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode export``."""
    parser.add_argument("file", metavar="FILE", help="a map file, which run --map writes")
    parser.add_argument("--out", metavar="DIR", required=True, help="the result folder")
    add_network_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode export``; returns the exit status."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())
    with Progress(*columns, console=make_console(stderr=True)) as progress:
        task = progress.add_task("keyframes", total=None)
        saved = open_saved(args.file, model=args.model, device=args.device,
                           progress=lambda done, total: progress.update(
                               task, completed=done, total=total))
    folder = ResultFolder.create(args.out, saved.classes, saved.config)
    try:
        write_result(saved, folder)
    finally:
        folder.close()
    make_console().print(f"{escape(args.out)}: {len(saved.keyframes)} keyframes, "
                         f"{saved.report['frames']} frames")
    return 0
