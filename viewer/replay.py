"""``scenecode view PATH``: look at a saved map."""

import argparse
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np

from scenecode.core.console import make_console
from scenecode.slam.corrections.editor import LabelEditor
from scenecode.slam.output.saved_labels import open_labels
from scenecode.slam.output.saved_map import SavedMap, open_saved
from scenecode.slam.polygons.of_map import polygons_of
from scenecode.slam.records.snapshot import Snapshot
from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.slam.sources import SourceOptions, open_source
from scenecode.slam.sources.base.source import Source
from scenecode.viewer.address import add_page_arguments, open_browser
from scenecode.viewer.inspection.annotations import annotations_path
from scenecode.viewer.inspection.true_depth import TrueDepth
from scenecode.viewer.offscreen.eye import VIEWS
from scenecode.viewer.offscreen.pictures import (
    BACKGROUNDS,
    COLOURS,
    MapPictures,
    write_screenshot,
    write_video,
)
from scenecode.viewer.web import WebViewer

EXAMPLES = """examples:
  scenecode view result                  a folder of --out
  scenecode view kitchen.map             a file of --map; labels can be corrected
  scenecode view drive --polygons        filled polygons in place of points, by image or class
  scenecode view kitchen.map --screenshot kitchen.png --colour class
  scenecode view kitchen.map --video kitchen.mp4          a turn around it
  scenecode view kitchen.map --host 0.0.0.0 --view-only   for others, by the printed link"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``scenecode view``."""
    parser.add_argument("result", metavar="PATH",
                        help="folder written by --out, or file kept by --map")
    parser.add_argument("--model", metavar="NAME", help="weights of the network that made a map "
                        "file, where they have another name now")
    parser.add_argument("--truth", metavar="SOURCE", help="what the map was made from, where that "
                        "has true depth: errors are shown")
    add_page_arguments(parser)
    parser.add_argument("--polygons", action="store_true",
                        help="show labelled planar polygons in place of points")
    parser.add_argument("--window", action="store_true",
                        help="a window of polyscope instead of the page, where it is installed")
    pictures = parser.add_argument_group("pictures", "made without a browser; no page is served")
    pictures.add_argument("--screenshot", metavar="FILE", help="write a PNG or JPEG of the map")
    pictures.add_argument("--video", metavar="FILE", help="write an MP4 of a turn around the map")
    pictures.add_argument("--colour", choices=COLOURS, default="image",
                          help="what colours mean (default %(default)s)")
    pictures.add_argument("--from", choices=tuple(VIEWS), default="fit", dest="view",
                          help="where the map is looked at from (default %(default)s)")
    pictures.add_argument("--size", type=_size, default=(1280, 720), metavar="WxH",
                          help="of the pictures in pixels (default 1280x720)")
    pictures.add_argument("--background", choices=tuple(BACKGROUNDS), default="dark",
                          help="behind the map (default %(default)s)")
    pictures.add_argument("--ceiling", type=float, metavar="M",
                          help="leave out what is higher over the floor, metres")
    pictures.add_argument("--seconds", type=float, default=8.0,
                          help="length of the video (default %(default)s)")


def open_viewer(saved: SavedMap, host: str, port: int, view_only: bool = False,
                truth: Source | None = None, editor: LabelEditor | None = None,
                polygons: bool = False) -> WebViewer:
    """A viewer that shows a saved map, with the labels of the ``editor`` where there is one, and
    with errors where the ``truth`` is known; as ``polygons`` on request.  The caller closes it.

    Raises ``ViewerError`` for an address that is not to be had.
    """
    place = {view.frame_index: n for n, view in enumerate(saved.keyframes)}
    scale = saved.report.get("scale")
    true_depth = None if truth is None else TrueDepth(truth, lambda: scale)
    opened_version = None if editor is None else editor.snapshot.version

    def probabilities(index: int) -> np.ndarray | None:
        # those of the file as it was opened
        is_current = editor is None or editor.snapshot.version == opened_version
        return saved.probabilities(place[index]) if index in place and is_current else None

    viewer = WebViewer(
        host, port, title=saved.path.name, view_only=view_only,
        annotations=annotations_path(saved.path),
        probabilities=probabilities if saved.has_probabilities else None,
        error=lambda view: None if true_depth is None else true_depth.error(view),
        polygons=polygon_triangles if polygons else None)
    viewer.set_editor(editor)
    viewer.show(saved.snapshot if editor is None else editor.snapshot)
    return viewer


def polygon_triangles(snapshot: Snapshot) -> TriangleMesh:
    """The polygons of a map as triangles."""
    return polygons_of(snapshot).mesh()


def main(args: argparse.Namespace) -> int:
    """Serve the map until Ctrl-C, or write the pictures that are wanted; returns 0."""
    editing = not (args.window or args.screenshot or args.video or args.view_only)
    # an editor has the dense maps
    saved = open_saved(Path(args.result), model=args.model, dense=not editing)
    editor = open_labels(args.result, model=args.model) if editing else None
    if args.window:
        # polyscope need not be installed
        from scenecode.viewer.polyscope_viewer import PolyscopeViewer
        window = PolyscopeViewer()
        window.show(saved.snapshot)
        window.wait()
        return 0
    if args.screenshot or args.video:
        return _write_pictures(args, saved.snapshot)
    truth = None if args.truth is None else _open_truth(args.truth, saved)
    viewer = open_viewer(saved, args.host, args.port, args.view_only, truth,
                         editor, args.polygons)
    try:
        with suppress(KeyboardInterrupt):
            print(f"{args.result} is open at {viewer.link} (Ctrl-C to end)", flush=True)
            if not args.no_browser:
                open_browser(viewer.link)
            threading.Event().wait()
    finally:
        viewer.close()
    return 0


def _open_truth(source: str, saved: SavedMap) -> Source:
    """The source in the size of the map's keyframes."""
    if not saved.keyframes:
        return open_source(source)
    camera = saved.keyframes[0].camera
    return open_source(source, SourceOptions(width=camera.width, height=camera.height))


def _write_pictures(args: argparse.Namespace, snapshot: Snapshot) -> int:
    pictures = MapPictures(snapshot, args.colour, args.background, args.ceiling)
    width, height = args.size
    if args.screenshot:
        write_screenshot(Path(args.screenshot), pictures, args.view, width, height)
        print(f"written {args.screenshot}")
    if args.video:
        with make_console(stderr=True).status("drawing the video"):
            write_video(Path(args.video), pictures, args.view, width, height, args.seconds)
        print(f"written {args.video}")
    return 0


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give WIDTHxHEIGHT") from None
    if not (16 <= width <= 8192 and 16 <= height <= 8192):
        raise argparse.ArgumentTypeError("a picture has 16 to 8192 pixels in each direction")
    return width - width % 2, height - height % 2   # as videos need it
