"""HTTP for the page's files and web sockets for everything else, at one port."""

import http
import logging
import threading
from collections.abc import Callable
from importlib import resources
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from scenecode.viewer import page
from scenecode.viewer.access import Access
from scenecode.viewer.address import free_port

#: Types of the files that are served.
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
SOCKET_PATH = "/socket"
#: Bytes of a request at most.
LARGEST_REQUEST = 1 << 20
#: The page loads nothing from elsewhere and is embedded nowhere.
POLICY = ("default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
          "frame-ancestors 'none'")
FORBIDDEN = ("This page is shown to those who have its link only. The program that serves it "
             "printed the link when it started.\n")


class PageServer:
    """Serves until ``close``; ``serve_page(connection, may_change)`` is called in a thread of its
    own for every browser and returns when that has gone.  Raises ``ViewerError`` when the address
    is not to be had."""

    def __init__(self, host: str, port: int, access: Access,
                 serve_page: Callable[[ServerConnection, bool], None]):
        self._access, self._serve_page = access, serve_page
        self._connections: set[ServerConnection] = set()
        self._lock = threading.Lock()
        logging.getLogger("websockets").setLevel(logging.CRITICAL)
        self._server: Server = serve(
            self._connected, host, free_port(host, port), compression=None,
            process_request=self._respond, max_size=LARGEST_REQUEST)
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="viewer-server",
                                        daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and say goodbye to all browsers.  A second call does nothing."""
        self._server.shutdown()
        with self._lock:
            connections = [*self._connections]
        for connection in connections:
            connection.close()
        self._thread.join()

    def _connected(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None  # the handshake is over
        with self._lock:
            self._connections.add(connection)
        try:
            self._serve_page(connection, self._access.may_change(
                request.path, _plain(request.headers), self.port))
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _respond(self, connection: ServerConnection, request: Request) -> Response | None:
        """An answer to a request for a file; None lets a web socket be opened."""
        path, headers = urlsplit(request.path).path, _plain(request.headers)
        if not self._access.may_load(request.path, headers, self.port):
            return _response(http.HTTPStatus.FORBIDDEN, FORBIDDEN.encode(), "text/plain")
        if path == SOCKET_PATH:
            return None
        name = path.strip("/") or "index.html"
        file = resources.files(page) / name
        ending = "." + name.rpartition(".")[2]
        if "/" in name or ending not in TYPES or not file.is_file():
            return _response(http.HTTPStatus.NOT_FOUND, b"There is no such page.\n",
                             "text/plain")
        response = _response(http.HTTPStatus.OK, file.read_bytes(), TYPES[ending])
        if name == "index.html":
            response.headers["Set-Cookie"] = self._access.cookie(self.port)
        return response


def _plain(headers: Headers) -> dict[str, str]:
    return dict(headers.raw_items())


def _response(status: http.HTTPStatus, body: bytes, kind: str) -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)),
                       "Cache-Control": "no-store", "Connection": "close",
                       "X-Content-Type-Options": "nosniff", "Content-Security-Policy": POLICY,
                       "Referrer-Policy": "no-referrer"})
    return Response(status.value, status.phrase, headers, body)
