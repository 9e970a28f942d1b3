"""Where a server may listen, checked before it starts."""

import errno
import socket

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
