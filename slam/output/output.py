"""Turns map updates into snapshots, files and what a viewer shows."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from scenecode.networks.classes import ClassSet
from scenecode.slam.config.fusion import FusionConfig
from scenecode.slam.evaluation.report import Report, make_report, truth_scores
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.mapping.map_update import MapUpdate
from scenecode.slam.output.live_view import live_view
from scenecode.slam.output.overview import overview
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.snapshot import KeyframeView, Snapshot
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.slam.tracking.tracker import TrackedFrame

#: Seconds between two live views.
LIVE_PERIOD = 0.2
#: While a run goes on, errors against truth are recomputed when the map has grown by this
#: part, since they look at the whole run: so all of them together take time linear in its length.
SCORING_GROWTH = 0.1


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
        #: errors against truth, the number of keyframes and the update that they are of;
        #: output thread
        self._scores: Mapping[str, float] = {}
        self._scored_keyframes = 0
        self._scored: MapUpdate | None = None
        self._newest: MapUpdate | None = None
        self._lock = threading.Lock()
        #: the newest snapshot, replaced whole; guarded by _lock
        self._snapshot = Snapshot(version=0, classes=classes)
        #: contents of report.json; output thread, or anyone after the run
        self.report = Report()

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot."""
        with self._lock:
            return self._snapshot

    def on_map(self, update: MapUpdate) -> None:
        """Fuse, then write and show the map as it now stands.

        The report's errors against truth may be of an earlier update until ``finish``.
        """
        graph = update.graph
        views = self._fusion.keyframe_views(graph)
        cloud = self._fusion.cloud(graph)
        final = update.recording.final(graph)
        with self._lock:
            self._snapshot = replace(self._snapshot, version=update.version, keyframes=views,
                                     cloud=cloud, trajectory=final.T_world_cam)
            snapshot = self._snapshot
        self._newest = update
        if self._scoring_is_due(len(graph)):
            self._score(update, views)
        self.report = make_report(update.recording, update.timings, graph, self._scores)
        if self._folder is not None:
            self._folder.write_map(snapshot)
            self._folder.write_trajectories(final, update.recording.live())
            self._folder.write_report(self.report)
        if self._mailbox is not None:
            self._mailbox.put(snapshot)
        if self._on_snapshot is not None:
            self._on_snapshot(snapshot)

    def finish(self) -> None:
        """Complete the report, and draw the picture of the whole result."""
        snapshot = self.snapshot
        if self._newest is not None and self._newest is not self._scored:
            self._score(self._newest, snapshot.keyframes)
            self.report = make_report(self._newest.recording, self._newest.timings,
                                      self._newest.graph, self._scores)
            if self._folder is not None:
                self._folder.write_report(self.report)
        if self._folder is not None and snapshot.keyframes:
            self._folder.write_overview(overview(snapshot))

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

    def _scoring_is_due(self, keyframes: int) -> bool:
        """Whether the map has grown by ``SCORING_GROWTH``, or was restarted."""
        before = self._scored_keyframes
        return keyframes < before or keyframes > before + int(SCORING_GROWTH * before)

    def _score(self, update: MapUpdate, views: tuple[KeyframeView, ...]) -> None:
        self._scores = truth_scores(update.recording, views, update.graph)
        self._scored, self._scored_keyframes = update, len(update.graph)
