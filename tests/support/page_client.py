"""A client that reads what a page of the viewer gets, without a browser."""

import json
from http.cookiejar import CookieJar
from typing import Any
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

from websockets.sync.client import connect

from scenecode.viewer.transport.wire import parsed

#: Seconds that a message may take on a busy machine.
PATIENCE = 60


class PageClient:
    """Opens the page as a browser does, with its cookie unless ``anonymous``."""

    def __init__(self, link: str, anonymous: bool = False):
        base, _, query = link.partition("/?")
        headers = {}
        if not anonymous:
            jar = CookieJar()
            opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(jar))
            opener.open(link, timeout=PATIENCE).read()
            headers["Cookie"] = "; ".join(f"{c.name}={c.value}" for c in jar)
        address = base.replace("http", "ws", 1) + "/socket" + (f"?{query}" if query else "")
        self._socket = connect(address, max_size=None, additional_headers=headers)
        self._number = 0
        #: everything that the server said by itself: (type, header, bytes)
        self.messages: list[tuple[str, dict[str, Any], int]] = []

    def close(self) -> None:
        self._socket.close()

    def receive(self) -> dict[str, Any]:
        """The next message."""
        message = self._socket.recv(timeout=PATIENCE)
        if isinstance(message, str):
            content = json.loads(message)
        else:
            header, arrays = parsed(message)
            content = {**header, **arrays}
        self.messages.append((content["type"], content, len(message)))
        return content

    def until(self, kind: str) -> dict[str, Any]:
        """Read up to the next message of a type."""
        while True:
            content = self.receive()
            if content["type"] == kind:
                return content

    def until_complete(self, version: int) -> list[tuple[str, dict[str, Any], int]]:
        """What came until the map of a version is whole, since the last call."""
        # it may have come before the answer to the last command
        while not any(kind == "complete" and content["version"] == version
                      for kind, content, _ in self.messages):
            self.receive()
        received, self.messages = self.messages, []
        return received

    def ask(self, name: str, /, **values: Any) -> dict[str, Any]:
        """The whole answer to a command."""
        self.send(name, **values)
        while True:
            answer = self.until("answer")
            if answer.get("id") == self._number:
                return answer

    def send(self, name: str, /, **values: Any) -> None:
        """A command, some of which are not answered but change what the server says."""
        self._number += 1
        self._socket.send(json.dumps({**values, "id": self._number, "do": name}))
