"""``scenecode view PATH``: look at a saved map."""

import argparse
import threading
from contextlib import suppress
from pathlib import Path

from scenecode.slam.output.saved_map import SavedMap, open_saved
from scenecode.viewer.address import add_page_arguments, open_browser
from scenecode.viewer.inspection.annotations import annotations_path
from scenecode.viewer.web import WebViewer

EXAMPLES = """examples:
  scenecode view result                  a folder of --out
  scenecode view kitchen.map             a file of --map; labels can be corrected
  scenecode view kitchen.map --host 0.0.0.0 --view-only   for others, by the printed link"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``scenecode view``."""
    parser.add_argument("result", metavar="PATH",
                        help="folder written by --out, or file kept by --map")
    parser.add_argument("--model", metavar="NAME", help="weights of the network that made a map "
                        "file, where they have another name now")
    add_page_arguments(parser)


def open_viewer(saved: SavedMap, host: str, port: int, view_only: bool = False) -> WebViewer:
    """A viewer that shows a saved map; the caller closes it.

    Raises ``ViewerError`` for an address that is not to be had.
    """
    place = {view.frame_index: n for n, view in enumerate(saved.keyframes)}
    viewer = WebViewer(
        host, port, title=saved.path.name, view_only=view_only,
        annotations=annotations_path(saved.path),
        probabilities=lambda index: saved.probabilities(place[index]) if index in place else None)
    viewer.show(saved.snapshot)
    return viewer


def main(args: argparse.Namespace) -> int:
    """Serve the map until Ctrl-C; returns 0."""
    viewer = open_viewer(open_saved(Path(args.result), model=args.model), args.host, args.port,
                         args.view_only)
    try:
        with suppress(KeyboardInterrupt):
            print(f"{args.result} is open at {viewer.link} (Ctrl-C to end)", flush=True)
            if not args.no_browser:
                open_browser(viewer.link)
            threading.Event().wait()
    finally:
        viewer.close()
    return 0
