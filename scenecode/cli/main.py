"""The command line: ``scenecode demo | run | twoview | train | evaluate | bench | view | config``."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import scenecode.networks.evaluation.bench
import scenecode.networks.evaluation.evaluate
import scenecode.networks.training.train
import scenecode.slam.benchmarks.fusion_evaluation
import scenecode.slam.benchmarks.stages
import scenecode.slam.benchmarks.suite
import scenecode.slam.benchmarks.two_views
import scenecode.slam.evaluation.evaluate
import scenecode.viewer.replay
from scenecode.core.device import choose_device
from scenecode.core.errors import ConfigError, ScenecodeError, SourceError
from scenecode.core.shipped import CONFIGS
from scenecode.core.strict_config import from_mapping, load_yaml, override, to_mapping
from scenecode.networks.inference.checkpoint import load_predictor
from scenecode.networks.prediction import Predictor
from scenecode.slam.calibration.lens_distortion import open_undistorted
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.output.output import Output
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.records.snapshot import Mailbox
from scenecode.slam.sources import open_source
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.source import Source
from scenecode.slam.sources.calibration.files import parse_intrinsics
from scenecode.slam.system import System
from scenecode.slam.tracking.tracker import TrackedFrame
from scenecode.viewer.live import serve
from scenecode.viewer.web import WebViewer

#: Exit status of a program that Ctrl-C ended before there was anything to save.
INTERRUPTED = 130

_EXAMPLES = {
    "demo": """examples:
  scenecode demo                      a walk through a built-in room, with errors against truth
  scenecode demo --view               the same, live in the browser
  scenecode demo --seed 5 --out out   another room, results kept in out/""",
    "run": """examples:
  scenecode run 0 --view                                  webcam, live in the browser
  scenecode run video.mp4 --intrinsics 525,525,320,240 --out result
  scenecode run frames/ --calib camera.yaml --out result  folder of images
  scenecode run rgbd_dataset_freiburg1_desk --sequential  TUM RGB-D folder
  scenecode run rooms:7 --out result                      built-in room number 7""",
    "twoview": """examples:
  scenecode twoview rooms:7 --frames 0 12           two images of a built-in room
  scenecode twoview frames/ --intrinsics 525,525,320,240 --frames 100 115 --out pair.png""",
    "train": """examples:
  export SCENECODE_DATA=~/data
  scenecode train configs/train/nyuv2_rooms_mobilenetv2.yaml --out runs/a
  scenecode train CONFIG --out runs/a --resume            go on after Ctrl-C, or a crash
  scenecode train CONFIG --set precision=bfloat16 --set batch_size=32
  scenecode train CONFIG --set data.folder=mine --set data.rooms=0     your own images
  torchrun --nproc-per-node 4 --no-python scenecode train CONFIG       four GPUs; add
      --nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29500 for two machines
DIR gets curves.png, samples.png, log.jsonl and model.safetensors after every epoch.
docs/training.md tells the layout of your own images and label sets.""",
    "trajectory": """example:
  scenecode evaluate trajectory groundtruth.txt result --json""",
    "model": """examples:
  scenecode evaluate model                                          on built-in rooms
  scenecode evaluate model --data nyuv2 --root ~/data/nyuv2 --json
  scenecode evaluate model --model mine.safetensors --data folder --root mine --split val
  scenecode evaluate model --pictures page          page/index.html: pictures and plots""",
    "fusion": """examples:
  scenecode evaluate fusion --references 100             labels of several views, on built-in rooms
  scenecode evaluate fusion --views 2 --pictures pages   with pictures before and after
  scenecode evaluate fusion --data scenenet/data/val --json""",
    "sequence": """examples:
  scenecode evaluate sequence rooms:21 rooms:22 --out results
  scenecode evaluate sequence --suite real --out results    shipped list; paths below SCENECODE_DATA
  scenecode evaluate sequence desk/ --compare ORB-SLAM3=orb.txt --out results""",
    "stages": """examples:
  scenecode evaluate stages --seeds 11 12 13 --frames 120   the schedule cut off after each stage
  scenecode evaluate stages --suite real --out tables       shipped list; below SCENECODE_DATA
  scenecode evaluate stages --suite real --residuals --out tables    without each residual""",
    "network": """example:
  scenecode bench network --threads 2""",
    "view": """example:
  scenecode view result""",
    "config": """examples:
  scenecode config                                  every key with its default
  scenecode config --set mapping.window=8 > my.yaml  to be given to run --config my.yaml""",
}


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status.  The one place where errors become messages."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", force=True, handlers=[
        RichHandler(console=Console(stderr=True), show_time=False, show_path=False)])
    try:
        return args.command_function(args)
    except ScenecodeError as error:
        print(f"scenecode: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scenecode: interrupted", file=sys.stderr)
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="scenecode", description="Monocular dense semantic SLAM: one camera in; poses, "
        "dense depth and a labelled 3-D map out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = _command(commands, "demo", "run on a built-in room and compare with its truth", _demo)
    demo.add_argument("--seed", type=int, default=7, help="room number (default %(default)s)")
    demo.add_argument("--frames", type=int, default=150,
                      help="length of the walk at 30 frames a second (default %(default)s)")
    _add_run_options(demo)
    run = _command(commands, "run", "run on a camera, a video or a sequence", _run)
    run.add_argument("source", metavar="SOURCE", help="webcam index, video file, folder of images, "
                     "TUM RGB-D, 7-Scenes or SceneNet folder, or rooms:SEED[:FRAMES]")
    run.add_argument("--intrinsics", type=_intrinsics, metavar="fx,fy,cx,cy[,k1,k2,p1,p2[,k3]]",
                     help="of the original images, in pixels")
    run.add_argument("--calib", metavar="FILE", help="calibration file: OpenCV or ORB-SLAM YAML, "
                     "DSO, or one line of numbers")
    run.add_argument("--lens", choices=("measure", "as-given"), default="measure",
                     help="whether a recording's distortion is measured first where only fx,fy,cx,"
                     "cy are known (default %(default)s)")
    run.add_argument("--fps", type=float, help="frames per second of images without stamps")
    run.add_argument("--stride", type=int, default=1, metavar="N", help="take every N-th image")
    _add_run_options(run)
    scenecode.slam.benchmarks.two_views.add_arguments(
        _command(commands, "twoview", "depth, labels and motion of two images, from nothing",
                 scenecode.slam.benchmarks.two_views.main))
    train = _command(commands, "train", "train a network", scenecode.networks.training.train.main)
    scenecode.networks.training.train.add_arguments(train)
    evaluate = commands.add_parser("evaluate", help="compare with ground truth")
    kinds = evaluate.add_subparsers(required=True, metavar="KIND")
    scenecode.slam.evaluation.evaluate.add_arguments(
        _command(kinds, "trajectory", "a camera path", scenecode.slam.evaluation.evaluate.main))
    scenecode.networks.evaluation.evaluate.add_arguments(
        _command(kinds, "model", "a network's depth and labels", scenecode.networks.evaluation.evaluate.main))
    scenecode.slam.benchmarks.fusion_evaluation.add_arguments(
        _command(kinds, "fusion", "labels that several views agree on",
                 scenecode.slam.benchmarks.fusion_evaluation.main))
    scenecode.slam.benchmarks.suite.add_arguments(
        _command(kinds, "sequence", "whole sequences, and other systems on them",
                 scenecode.slam.benchmarks.suite.main))
    scenecode.slam.benchmarks.stages.add_arguments(
        _command(kinds, "stages", "what each mapping stage and each residual adds",
                 scenecode.slam.benchmarks.stages.main))
    timed = commands.add_parser("bench", help="measure speed")
    parts = timed.add_subparsers(required=True, metavar="PART")
    scenecode.networks.evaluation.bench.add_arguments(
        _command(parts, "network", "time the network for one keyframe", scenecode.networks.evaluation.bench.main))
    scenecode.viewer.replay.add_arguments(
        _command(commands, "view", "look at a result folder", scenecode.viewer.replay.main))
    config = _command(commands, "config", "print the resolved configuration", _config)
    _add_config_options(config)
    return parser


def _command(commands, name: str, summary: str,
             function: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary.capitalize() + ".",
                                 epilog=_EXAMPLES[name],
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(command_function=function)
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", help="keep the results in this folder")
    parser.add_argument("--view", action="store_true", help="show the map live in the browser")
    parser.add_argument("--host", default="127.0.0.1",
                        help="address of the live page (default: this machine only)")
    parser.add_argument("--port", type=int, default=8080, help="port of the live page")
    parser.add_argument("--sequential", action="store_true",
                        help="track and map in turn: every frame, reproducible, not live")
    parser.add_argument("--max-frames", type=int, metavar="N", help="stop after N frames")
    _add_config_options(parser)


def _add_config_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="YAML file with settings to change, or the "
                        "name of a shipped one: base, live")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="change one setting, for example mapping.window=8")
    parser.add_argument("--model", metavar="NAME", help="weights: a shipped name or a file")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu or cuda (default auto)")


def _intrinsics(text: str) -> tuple[float, ...]:
    try:
        return parse_intrinsics(text)
    except ScenecodeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _resolved_config(args: argparse.Namespace) -> SlamConfig:
    config = SlamConfig()
    if args.config:
        config = from_mapping(SlamConfig, load_yaml(_find_config(args.config)), args.config)
    for assignment in args.set:
        config = override(config, assignment)
    if args.model:
        config = override(config, f"model={args.model}")
    device = choose_device(args.device or config.device)
    return override(config, f"device={device}")


def _find_config(name: str) -> Path:
    """A path as it is, or the configuration of that name that comes with the package."""
    shipped = CONFIGS / f"{name}.yaml"
    return shipped if not Path(name).exists() and shipped.is_file() else Path(name)


def _config(args: argparse.Namespace) -> int:
    print(yaml.safe_dump(to_mapping(_resolved_config(args)), sort_keys=False), end="")
    return 0


def _demo(args: argparse.Namespace) -> int:
    config = _resolved_config(args)
    options = SourceOptions(width=config.width, height=config.height, max_frames=args.max_frames)
    if not args.view:
        args.sequential = True
    return _execute(args, config, open_source(f"rooms:{args.seed}:{args.frames}", options))


def _run(args: argparse.Namespace) -> int:
    config = _resolved_config(args)
    options = SourceOptions(args.intrinsics, args.calib, args.fps, config.width, config.height,
                            args.max_frames, args.stride, measure_lens=args.lens == "measure")
    with Console(stderr=True).status("opening the source, measuring its lens if nobody did"):
        source = open_undistorted(args.source, options)
    return _execute(args, config, source)


def _execute(args: argparse.Namespace, config: SlamConfig, source: Source) -> int:
    """Run the system on a source with the outputs that were asked for; print the report."""
    with ExitStack() as stack:
        stack.callback(source.close)
        predictor: Predictor = load_predictor(
            None if config.model == "default" else config.model, config.device,
            config.precision)
        if (predictor.width, predictor.height) != (config.width, config.height):
            raise ConfigError(f"the model takes {predictor.width}x{predictor.height} images, the "
                              f"configuration says {config.width}x{config.height}; add --set "
                              f"width={predictor.width} --set height={predictor.height}")
        folder = None
        if args.out:
            text = yaml.safe_dump(to_mapping(config), sort_keys=False)
            folder = ResultFolder.create(args.out, predictor.classes, text)
        page = mailbox = None
        if args.view:
            page, mailbox = WebViewer(args.host, args.port), Mailbox()
            stack.callback(page.close)
            stack.enter_context(serve(mailbox, page))
            print(f"live at {page.url}", flush=True)
        output = Output(config.fusion, predictor.classes, source, folder, mailbox)
        with _progress(source) as advance:
            def on_frame(frame, tracked):
                advance(tracked)
                output.on_frame(frame, tracked)

            system = System(config, predictor, output.on_map, on_frame)
            with _stopping_on_interrupt(system):
                if args.sequential:
                    system.run_sequential(source)
                else:
                    system.run_threaded(source)
        output.finish()
        if not output.report["keyframes"] and not system.stop.is_set():
            raise SourceError("no frame had enough contrast to start a map from; check the "
                              "camera's cover and exposure, or lower tracking.min_contrast")
        _print_report(output.report, args.out)
        if page is not None and not system.stop.is_set():
            _linger(page.url)
    return 0


@contextmanager
def _progress(source: Source):
    """A bar on a terminal; gives a function to be called with every tracked frame."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(source.name, total=source.length, state="")

        def advance(tracked: TrackedFrame) -> None:
            state = "[red]lost" if tracked.lost else f"keyframe {tracked.keyframe}"
            progress.update(task, completed=tracked.frame_index + 1, state=state)

        yield advance


@contextmanager
def _stopping_on_interrupt(system: System):
    """Ctrl-C ends the run after the present frame, so that everything is saved; a second one
    gives up at once."""
    def stop(number, frame):
        if system.stop.is_set():
            raise KeyboardInterrupt
        system.stop.set()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _print_report(report: dict, out: str | None) -> None:
    table = Table(show_header=False, title="result" if out is None else f"result in {out}")
    for name, value in report.items():
        if name in ("lost_spans", "unusable"):
            value = len(value)
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)


def _linger(url: str) -> None:
    """Keep the page open until Ctrl-C."""
    print(f"finished; the map stays at {url} (Ctrl-C to end)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
