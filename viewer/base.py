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


class RunControls(Protocol):
    """A run that is going on, as a viewer steers it.  Any thread may call."""

    def pause(self) -> None:
        """Take no more frames until ``resume``."""
        ...

    def resume(self) -> None: ...

    def stop(self) -> None:
        """End the run after the present frame and save everything."""
        ...

    def new_map(self) -> None:
        """Save the map and begin another one with the next frame."""
        ...

    def status(self) -> dict[str, float | str | None]:
        """``state`` (``running``, ``paused``, ``stopping`` or ``ended``), and what is known of
        ``fps``, ``lag_s``, ``memory_mb`` and ``waiting``, the items that wait for mapping."""
        ...
