"""What the system hands its map and frames to."""

from collections.abc import Callable
from typing import Protocol

from scenecode.networks.classes import ClassSet
from scenecode.slam.evaluation.report import Report
from scenecode.slam.mapping.map_update import MapUpdate
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.snapshot import Snapshot
from scenecode.slam.tracking.tracker import TrackedFrame


class MapWriter(Protocol):
    """A map file that is kept up to date."""

    def commit(self, update: MapUpdate) -> None:
        """Make the map as it is in an update durable.  Called by the output thread."""


class OutputSink(Protocol):
    """``on_map``, ``work`` and ``finish`` are called by the output thread, or after it ended;
    ``on_frame`` by the thread that tracks."""

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def report(self) -> Report: ...

    def on_map(self, update: MapUpdate) -> None: ...

    def work(self, is_interrupted: Callable[[], bool] = ...) -> float | None:
        """Do a piece of what can wait, and less where that ``is_interrupted``; returns the seconds
        until the next one, None when there is none before another update."""
        ...

    def on_frame(self, frame: Frame, tracked: TrackedFrame) -> None: ...

    def finish(self) -> None: ...


class NoOutput:
    """For runs of which only poses and keyframes are wanted: nothing is fused or written."""

    def __init__(self, classes: ClassSet):
        self.snapshot = Snapshot(version=0, classes=classes)
        self.report = Report()

    def on_map(self, update: MapUpdate) -> None: ...

    def work(self, is_interrupted: Callable[[], bool] = lambda: False) -> float | None:
        return None

    def on_frame(self, frame: Frame, tracked: TrackedFrame) -> None: ...

    def finish(self) -> None: ...
