"""``scenecode export``: a map in the files of other programs, or as a result folder."""

import argparse
from collections.abc import Callable
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scenecode.cli.map_network import add_network_arguments
from scenecode.core.console import make_console
from scenecode.core.errors import ConfigError, ResultError
from scenecode.slam.exports.export import export, require_exportable
from scenecode.slam.exports.formats import FORMATS
from scenecode.slam.exports.options import COLOURS, ExportOptions
from scenecode.slam.mapfile.network import map_config, map_network
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.output.map_export import write_result
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.output.saved_map import open_saved, saved_map

_FORMAT_LINES = "\n".join(f"  {name:<16} {entry.summary}" for name, entry in FORMATS.items())

EXAMPLES = f"""examples:
  scenecode export kitchen.map --out kitchen            as if 'run --out kitchen' had written it
  scenecode export kitchen.map --format ply --probabilities --out kitchen.ply
  scenecode export kitchen --format tum --out path.txt  of a result folder
  scenecode export old.map --format colmap --out old --model my.safetensors

formats:
{_FORMAT_LINES}

Units are metres and seconds.  The world frame is that of the first camera, as the page of 'view'
shows it: x to the right, y down, z ahead; poses are T_world_cam, cameras look along +z with +y
down.  Exceptions, which the formats demand: colmap has T_cam_world; nerfstudio's cameras look
along -z with +y up; floorplan and polygons-geojson have x to the right, y ahead, z up from the
floor; glb and polygons-glb have y up.  docs/export.md has the details.

Of a map file, depth, labels and points are computed again by the network that made it.  Several
sessions follow each other in time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode export``."""
    parser.add_argument("path", metavar="PATH",
                        help="a map file, which run --map writes, or the --out folder of a run")
    parser.add_argument("--out", metavar="PATH", required=True,
                        help="the file or folder to be made")
    parser.add_argument("--format", metavar="NAME",
                        help="one of those below (default: a result folder)")
    parser.add_argument("--probabilities", action="store_true",
                        help="ply of a map file: the probability of every class at every point")
    parser.add_argument("--colours", choices=COLOURS, default=ExportOptions.colours,
                        help="glb, polygons-glb and obj: of classes, or as in the images "
                        "(default %(default)s)")
    parser.add_argument("--resolution", metavar="METRES", type=float,
                        default=ExportOptions.resolution,
                        help="floorplan: edge of a cell (default %(default)s)")
    add_network_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode export``; returns the exit status."""
    if args.format is None:
        _export_result(args)
    else:
        _export(args)
    return 0


def _export(args: argparse.Namespace) -> None:
    chosen = require_exportable(args.format, args.out)
    options = _options(args)
    with _progress() as progress:
        saved = open_saved(args.path, model=args.model, device=args.device, dense=chosen.is_dense,
                           progress=_reporter(progress, "keyframes computed"))
        export(saved, args.format, args.out, options,
               _reporter(progress, "keyframes exported"))
    make_console().print(f"{args.out}: {args.format} of {len(saved.keyframes)} keyframes, "
                         f"{len(saved.trajectory)} frames")


def _export_result(args: argparse.Namespace) -> None:
    if Path(args.path).is_dir():
        raise ResultError(f"{args.path} is a folder, and without --format an export makes a "
                          "result folder of a map file; give a map file, or a --format, one of "
                          f"{', '.join(FORMATS)}")
    stored = load(args.path)
    predictor = map_network(stored.meta, args.path, args.model, args.device)
    config = map_config(stored.meta, args.path, args.device)
    # before what takes long
    folder = ResultFolder.create(args.out, stored.meta.classes, stored.meta.config)
    try:
        with _progress() as progress:
            saved = saved_map(stored, Path(args.path), predictor, config,
                              _reporter(progress, "keyframes computed"))
        write_result(saved, folder)
    finally:
        folder.close()
    make_console().print(f"{args.out}: {len(saved.keyframes)} keyframes, "
                         f"{saved.report['frames']} frames")


def _options(args: argparse.Namespace) -> ExportOptions:
    if args.probabilities and args.format != "ply":
        raise ConfigError(f"--probabilities is for --format ply; {args.format} "
                          + ("has them anyway" if args.format == "npz" else "cannot hold them"))
    if not 0.001 <= args.resolution <= 10:
        raise ConfigError(f"--resolution {args.resolution:g} must be between 0.001 and 10 metres")
    return ExportOptions(probabilities=args.probabilities, colours=args.colours,
                         resolution=args.resolution)


def _progress() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                    TimeRemainingColumn(), console=make_console(stderr=True))


def _reporter(progress: Progress, description: str) -> Callable[[int, int], None]:
    """A function that shows the keyframes that are done, and the number of all, from its first
    call on."""
    tasks: list = []

    def report(done: int, total: int) -> None:
        if not tasks:
            tasks.append(progress.add_task(description, total=total))
        progress.update(tasks[0], completed=done)

    return report
