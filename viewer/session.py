"""One browser that looks at the map: what it has been sent, and its requests."""

import json
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from scenecode.viewer.commands import PageCommands
from scenecode.viewer.shown_map import MapShower, ShownMap
from scenecode.viewer.state import LiveImages, PageState
from scenecode.viewer.transport.point_chunks import Piece, sending_plan
from scenecode.viewer.transport.surface_pieces import SurfacePiece
from scenecode.viewer.transport.wire import binary_message, text_message

#: Poses of the path in one message; those of a piece that did not change are not sent again.
PATH_PIECE = 256
#: How many times longer than they take statistics and the surface of a live map are put off.
STATISTICS_PAUSE, SURFACE_PAUSE = 9.0, 3.0

_log = logging.getLogger(__name__)


class Session:
    """Serves one connection until it ends.

    ``state`` gives what is to be shown now; ``changed`` is notified when that is something else.
    Requests are answered in the connection's thread, pictures of the map go out in another: a slow
    browser misses intermediate states and delays nobody.
    """

    def __init__(self, connection: ServerConnection, commands: PageCommands, shower: MapShower,
                 state: Callable[[], PageState], changed: threading.Condition, hello: Any,
                 may_change: bool):
        self._connection = connection
        self._commands, self._shower = commands, shower
        self._state, self._changed = state, changed
        self._hello, self._may_change = hello, may_change
        self._ended = threading.Event()
        self._wants_attributes, self._wants_surface = threading.Event(), threading.Event()
        # of the sending thread
        #: serial of the state that was sent last, and whether attributes and surface were
        self._sent = -1, False, False
        self._surface: dict[str, SurfacePiece] = {}
        #: the map of which all points were sent, and that of which statistics were
        self._complete: ShownMap | None = None
        self._counted: ShownMap | None = None
        self._surfaced: ShownMap | None = None
        #: ``time.monotonic()`` from which statistics may be computed, and the surface be gone on
        #: with, and the time at which that is tried again
        self._count_at = self._surface_at = 0.0
        self._retry_at = math.inf
        self._pieces: dict[str, tuple[Piece, int]] = {}
        self._attributes: dict[str, tuple[ShownMap, int]] = {}
        self._surface_attributes: dict[str, tuple[ShownMap, SurfacePiece]] = {}
        self._path: list[np.ndarray] = []
        self._keyframes: dict[int, np.ndarray] = {}
        self._said: dict[str, str] = {}
        self._live: LiveImages | None = None

    def serve(self) -> None:
        """Returns when the browser has gone."""
        sender = threading.Thread(target=self._send_all, name="viewer-sender", daemon=True)
        sender.start()
        try:
            for message in self._connection:
                self._answer(message)
        except ConnectionClosed:
            pass
        finally:
            self._ended.set()
            with self._changed:
                self._changed.notify_all()
            sender.join()

    def _answer(self, message: str | bytes) -> None:
        try:
            request = json.loads(message)
            if not isinstance(request, dict):
                raise ValueError("not an object")
        except ValueError:
            return
        wanted = {"attributes": self._wants_attributes, "surface": self._wants_surface}
        if request.get("do") in wanted:
            wanted[request["do"]].set()
            with self._changed:
                self._changed.notify_all()
            return
        self._connection.send(self._commands.answer(request, self._may_change))

    def _send_all(self) -> None:
        try:
            self._connection.send(text_message({**self._hello, "type": "hello",
                                                "may_change": self._may_change}))
            while not self._ended.is_set():
                with self._changed:
                    pause = None if self._retry_at == math.inf \
                        else max(self._retry_at - time.monotonic(), 0.0)
                    self._changed.wait_for(self._has_news, timeout=pause)
                self._sent = self._wanted
                state = self._state()
                if not self._ended.is_set():
                    self._send_state(state)
        except ConnectionClosed:
            pass
        except Exception:  # one browser must not end the others, nor go silent unnoticed
            _log.exception("a page of the viewer got no more pictures; reload it")
            self._connection.close()

    def _has_news(self) -> bool:
        return self._ended.is_set() or self._sent != self._wanted

    @property
    def _wanted(self) -> tuple[int, bool, bool]:
        return (self._state().serial, self._wants_attributes.is_set(),
                self._wants_surface.is_set())

    def _send_state(self, state: PageState) -> None:
        self._retry_at = math.inf
        self._say("status", state.status)
        if state.live is not None and state.live is not self._live:
            self._live = state.live
            self._connection.send(state.live.message)
        self._say("annotations", state.annotations)
        if state.shown is None:
            return
        self._send_walk(state)
        self._say("corrections", {"corrections": self._commands.corrections()})
        self._send_points(state)
        self._send_statistics(state.shown)
        if self._wants_attributes.is_set():
            self._send_attributes(state.shown)
        if self._wants_surface.is_set() and self._state().shown is state.shown:
            self._send_surface(state.shown)
            if self._wants_attributes.is_set():
                self._send_surface_attributes(state.shown)

    def _say(self, kind: str, content: dict[str, Any]) -> None:
        """Send a message unless the page has it."""
        text = text_message({**content, "type": kind})
        if self._said.get(kind) != text:
            self._said[kind] = text
            self._connection.send(text)

    def _send_walk(self, state: PageState) -> None:
        assert state.shown is not None
        shown, snapshot = state.shown, state.shown.snapshot
        poses = {view.frame_index: view.T_world_cam for view in snapshot.keyframes}
        if poses.keys() != self._keyframes.keys() or any(
                pose is not self._keyframes[index] for index, pose in poses.items()):
            self._keyframes = poses
            camera = snapshot.keyframes[0].camera if snapshot.keyframes else None
            header = {"type": "keyframes", "frame_index": [*poses],
                      "timestamp": [view.timestamp for view in snapshot.keyframes],
                      "camera": None if camera is None else [
                          camera.fx, camera.fy, camera.cx, camera.cy, camera.width,
                          camera.height]}
            self._connection.send(binary_message(header, {"poses": _rows(
                np.array([*poses.values()]).reshape(-1, 4, 4))}))
        path = snapshot.trajectory
        for number, first in enumerate(range(0, len(path), PATH_PIECE)):
            piece = _rows(path[first : first + PATH_PIECE])
            if number >= len(self._path) or not np.array_equal(self._path[number], piece):
                self._path[number : number + 1] = [piece]
                self._connection.send(binary_message(
                    {"type": "path", "first": first, "total": len(path)}, {"poses": piece}))
        if -(-len(path) // PATH_PIECE) < len(self._path):
            del self._path[-(-len(path) // PATH_PIECE):]
            self._connection.send(binary_message(
                {"type": "path", "first": len(path), "total": len(path)},
                {"poses": np.zeros(0, np.float32)}))
        self._say("scene", {
            "T_ground_world": shown.T_ground_world, "low": shown.low, "high": shown.high,
            "spacing": shown.spacing, "points": len(snapshot.cloud), "version": snapshot.version,
            "timestamps": [] if not len(snapshot.timestamps) else
            [snapshot.timestamps[0], snapshot.timestamps[-1]],
            "loops": snapshot.loops, "losses": snapshot.losses})

    def _send_points(self, state: PageState) -> None:
        assert state.shown is not None
        if self._complete is state.shown:
            return
        pieces = state.shown.pieces
        gone = [key for key, (piece, _) in self._pieces.items() if pieces.get(key) is not piece
                and key not in pieces]
        for key in gone:
            del self._pieces[key]
            self._attributes.pop(key, None)
        if gone:
            self._connection.send(text_message({"type": "gone", "keys": gone}))
        for plan in sending_plan({key: len(piece) for key, piece in pieces.items()}):
            for key, piece in pieces.items():
                known, sent = self._pieces.get(key, (None, 0))
                sent = sent if known is piece else 0
                if sent < plan[key]:
                    self._connection.send(piece.message(sent, plan[key]))
                    self._pieces[key] = piece, plan[key]
                    self._attributes.pop(key, None)
                if self._state().shown is not state.shown:
                    return      # something newer is to be sent instead
        self._complete = state.shown
        self._say("complete", {"version": state.shown.snapshot.version})

    def _send_statistics(self, shown: ShownMap) -> None:
        """Slow to compute: a small share of the time goes into it while the map changes."""
        now = time.monotonic()
        if shown is self._counted:
            return
        if now < self._count_at:
            self._retry_at = min(self._retry_at, self._count_at)
            return
        self._say("statistics", {"classes": [
            [s.points, s.share, s.area] for s in shown.statistics]})
        self._counted = shown
        self._count_at = now + STATISTICS_PAUSE * (time.monotonic() - now)

    def _send_attributes(self, shown: ShownMap) -> None:
        for key, (piece, count) in [*self._pieces.items()]:
            if self._attributes.get(key) != (shown, count):
                self._connection.send(self._shower.attribute_message(shown, piece, count))
                self._attributes[key] = shown, count
            if self._state().shown is not shown or self._ended.is_set():
                return
        self._say("attributes_complete", {"version": shown.snapshot.version})

    def _send_surface(self, shown: ShownMap) -> None:
        """As ``_send_statistics``, in a share of the time."""
        now = time.monotonic()
        if shown is self._surfaced:
            return
        if now < self._surface_at:
            self._retry_at = min(self._retry_at, self._surface_at)
            return
        pieces, is_whole = self._shower.surface(shown)
        is_live = shown.snapshot.live is not None
        self._surface_at = now + SURFACE_PAUSE * (time.monotonic() - now) * is_live
        if is_whole:
            self._surfaced = shown
        else:
            self._retry_at = min(self._retry_at, self._surface_at)
        gone = [key for key in self._surface if key not in pieces]
        if gone:
            self._connection.send(text_message({"type": "mesh_gone", "keys": gone}))
        for key, piece in pieces.items():
            if self._surface.get(key) is not piece:
                self._connection.send(piece.message)
        self._surface = pieces
        if is_whole:
            self._say("surface_complete", {
                "version": shown.snapshot.version,
                "triangles": sum(piece.triangles for piece in pieces.values())})

    def _send_surface_attributes(self, shown: ShownMap) -> None:
        for key in self._surface_attributes.keys() - self._surface.keys():
            del self._surface_attributes[key]
        for key, piece in self._surface.items():
            if self._surface_attributes.get(key) != (shown, piece):
                self._connection.send(self._shower.surface_attribute_message(shown, piece))
                self._surface_attributes[key] = shown, piece
            if self._state().shown is not shown or self._ended.is_set():
                return
        if shown is self._surfaced:
            self._say("surface_attributes_complete", {"version": shown.snapshot.version})


def _rows(poses: np.ndarray) -> np.ndarray:
    """(N, 3, 4) float32 of poses (N, 4, 4)."""
    return np.ascontiguousarray(poses[:, :3, :], np.float32)
