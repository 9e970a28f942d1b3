"""Where a server may listen, checked before it starts, and opening its page."""

import argparse
import errno
import os
import socket
import sys
import webbrowser

from scenecode.viewer.base import ViewerError

#: Ports tried, from the given one on.
PORTS_TRIED = 20
LARGEST_PORT = 65535


def free_port(host: str, port: int) -> int:
    """The first port from ``port`` on that is free at ``host``; 0 stays 0, any port.

    Raises ``ViewerError`` for a host that is not this machine's, a port that is out
    of range or not allowed, and when ``PORTS_TRIED`` ports are all taken.
    """
    if not 0 <= port <= LARGEST_PORT:
        raise ViewerError(f"port {port} does not exist; choose one from 1024 to {LARGEST_PORT}")
    candidates = range(port, min(port + PORTS_TRIED, LARGEST_PORT + 1))
    for candidate in candidates:
        if _is_free(host, candidate):
            return candidate
    raise ViewerError(f"ports {port} to {candidates[-1]} at {host} are all taken; "
                      "close another viewer or choose another --port")


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # As the server will: a port that a closed connection still lingers on is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise ViewerError(f"cannot listen at {host}:{port}: {error.strerror or error}; give an "
                          "address of this machine (127.0.0.1 for here only, 0.0.0.0 for "
                          "everyone) and a port above 1023") from error
    return True


def page_url(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def open_browser(url: str) -> None:
    """Show a page in the user's browser where there is one: on a desktop, and not from a remote
    shell."""
    has_desktop = sys.platform in ("win32", "darwin") \
        or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if has_desktop and not os.environ.get("SSH_CONNECTION"):
        webbrowser.open(url)


def add_page_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of a page, also of one that shows a run."""
    parser.add_argument("--host", default="127.0.0.1",
                        help="address to listen at (default: 127.0.0.1, this machine only; beyond "
                        "it the page is shown to those who have the printed link)")
    parser.add_argument("--port", type=int, default=8080,
                        help="port of the page, or the next free one (default: 8080)")
    parser.add_argument("--view-only", action="store_true",
                        help="nothing can be changed from the page")
    parser.add_argument("--no-browser", action="store_true",
                        help="do not open the page in a browser")
