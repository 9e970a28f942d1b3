"""``scenecode run`` and ``scenecode demo``: the system on a source, with progress and a report."""

import argparse
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from scenecode.cli.config import add_setting_arguments, resolved_config
from scenecode.cli.networks.fitting import warn_of_surroundings
from scenecode.cli.polygon_files import require_polygons_possible, write_polygon_files
from scenecode.core.console import escape, make_console
from scenecode.core.errors import ConfigError, ScenecodeError, SourceError
from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.prediction import Predictor
from scenecode.slam.calibration.opening import open_calibrated
from scenecode.slam.config.slam_config import DEFAULT_MODEL, SlamConfig
from scenecode.slam.frame_placement import Placed
from scenecode.slam.mapfile.storage.database import require_header
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.snapshot import Snapshot
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.slam.runtime.run_control import RunControl
from scenecode.slam.sources import FORMS, SourceOptions, open_source
from scenecode.slam.sources.base.source import ContinuedSource, Source
from scenecode.slam.sources.calibration.intrinsics import parse_intrinsics
from scenecode.slam.sources.known_truth import KnownTruth
from scenecode.slam.system import System
from scenecode.slam.tracking.tracker import TrackedFrame
from scenecode.viewer.address import add_page_arguments, open_browser

DEMO_EXAMPLES = """examples:
  scenecode demo                      a walk through a built-in room, with errors against truth
  scenecode demo --view               the same, live in the browser
  scenecode demo --seed 5 --out out   another room, results kept in out/
  scenecode demo --street --out out   a drive, and its map as labelled polygons"""
RUN_EXAMPLES = """examples:
  scenecode run 0 --view                                  webcam, live in the browser
  scenecode run rtsp://camera/stream --view               network camera
  scenecode run video.mp4 --intrinsics 525,525,320,240 --out result
  scenecode run 0 --view --map home.map                   keep the map; the next day, continue it
  scenecode run 0 --map home.map --localise               where is the camera in it?
  scenecode run 0 --map home.map --model new.safetensors --recode   go on with another network
  scenecode run frames/ --calib camera.yaml --out result  folder of images
  scenecode run rgbd_dataset_freiburg1_desk --sequential  TUM RGB-D folder
  scenecode run rooms:7 --out result                      built-in room number 7
  scenecode run 0 --view --model DEPTH+LABELS             two networks; 'scenecode models' lists
  scenecode run drive/ --out result --map-form polygons   also as labelled planar polygons
  scenecode run drive/ --model NAME --dynamic mask        without people and vehicles"""

#: Width and height of the images of the street, and frames of either demo.
STREET_SIZE = (416, 128)
WALK_FRAMES, DRIVE_FRAMES = 150, 100
#: Rows of the printed report that are lists: their length is shown.
_COUNTED = ("lost_spans", "unusable")


def add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode demo``."""
    parser.add_argument("--street", action="store_true",
                        help="drive through a built-in street instead; with --out the map also "
                        "becomes labelled polygons")
    parser.add_argument("--seed", type=int, default=7,
                        help="number of the room or street (default %(default)s)")
    parser.add_argument("--frames", type=int,
                        help=f"length of the walk at 30 frames a second (default {WALK_FRAMES}), "
                        f"or of the drive at 10 (default {DRIVE_FRAMES})")
    _add_common_arguments(parser)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode run``."""
    parser.add_argument("source", metavar="SOURCE", help=FORMS)
    parser.add_argument("--intrinsics", type=_intrinsics, metavar="fx,fy,cx,cy[,k1,k2,p1,p2[,k3]]",
                        help="of the original images, in pixels")
    parser.add_argument("--calib", metavar="FILE", help="calibration file")
    parser.add_argument("--lens", choices=("measure", "as-given"), default="measure",
                        help="whether focal length and distortion are measured from the motion "
                        "first, where they are not given (a live camera's within 15 seconds); "
                        "as-given guesses a field of view instead (default %(default)s)")
    parser.add_argument("--fps", type=float, help="frames per second of images without stamps")
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="take every N-th image")
    parser.add_argument("--depth-scale", type=float, metavar="N", help="stored steps of one metre "
                        "of true depth (default: what the folder states, else its layout's)")
    parser.add_argument("--camera-height", type=float, metavar="METRES", help="of a level camera "
                        "over the ground, as on a car: sets the scale of the map (default: what "
                        "the data set states, else the network's scale)")
    _add_common_arguments(parser)


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", help="keep the results in this folder")
    parser.add_argument("--map", metavar="FILE", help="keep the map in this file; if it exists, "
                        "find the camera in it and continue it")
    parser.add_argument("--localise", action="store_true",
                        help="only track in the --map FILE and leave it as it is")
    parser.add_argument("--recode", action="store_true",
                        help="compute the codes of a --map FILE of another network anew; its "
                        "poses and depths stay")
    parser.add_argument("--map-form", choices=("points", "polygons"), default="points",
                        help="polygons: also write the map as labelled planar polygons "
                        "(polygons.glb, .ply, .geojson, .png) to --out, at the end")
    parser.add_argument("--view", action="store_true", help="show the map live in the browser")
    add_page_arguments(parser)
    parser.add_argument("--sequential", action="store_true",
                        help="track and map in turn: every frame, reproducible, not live")
    parser.add_argument("--max-frames", type=int, metavar="N", help="stop after N frames")
    add_setting_arguments(parser)


def _intrinsics(text: str) -> tuple[float, ...]:
    try:
        return parse_intrinsics(text)
    except ScenecodeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def demo(args: argparse.Namespace) -> int:
    """Run ``scenecode demo``; returns the exit status."""
    _require_usable(args)
    config = resolved_config(args)
    if not args.view:
        args.sequential = True
    if args.street:
        return _demo_street(args, config)
    options = SourceOptions(width=config.width, height=config.height, max_frames=args.max_frames)
    spec = f"rooms:{args.seed}:{args.frames or WALK_FRAMES}"
    warn_of_surroundings(config, spec)
    return _execute(args, config, open_source(spec, options))


def _demo_street(args: argparse.Namespace, config: SlamConfig) -> int:
    """The demo on a drive; without a ``--model`` the street's own depth and labels stand for the
    answers of a network."""
    if args.out is not None:
        args.map_form = "polygons"
        require_polygons_possible(args.out)
    is_truth = config.model == DEFAULT_MODEL
    if is_truth:
        width, height = STREET_SIZE
        # what is exact needs no views that agree
        fusion = replace(config.fusion, labels="none", refinement=replace(
            config.fusion.refinement, method="none"))
        config = replace(config, width=width, height=height, fusion=fusion)
    options = SourceOptions(width=config.width, height=config.height, max_frames=args.max_frames)
    spec = f"streets:{args.seed}:{args.frames or DRIVE_FRAMES}"
    source = open_source(spec, options)
    if not is_truth:
        return _execute(args, config, source)
    make_console(stderr=True).print(
        "no network is used: depth and labels are the street's own, camera poses are tracked; "
        "--model NAME uses a network")
    truth = KnownTruth(source, CITYSCAPES_19, config.width, config.height)
    return _execute(args, config, truth, truth)


def run(args: argparse.Namespace) -> int:
    """Run ``scenecode run``; returns the exit status."""
    _require_usable(args)
    config = resolved_config(args)
    with make_console(stderr=True).status("opening the source, measuring its camera if unknown"):
        source = open_requested(args, config)
    warn_of_surroundings(config, args.source)
    return _execute(args, config, source)


def open_requested(args: argparse.Namespace, config: SlamConfig) -> Source:
    """The source that the options of ``scenecode run`` name, its distortion undone."""
    options = SourceOptions(
        intrinsics=args.intrinsics, calib=args.calib, fps=args.fps, width=config.width,
        height=config.height, max_frames=args.max_frames, stride=args.stride,
        measure_lens=args.lens == "measure", depth_scale=args.depth_scale,
        camera_height=args.camera_height)
    return open_calibrated(args.source, options)


def require_consistent(args: argparse.Namespace) -> None:
    """Raise ``ConfigError`` for options about the map that do not go together."""
    if args.localise and args.map is None:
        raise ConfigError("--localise needs the map to localise in; add --map FILE")
    if args.recode and (args.map is None or args.localise):
        raise ConfigError("--recode rewrites the codes of a map; give --map FILE without "
                          "--localise")
    if args.map == "":
        raise ConfigError("--map has an empty name; give --map FILE")


def require_map_file(args: argparse.Namespace) -> None:
    """Raise ``ResultError`` for a ``--map`` that is no map file, before what takes long."""
    if args.map is not None and (args.localise or Path(args.map).exists()):
        require_header(Path(args.map))


def require_map(report: Mapping[str, Any]) -> None:
    """Raise ``SourceError`` for the report of a run that could not start a map."""
    if not report["keyframes"]:
        raise SourceError("no frame had enough contrast to start a map from; check the "
                          "camera's cover and exposure, or lower tracking.min_contrast")


def _require_usable(args: argparse.Namespace) -> None:
    require_consistent(args)
    if None not in (args.map, args.out) and Path(args.map).resolve() == Path(args.out).resolve():
        raise ConfigError(f"--map and --out are both {args.map}; one is a file, the other a "
                          "folder, give two names")
    require_map_file(args)
    if args.map_form == "polygons":
        require_polygons_possible(args.out)


def _execute(args: argparse.Namespace, config: SlamConfig, source: Source,
             predictor: Predictor | None = None) -> int:
    """Run the system on a source with the outputs that were requested, by a predictor or the
    network that the configuration names; print the report."""
    with ExitStack() as stack:
        stack.callback(source.close)
        page, mailbox, control = None, None, RunControl()
        if args.view:
            # the web server is needed for this only
            from scenecode.viewer.inspection.true_depth import TrueDepth
            from scenecode.viewer.live import serve
            from scenecode.viewer.replay import polygon_triangles
            from scenecode.viewer.web import WebViewer
            page = WebViewer(args.host, args.port, title=source.name, view_only=args.view_only,
                             controls=control, annotations=_annotations(args),
                             new_annotations=args.map is None,
                             polygons=polygon_triangles if args.map_form == "polygons" else None,
                             error=TrueDepth(source, lambda: system.report.get("scale")).error)
            mailbox = Mailbox[Snapshot]()
            stack.callback(page.close)
            stack.enter_context(serve(mailbox, page))
            print(f"live at {page.link}", flush=True)
            if not args.no_browser:
                open_browser(page.link)
        frames = source if page is None else ContinuedSource(source)
        interrupted = False
        for number in count(1):
            out, map_file = _numbered(args.out, number), _numbered(args.map, number)
            with _progress(source) as (advance, placed):
                system = System(config, predictor, out=out, map_file=map_file,
                                localise=args.localise, recode=args.recode, session=source.name,
                                mailbox=mailbox, on_frame=advance, on_placed=placed,
                                threaded=not args.sequential, control=control)
                if page is not None:
                    page.set_editor(system)
                with stopping_on_interrupt(system, source) as is_interrupted:
                    system.run(frames)
            interrupted = is_interrupted()
            report: Mapping[str, Any] = system.report
            if not system.stop.is_set() and number == 1:
                require_map(report)
            if out is not None and args.map_form == "polygons" and report.get("keyframes"):
                report = write_polygon_files(out, config.dynamic == "mask")
            _print_report(report, out)
            if interrupted or not control.wants_new_map:
                break
        control.end()
        if page is not None and not interrupted:
            _linger(page.link)
    return 0


def _annotations(args: argparse.Namespace) -> Path | None:
    """Where measures and marks of a run are kept; None where nothing is."""
    from scenecode.viewer.inspection.annotations import FOLDER_FILE, annotations_path
    if args.map is not None:
        return annotations_path(Path(args.map))
    return None if args.out is None else Path(args.out) / FOLDER_FILE


def _numbered(path: str | None, number: int) -> str | None:
    """The path for the maps of one command: ``home.map``, then ``home-2.map``."""
    if path is None or number == 1:
        return path
    first = Path(path)
    return str(first.with_name(f"{first.stem}-{number}{first.suffix}"))


@contextmanager
def _progress(source: Source
              ) -> Iterator[tuple[Callable[[Frame, TrackedFrame], None], Placed]]:
    """A bar on a terminal; gives functions to be called with every tracked frame, and with the
    numbers of those that were placed at the end, and of all."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=make_console(stderr=True)) as progress:
        task = progress.add_task(escape(source.name), total=source.length, state="")

        def advance(frame: Frame, tracked: TrackedFrame) -> None:
            state = "[red]lost" if tracked.lost else f"keyframe {tracked.keyframe}"
            progress.update(task, completed=frame.index + 1, state=state)

        def placed(done: int, frames: int) -> None:
            progress.update(task, completed=done, total=frames, state="placing frames")

        yield advance, placed


@contextmanager
def stopping_on_interrupt(system: System, source: Source) -> Iterator[Callable[[], bool]]:
    """Ctrl-C, or SIGTERM from what supervises a service, ends the run after the present frame, so
    that everything is saved; a second one gives up at once.  Gives a function that tells whether
    there was one."""
    pressed = False

    def stop(number: int, frame: object) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        system.stop.set()
        if source.is_live:
            source.close()      # the next frame of a lost camera may be long in coming

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_report(report: Mapping[str, Any], out: str | None) -> None:
    table = Table(show_header=False, title="result" if out is None else f"result in {out}")
    for name, value in report.items():
        value = len(value) if name in _COUNTED else value
        table.add_row(name, _cell(value))
    make_console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(part)}" for name, part in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _linger(url: str) -> None:
    """Keep the page open until Ctrl-C."""
    print(f"finished; the map stays at {url} (Ctrl-C to end)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
