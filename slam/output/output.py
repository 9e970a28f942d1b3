"""Turns map updates into snapshots, files and what a viewer shows."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from scenecode.networks.classes import VOID, ClassSet
from scenecode.slam.config.slam_config import FusionConfig
from scenecode.slam.evaluation.report import make_report
from scenecode.slam.fusion.map_fusion import Fusion, splat
from scenecode.slam.mapping.map_update import MapUpdate
from scenecode.slam.output.overview import overview
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.snapshot import KeyframeView, LiveView, Snapshot
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.slam.tracking.tracker import TrackedFrame

#: Seconds between two pictures of the current frame.
LIVE_PERIOD = 0.2


class OutputSink(Protocol):
    """Where the system puts map and frames.  ``on_map`` and ``finish`` are called by the output
    thread, or after it ended; ``on_frame`` by the thread that tracks."""

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def report(self) -> dict: ...

    def on_map(self, update: MapUpdate) -> None: ...

    def on_frame(self, frame: Frame, tracked: TrackedFrame) -> None: ...

    def finish(self) -> None: ...


class NoOutput:
    """For runs of which only poses and keyframes are wanted: nothing is fused or written."""

    report: dict = {}

    def __init__(self, classes: ClassSet):
        self.snapshot = Snapshot(0, classes)

    def on_map(self, update: MapUpdate) -> None: ...

    def on_frame(self, frame: Frame, tracked: TrackedFrame) -> None: ...

    def finish(self) -> None: ...


class Output:
    """Fuses every map update and keeps it as a snapshot; writes it to a ``folder``, shows it by
    a viewer's ``mailbox``, and calls ``on_snapshot``, where these are given."""

    def __init__(self, config: FusionConfig, classes: ClassSet,
                 folder: ResultFolder | None = None, mailbox: Mailbox[Snapshot] | None = None,
                 on_snapshot: Callable[[Snapshot], None] | None = None):
        self._fusion = Fusion(config)       # output thread
        self._on_snapshot = on_snapshot
        self._folder = folder               # output thread
        self._mailbox = mailbox
        self._next_live = 0.0               # tracking thread
        self._lock = threading.Lock()
        #: the newest snapshot, replaced whole; guarded by _lock
        self._snapshot = Snapshot(0, classes)
        #: contents of report.json; output thread, or anyone after the run
        self.report: dict = {}

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot."""
        with self._lock:
            return self._snapshot

    def on_map(self, update: MapUpdate) -> None:
        """Fuse, then write and show the map as it now stands."""
        graph = update.graph
        views = self._fusion.keyframe_views(graph)
        cloud = self._fusion.cloud(graph)
        final = update.recording.final(graph)
        with self._lock:
            self._snapshot = replace(self._snapshot, version=update.version, keyframes=views,
                                     cloud=cloud, trajectory=final.T_world_cam)
            snapshot = self._snapshot
        self.report = make_report(update.recording, update.timings, views, graph)
        if self._folder is not None:
            self._folder.write_map(snapshot)
            self._folder.write_trajectories(final, update.recording.live())
            self._folder.write_report(self.report)
        if self._mailbox is not None:
            self._mailbox.put(snapshot)
        if self._on_snapshot is not None:
            self._on_snapshot(snapshot)

    def finish(self) -> None:
        """Draw the picture of the whole result."""
        if self._folder is not None and self.snapshot.keyframes:
            self._folder.write_overview(overview(self.snapshot))

    def on_frame(self, frame: Frame, tracked: TrackedFrame) -> None:
        """Show the current frame, as often as a person can take it in."""
        if self._mailbox is None or time.monotonic() < self._next_live:
            return
        self._next_live = time.monotonic() + LIVE_PERIOD
        reference = self._view_of(tracked.keyframe)
        live = live_view(frame, tracked, reference)
        with self._lock:
            self._snapshot = replace(self._snapshot, live=live)
            snapshot = self._snapshot
        self._mailbox.put(snapshot)

    def _view_of(self, keyframe: int) -> KeyframeView | None:
        views = self.snapshot.keyframes
        return views[min(keyframe, len(views) - 1)] if views else None


def live_view(frame: Frame, tracked: TrackedFrame, reference: KeyframeView | None) -> LiveView:
    """A frame with the depth and labels that a keyframe gives it; empty without one."""
    T_world_cam = tracked.T_world_cam.double().cpu().numpy()
    shape = (frame.camera.height, frame.camera.width)
    if reference is None:
        depth, labels = np.zeros(shape, np.float32), np.full(shape, VOID, np.uint8)
    else:
        T_cam_key = np.linalg.inv(T_world_cam) @ reference.T_world_cam
        depth, labels = splat(reference, T_cam_key, frame.camera)
    pixels = (frame.image * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return LiveView(frame.index, frame.timestamp, T_world_cam, frame.camera,
                    np.ascontiguousarray(pixels), depth, labels, tracked.lost)
