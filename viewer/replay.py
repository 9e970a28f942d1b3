"""``scenecode view DIR``: look at a result folder."""

import argparse
import threading
from pathlib import Path

from scenecode.slam.output.result_folder import load_result
from scenecode.viewer.web import WebViewer

EXAMPLES = """example:
  scenecode view result"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``scenecode view``."""
    parser.add_argument("result", metavar="DIR", help="folder written by --out")
    parser.add_argument("--host", default="127.0.0.1",
                        help="address to listen at (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, default=8080,
                        help="port of the page, or the next free one (default: 8080)")


def open_result(path: str | Path, host: str, port: int) -> WebViewer:
    """A viewer that shows the result folder at ``path``; the caller closes it.

    Raises ``ResultError`` for a folder that is not a result, ``ViewerError`` for an
    address that is not to be had.
    """
    snapshot = load_result(path)  # before the port is taken
    viewer = WebViewer(host, port)
    viewer.show(snapshot)
    return viewer


def main(args: argparse.Namespace) -> int:
    """Serve the folder until Ctrl-C; returns 0."""
    viewer = open_result(args.result, args.host, args.port)
    try:
        print(f"{args.result} is open at {viewer.url} (Ctrl-C to end)", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        viewer.close()
    return 0
