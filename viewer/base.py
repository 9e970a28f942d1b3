"""The interface of a viewer: two methods."""

from typing import Protocol

from scenecode.core.errors import ScenecodeError
from scenecode.slam.records.snapshot import Snapshot


class ViewerError(ScenecodeError):
    """A viewer that cannot open: an address or a port that is not to be had."""


class Viewer(Protocol):
    """Anything that can draw a snapshot: a web page, a window, a recording.

    Both methods are called from one thread, the viewer's own, so a tool that
    insists on its drawing thread (OpenGL, Pangolin) fits.  Snapshots are frozen
    and share no memory with the live system; a viewer neither changes them nor
    asks the system for anything else.
    """

    def show(self, snapshot: Snapshot) -> None:
        """Draw ``snapshot`` in place of the one before.  May be slow: snapshots
        that arrive meanwhile are skipped, nothing waits for the viewer."""

    def close(self) -> None:
        """Give back windows, threads and ports.  A second call does nothing."""
