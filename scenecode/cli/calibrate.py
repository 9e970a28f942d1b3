"""``scenecode calibrate``: the camera of a video, from a calibration board or from its motion."""

import argparse
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import cv2
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from scenecode.core.atomic_write import write_bytes
from scenecode.core.console import make_console
from scenecode.core.errors import CalibrationError, ConfigError, ResultError
from scenecode.slam.calibration import pictures
from scenecode.slam.calibration.boards.board import BOARD_FORMS, KINDS, parse_board
from scenecode.slam.calibration.boards.calibration import calibrate_board
from scenecode.slam.calibration.boards.recognition import recognised_board
from scenecode.slam.calibration.recording import as_recorded, calibrate_source
from scenecode.slam.calibration.result import NAMES, CalibratedCamera
from scenecode.slam.calibration.self_calibration import LARGEST_SIGMA
from scenecode.slam.sources import FORMS, SourceOptions, open_source

EXAMPLES = """examples:
  scenecode calibrate walk.mp4 --out walk          from the motion: walk/camera.yaml and pictures
  scenecode run walk.mp4 --calib walk/camera.yaml
  scenecode calibrate board.mp4 --out camera       a board that is shown is recognised
  scenecode calibrate 0 --board charuco --frames 300 --out camera
  scenecode calibrate board.mp4 --board checkerboard:9x6:0.025 --out camera
  scenecode calibrate 0 --board charuco:5x7:0.04:0.03:DICT_5X5_100 --frames 300 --out camera
  scenecode calibrate frames/ --board aprilgrid:6x6:0.088:0.3 --json

Without a board the camera must move sideways past things at different distances, and turn, for
some seconds; focal length (fx = fy), k1 and k2 follow, with standard deviations."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode calibrate``."""
    parser.add_argument("source", metavar="SOURCE", help=FORMS)
    parser.add_argument("--board", metavar="BOARD", default="auto",
                        help="auto (default): a board that is seen is recognised, else the motion "
                        f"tells; none: the motion only; {', '.join(KINDS)}: a board of this kind "
                        f"of any size; or its size: {BOARD_FORMS}")
    parser.add_argument("--frames", type=int, default=500, metavar="N",
                        help="frames that are looked at, at most (default %(default)s)")
    parser.add_argument("--stride", type=int, default=1, metavar="N",
                        help="take every N-th image")
    parser.add_argument("--out", metavar="DIR",
                        help="write camera.yaml, and pictures of coverage, residuals and the "
                        "straightened grid, to this folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode calibrate``; returns the exit status."""
    board = parse_board(args.board) if ":" in args.board else None
    if board is None and args.board not in ("auto", "none", *KINDS):
        raise ConfigError(f"--board '{args.board}': give auto, none, {', '.join(KINDS)}, "
                          f"{BOARD_FORMS}")
    options = SourceOptions(width=640, height=480, max_frames=args.frames, stride=args.stride)
    with closing(open_source(args.source, options)) as source, \
            as_recorded(source, options) as recorded, _progress(recorded.length) as (bar, task):
        def advance(count: int) -> None:
            bar.update(task, completed=count)

        def state(step: str) -> None:
            bar.update(task, description=step)

        if board is None and args.board != "none":
            state("looking for a board")
            kinds = KINDS if args.board == "auto" else (args.board,)
            board = recognised_board(recorded, recorded.length, kinds)
            if board is None and args.board != "auto":
                raise CalibrationError(
                    f"{source.name}: no {args.board} is recognised; show it whole, flat, sharp "
                    f"and large, or state its size by --board {args.board}:...")
        if board is not None:
            state(str(board))
            result = calibrate_board(recorded, board, advance)
        else:
            state("frames")
            result = calibrate_source(recorded, advance, state)
    if args.out is not None:
        _write(result, Path(args.out))
    if args.json:
        print(json.dumps(result.as_json()))
    else:
        _print(result, args.out)
    relative = result.std["fx"] / result.camera.fx
    if relative > LARGEST_SIGMA:
        raise CalibrationError(
            f"{source.name}: the focal length is known to {100 * relative:.0f} % only; the motion "
            "does not tell it: walk sideways past things at different distances, and turn")
    return 0


@contextmanager
def _progress(total: int | None) -> Iterator[tuple[Progress, Any]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=make_console(stderr=True)) as progress:
        yield progress, progress.add_task("frames", total=total)


def _write(result: CalibratedCamera, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        result.write(folder / "camera.yaml")
        for name, draw in (("coverage", pictures.coverage), ("residuals", pictures.residuals),
                           ("grid", pictures.straightened_grid)):
            write_bytes(folder / f"{name}.png", cv2.imencode(".png", draw(result))[1].tobytes())
    except OSError as error:
        raise ResultError(f"{folder}: {error.strerror or error}; choose another --out") from error


def _print(result: CalibratedCamera, out: str | None) -> None:
    table = Table(title="camera" if out is None else f"camera in {out}")
    for column in ("", "value", "std"):
        table.add_column(column)
    for name in NAMES:
        std = result.std[name]
        table.add_row(name, f"{result.values[name]:.5g}", f"{std:.2g}" if std else "fixed")
    table.add_row("rms", f"{result.rms:.3g} px", "")
    table.add_row("coverage", f"{100 * result.coverage:.0f} % of the image", "")
    table.add_row("from", result.method, "")
    make_console().print(table)
