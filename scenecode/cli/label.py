"""``scenecode label``: correct the labels of a saved map."""

import argparse

from scenecode.cli.map_network import add_network_arguments
from scenecode.core.console import make_console
from scenecode.core.errors import ConfigError
from scenecode.slam.corrections.correction import Correction
from scenecode.slam.output.saved_labels import FolderLabels, MapLabels, open_labels

EXAMPLES = """examples:
  scenecode label kitchen.map --frame 120 --at 100,80 --class table    what is around the pixel
  scenecode label kitchen.map --frame 120 --at 100,80 --class table --radius 6      a disc only
  scenecode label kitchen.map --undo
  scenecode label kitchen.map --list

--frame is the frame index of a keyframe: the name of its folder in a result folder.  In a map file
a correction is evidence on the semantic codes of its keyframe and of all others that see the
place.  A result folder has no codes: there it holds for the surface of the region only."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode label``."""
    parser.add_argument("path", metavar="PATH",
                        help="a map file, which run --map writes, or the --out folder of a run")
    parser.add_argument("--frame", type=int, metavar="N", help="frame index of a keyframe")
    parser.add_argument("--at", type=_pixel, metavar="U,V", help="pixel, from left and top")
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="what is there")
    parser.add_argument("--radius", type=float, metavar="R",
                        help="a disc of so many pixels (default: the part of the surface around "
                        "the pixel that looks alike and has one label)")
    parser.add_argument("--override", action="store_true",
                        help="these pixels only, without evidence on codes")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--undo", action="store_true", help="undo the last correction")
    action.add_argument("--redo", action="store_true", help="make it count again")
    action.add_argument("--remove", type=int, metavar="K", help="remove correction K")
    action.add_argument("--list", action="store_true", help="list all corrections")
    add_network_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode label``; returns the exit status."""
    acts = args.undo or args.redo or args.list or args.remove is not None
    given = [args.frame, args.at, args.class_name]
    if acts == (None not in given) or (acts and any(value is not None for value in given)):
        raise ConfigError("give --frame, --at and --class together, or one of --undo, --redo, "
                          "--remove and --list")
    editor = open_labels(args.path, model=args.model, device=args.device)
    if args.list:
        for correction in editor.corrections:
            print(_line(editor, correction) + ("" if correction.active else ", undone"))
        return 0
    before = {view.frame_index: view.labels for view in editor.snapshot.keyframes}
    if args.undo:
        done, correction = "undone", editor.undo()
    elif args.redo:
        done, correction = "counts again", editor.redo()
    elif args.remove is not None:
        done, correction = "removed", editor.remove(args.remove)
    else:
        done, correction = "made", editor.correct(
            args.frame, args.at, args.class_name, radius=args.radius,
            kind="override" if args.override else "code")
    changed = sum(bool((view.labels != before[view.frame_index]).any())
                  for view in editor.snapshot.keyframes)
    make_console().print(f"{_line(editor, correction)}: {done}; labels of {changed} "
                         "keyframes changed")
    return 0


def _line(editor: MapLabels | FolderLabels, correction: Correction) -> str:
    share = editor.expressed.get(correction.number)
    kind = correction.kind if share is None else f"code, which expresses {share:.0%} of it"
    return (f"correction {correction.number}: frame {editor.frame_index_of(correction)}, "
            f"{len(correction.region)} pixels are "
            f"{editor.snapshot.classes.names[correction.label]} ({kind})")


def _pixel(text: str) -> tuple[float, float]:
    try:
        u, v = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' must be two numbers, as 100,80") from error
    return u, v
