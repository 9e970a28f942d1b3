"""The standard viewer: a local web page."""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.server import ServerConnection

from scenecode.core.colours import amount_colours
from scenecode.slam.corrections.editor import LabelEditor
from scenecode.slam.records.snapshot import KeyframeView, Snapshot
from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.viewer.access import Access
from scenecode.viewer.address import page_url
from scenecode.viewer.base import RunControls
from scenecode.viewer.commands import PageCommands
from scenecode.viewer.inspection.annotations import AnnotationBook
from scenecode.viewer.server import PageServer
from scenecode.viewer.session import Session
from scenecode.viewer.shown_map import MapShower, ShownMap
from scenecode.viewer.state import LiveImages, PageState

#: Seconds between two looks at how the run is doing.
STATUS_PERIOD = 0.5


class WebViewer:
    """Shows the map, the path, the keyframes and the current frame to any number of browsers.

    Listens on ``host`` (by default this machine only) at ``port`` or the next free one; ``url``
    says where, ``link`` with the token that is needed from elsewhere.

    * ``title``: of the page.
    * ``view_only``: nothing can be changed.
    * ``controls``: steers the run.
    * ``annotations``: file of measures, marks and colours; with ``new_annotations`` what is in it
      is replaced.
    * ``probabilities``: (C, H, W) of a keyframe by its frame index, where they are known.
    * ``error``: (H, W) metres by which the depth of a keyframe is off, where that is known.
    * ``polygons``: triangles of a map's polygons, which pages then show in place of points; by
      default pages can show the surface.

    Raises ``ViewerError`` when the address is not to be had, ``ResultError`` for damaged
    annotations.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 8080, *, title: str = "scenecode",
                 view_only: bool = False,
                 controls: RunControls | None = None, annotations: Path | None = None,
                 new_annotations: bool = False,
                 probabilities: Callable[[int], np.ndarray | None] | None = None,
                 error: Callable[[KeyframeView], np.ndarray | None] = lambda view: None,
                 polygons: Callable[[Snapshot], TriangleMesh] | None = None):
        self._polygons = polygons
        self._title, self._controls = title, controls
        self._editor: LabelEditor | None = None
        self._has_probabilities = probabilities is not None
        self._probabilities = probabilities or (lambda index: None)
        self._error = error
        self._annotations = AnnotationBook(annotations, new_annotations)
        self._changed = threading.Condition()
        self._state = PageState(annotations=self._annotation_content())   # guarded by _changed
        self._hello: dict[str, Any] = {}
        self._shower: MapShower | None = None
        self._commands: PageCommands | None = None
        self._ready = threading.Event()
        self._closed = threading.Event()
        self.access = Access(host, view_only)
        self._host = host
        self._server = PageServer(host, port, self.access, self._serve)
        self._status_thread: threading.Thread | None = None
        if controls is not None:
            self._status_thread = threading.Thread(target=self._watch, name="viewer-status",
                                                   daemon=True)
            self._status_thread.start()

    @property
    def url(self) -> str:
        """Address of the page."""
        return page_url(self._host, self._server.port)

    @property
    def link(self) -> str:
        """What to open: the address, with the token where that is needed."""
        return self.access.link(self.url)

    def set_editor(self, editor: LabelEditor | None) -> None:
        """Let pages correct labels, of the map that is shown next."""
        self._editor = editor
        if self._commands is not None:
            self._commands.editor = editor

    def show(self, snapshot: Snapshot) -> None:
        """Show ``snapshot``; parts that did not change are not sent again."""
        if self._shower is None:
            self._begin(snapshot)
        assert self._shower is not None
        shown, live = self._shower.show(snapshot), self._state.live
        if snapshot.live is None:
            live = None
        elif live is None or live.view is not snapshot.live:
            live = LiveImages(snapshot.live)
        self._set(shown=shown, live=live)

    def close(self) -> None:
        """Stop the server.  A second call does nothing."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._ready.set()
        self._server.close()
        if self._status_thread is not None:
            self._status_thread.join()

    # --- what changes ----------------------------------------------------------------

    def _begin(self, snapshot: Snapshot) -> None:
        ramp = amount_colours(np.linspace(0, 1, 256)[None])[0]
        self._hello = {"title": self._title, "classes": snapshot.classes.to_json(),
                       "is_live": self._controls is not None,
                       "can_correct": self._editor is not None, "ramp": ramp,
                       "has_probabilities": self._has_probabilities,
                       "has_polygons": self._polygons is not None}
        self._shower = MapShower(len(snapshot.classes), self._probabilities, self._error,
                                 self._polygons)
        self._commands = PageCommands(
            self._shower, self._shown, self._annotations, on_change=self._on_change,
            editor=self._editor, controls=self._controls)
        self._ready.set()

    def _shown(self) -> ShownMap:
        shown = self._state.shown
        assert shown is not None  # pages are served when there is something
        return shown

    def _on_change(self) -> None:
        """A page changed something."""
        if self._editor is not None:
            snapshot = self._editor.snapshot
            if snapshot.version != self._shown().snapshot.version and self._controls is None:
                self.show(snapshot)
        self._set(annotations=self._annotation_content(), status=self._status())

    def _set(self, **values: Any) -> None:
        with self._changed:
            self._state = replace(self._state, serial=self._state.serial + 1, **values)
            self._changed.notify_all()

    def _annotation_content(self) -> dict[str, Any]:
        return asdict(self._annotations.current)

    def _status(self) -> dict[str, Any]:
        return {} if self._controls is None else self._controls.status()

    def _watch(self) -> None:
        while not self._closed.wait(STATUS_PERIOD):
            self._set(status={**self._status(), "time": round(time.time(), 1)})

    def _serve(self, connection: ServerConnection, may_change: bool) -> None:
        self._ready.wait()
        if self._commands is None or self._shower is None:
            return
        Session(connection=connection, commands=self._commands, shower=self._shower,
                state=lambda: self._state, changed=self._changed, hello=self._hello,
                may_change=may_change).serve()
