"""The command line.  Every command is a module with ``add_arguments`` and ``main``, imported when
that command is given: ``scenecode --help`` loads none of them."""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from scenecode.core.errors import ScenecodeError
from scenecode.core.version import __version__

#: Exit status of a program that Ctrl-C ended before there was anything to save.
INTERRUPTED = 130


@dataclass(frozen=True)
class Command:
    """A command and where its code is."""

    summary: str
    module: str
    #: names in the module: adds the options, runs it, and the text of examples
    add_arguments: str = "add_arguments"
    main: str = "main"
    examples: str = "EXAMPLES"


@dataclass(frozen=True)
class Group:
    """Commands that share a first word."""

    summary: str
    commands: dict[str, Command]


COMMANDS: dict[str, Command | Group] = {
    "demo": Command("run on a built-in room and compare with its truth", "scenecode.cli.run",
                    "add_demo_arguments", "demo", "DEMO_EXAMPLES"),
    "run": Command("run on a camera, a video or a sequence", "scenecode.cli.run",
                   "add_run_arguments", "run", "RUN_EXAMPLES"),
    "calibrate": Command("measure a camera, by a board or by its motion",
                         "scenecode.cli.calibrate"),
    "batch": Command("run on a list of recordings, here or on a cluster", "scenecode.cli.batch"),
    "view": Command("look at a saved map", "scenecode.viewer.replay"),
    "twoview": Command("depth, labels and motion of two images, from nothing",
                       "scenecode.slam.benchmarks.two_views"),
    "models": Command("the networks that are shipped", "scenecode.cli.networks.models"),
    "predict": Command("depth and labels of images, a folder or a video",
                       "scenecode.cli.networks.predict"),
    "train": Command("train a network", "scenecode.networks.training.train"),
    "evaluate": Group("compare with ground truth", {
        "trajectory": Command("a camera path", "scenecode.slam.evaluation.evaluate"),
        "model": Command("a network's depth and labels", "scenecode.networks.evaluation.evaluate"),
        "fusion": Command("labels that several views agree on",
                          "scenecode.slam.benchmarks.fusion_evaluation"),
        "corrections": Command("labels that a user corrects, by clicks",
                               "scenecode.slam.benchmarks.corrections.evaluation"),
        "mesh": Command("the surface of a map of a built-in room",
                        "scenecode.slam.benchmarks.surface.accuracy"),
        "sequence": Command("whole sequences, and other systems on them",
                            "scenecode.slam.benchmarks.suite"),
        "stages": Command("what each mapping stage and each residual adds",
                          "scenecode.slam.benchmarks.stages"),
    }),
    "data": Group("look after data sets", {
        "check": Command("what is in the folder of a data set, and what is missing",
                         "scenecode.networks.data.check"),
    }),
    "bench": Group("measure speed", {
        "kills": Command("kill runs that keep a map file, and look at the file",
                         "scenecode.slam.benchmarks.kills"),
        "network": Command("time the network for one keyframe",
                           "scenecode.networks.evaluation.bench"),
        "system": Command("time tracking, mapping and output, against the size of the map",
                          "scenecode.slam.benchmarks.system_speed"),
        "soak": Command("hours of camera: memory, keyframes and lag over time",
                        "scenecode.slam.benchmarks.soak.command"),
    }),
    "map": Group("look after the files that run --map keeps", {
        "info": Command("what is in a map file", "scenecode.cli.map", "add_info_arguments",
                        "info", "INFO_EXAMPLES"),
        "check": Command("whether a map file is whole", "scenecode.cli.map",
                         "add_check_arguments", "check", "CHECK_EXAMPLES"),
        "compact": Command("make a map file as small as it can be", "scenecode.cli.map",
                           "add_compact_arguments", "compact", "COMPACT_EXAMPLES"),
        "cut": Command("take a part out of a map", "scenecode.cli.map", "add_cut_arguments",
                       "cut", "CUT_EXAMPLES"),
        "merge": Command("make one map of two", "scenecode.cli.map", "add_merge_arguments",
                         "merge", "MERGE_EXAMPLES"),
    }),
    "export": Command("write a map in the files of other programs", "scenecode.cli.export"),
    "label": Command("correct the labels of a saved map", "scenecode.cli.label"),
    "config": Command("print the configuration, with what every key means",
                      "scenecode.cli.config"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status.  The one place where errors become messages."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        args = build_parser(argv).parse_args(argv)  # imports the command, which takes seconds
        _log_to_terminal()
        return args.command_function(args)
    except ScenecodeError as error:
        print(f"scenecode: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scenecode: interrupted", file=sys.stderr)
        return INTERRUPTED


def build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The command line, with the options of the command that ``argv`` names."""
    parser = argparse.ArgumentParser(
        prog="scenecode", description="Monocular dense semantic SLAM: one camera in; poses, "
        "dense depth and a labelled 3-D map out.")
    parser.add_argument("--version", action="version", version=f"scenecode {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    words = [word for word in argv if not word.startswith("-")]
    for name, entry in COMMANDS.items():
        chosen = words[:1] == [name]
        if isinstance(entry, Command):
            _add_command(subparsers, name, entry, chosen)
            continue
        group = subparsers.add_parser(name, help=entry.summary,
                                      description=entry.summary.capitalize() + ".")
        kinds = group.add_subparsers(required=True, metavar="KIND")
        for kind, command in entry.commands.items():
            _add_command(kinds, kind, command, chosen and words[1:2] == [kind])
    return parser


def _add_command(subparsers: argparse._SubParsersAction, name: str, command: Command,
                 chosen: bool) -> None:
    parser = subparsers.add_parser(name, help=command.summary,
                                   description=command.summary.capitalize() + ".",
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    if not chosen:
        return
    module = import_module(command.module)
    parser.epilog = getattr(module, command.examples)
    getattr(module, command.add_arguments)(parser)
    parser.set_defaults(command_function=getattr(module, command.main))


def _log_to_terminal() -> None:
    from rich.logging import RichHandler

    from scenecode.core.console import make_console
    handler = RichHandler(console=make_console(stderr=True), show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", force=True,
                        handlers=[handler])
