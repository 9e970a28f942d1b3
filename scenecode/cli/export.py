"""``scenecode export``: a map file as a result folder."""

import argparse

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scenecode.cli.map_network import add_network_arguments, config_of, network_of
from scenecode.core.console import escape, make_console
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.output.map_export import export_map
from scenecode.slam.output.result_folder import ResultFolder

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
    stored = load(args.file)
    meta = stored.meta
    predictor = network_of(meta, args.file, args)
    config = config_of(meta, args.file, args)
    folder = ResultFolder.create(args.out, meta.classes, meta.config)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())
    try:
        with Progress(*columns, console=make_console(stderr=True)) as progress:
            task = progress.add_task("keyframes", total=len(stored.keyframes))
            export_map(stored, predictor, config, folder, lambda: progress.advance(task))
    finally:
        folder.close()
    make_console().print(f"{escape(args.out)}: {len(stored.keyframes)} keyframes, "
                         f"{stored.num_frames} frames")
    return 0
