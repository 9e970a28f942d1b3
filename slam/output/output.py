"""Turns map updates into snapshots, files and what a viewer shows.

A new keyframe comes first: it is fused, shown, and written with the small files before anything
else.  What changed of older keyframes, and the big files, take a share of the time meanwhile, and
are all complete at the end.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from scenecode.networks.classes import ClassSet
from scenecode.slam.config.fusion import FusionConfig
from scenecode.slam.corrections.corrected_map import CorrectedMap, Corrector
from scenecode.slam.corrections.correction import CorrectionList
from scenecode.slam.evaluation.report import Report, make_report
from scenecode.slam.evaluation.truth_scorer import TruthScorer
from scenecode.slam.fusion.image_depths import MatchedDepth
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.mapping.map_update import MapUpdate
from scenecode.slam.output.live_view import live_view
from scenecode.slam.output.overview import overview
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.output.sink import MapWriter
from scenecode.slam.output.time_budget import TimeBudget
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.snapshot import KeyframeView, Snapshot
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.slam.runtime.memory import release_free_memory, resident_mb
from scenecode.slam.tracking.tracker import TrackedFrame

#: Seconds between two live views.
LIVE_PERIOD = 0.2
#: Seconds between two commits of frames to the map file, at most.
FRAMES_PERIOD = 0.5
#: Shares of the output's time: fusing known keyframes again, the big files with the scores, and
#: depth from the images of several keyframes.
FUSION_SHARE, FILE_SHARE, MATCHING_SHARE = 0.5, 0.25, 0.25
#: Seconds between two times that freed memory is given back.
RELEASE_PERIOD = 5.0
#: Seconds between two snapshots while there is more to be fused.
SHOW_PERIOD = 1.0
#: Keyframes whose points are moved in the cloud at a time.
MOVED_AT_ONCE = 4


class Output:
    """Fuses every map update and keeps it as a snapshot; writes it to a ``folder`` and by a
    ``map_writer``, shows it by a viewer's ``mailbox``, and calls ``on_snapshot``, where these are
    given.

    ``deferring``: whether ``work`` is called again and again, so that ``on_map`` need not fuse
    all that changed.
    """

    def __init__(self, config: FusionConfig, classes: ClassSet,
                 folder: ResultFolder | None = None, mailbox: Mailbox[Snapshot] | None = None,
                 on_snapshot: Callable[[Snapshot], None] | None = None,
                 map_writer: MapWriter | None = None, deferring: bool = False,
                 corrections: CorrectionList = CorrectionList(),
                 matched: Mapping[int, MatchedDepth] | None = None):
        """``matched``: by number of a keyframe, what images gave for its depth in earlier runs."""
        # of the output thread, or of anyone after the run
        self._fusion = Fusion(config, matched)
        self._corrector = Corrector(config)
        #: the map with the corrections that were applied last
        self._corrected = CorrectedMap(KeyframeGraph())
        self._applied: CorrectionList | None = None
        self._scorer = TruthScorer(len(classes))
        self._folder = folder
        self._map_writer = map_writer
        self._on_snapshot = on_snapshot
        self._deferring = deferring
        self._update: MapUpdate | None = None
        self._fusion_budget, self._file_budget = TimeBudget(FUSION_SHARE), TimeBudget(FILE_SHARE)
        self._matching_budget = TimeBudget(MATCHING_SHARE)
        #: the round of file work in progress, and whether anything changed since it began
        self._round: Iterator[None] | None = None
        self._round_is_due = False
        #: whether results changed since the last snapshot, and ``time.monotonic()`` of that
        self._unshown = False
        self._shown_at = 0.0
        #: final poses of all frames, when they were computed last
        self._trajectory = Trajectory()
        self._resident_mb = 0.0
        #: ``time.monotonic()`` of the next time that freed memory is given back
        self._release_at = 0.0
        #: ``time.monotonic()`` of the last commit to the map file
        self._committed_at = 0.0
        #: contents of report.json
        self.report = Report()

        self._mailbox = mailbox
        self._next_live = 0.0               # tracking thread
        self._lock = threading.Lock()
        #: the newest snapshot and its keyframes by number, replaced whole; guarded by _lock
        self._snapshot = Snapshot(version=0, classes=classes)
        self._views: Mapping[int, KeyframeView] = {}
        #: replaced whole by any thread
        self._corrections = corrections

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot."""
        with self._lock:
            return self._snapshot

    # --- any thread ------------------------------------------------------------------

    def correct(self, corrections: CorrectionList) -> None:
        """Replace the corrections of labels; ``work`` applies them."""
        self._corrections = corrections

    def number_of(self, frame_index: int) -> int:
        """The number of a keyframe of the newest snapshot."""
        with self._lock:
            views = self._views
        return next(n for n, view in views.items() if view.frame_index == frame_index)

    @property
    def expressed(self) -> Mapping[int, float]:
        """By number of a correction: the share of its region that codes alone label as stated."""
        return self._corrected.expressed

    # --- the output thread -----------------------------------------------------------

    def on_map(self, update: MapUpdate) -> None:
        """Fuse, show and write the new keyframes of a map, and note the others for ``work``."""
        self._update = update
        self._round_is_due = True
        if self._deferring:
            self._show_new_keyframes(update.graph)
        else:
            self._fuse_all(settled=False)
            self._show()
        self._write_small_files()
        for requested_at in update.answered:
            update.timings.output_lag.add(time.monotonic() - requested_at)
        if not self._deferring:
            while self.work() == 0:
                pass

    def work(self, is_interrupted: Callable[[], bool] = lambda: False) -> float | None:
        """Do a piece of what can wait, if its time has come, and less where that
        ``is_interrupted``; returns the seconds until the next one, or None when nothing is left to
        be done."""
        self._apply_new_corrections()
        waits: list[float | None] = []
        for do_a_piece in (self._work_on_map, self._match, self._work_on_files):
            if is_interrupted():
                return 0.0
            waits += [do_a_piece(), self._keep_frames()]
        self._sample_memory()
        return min((wait for wait in waits if wait is not None), default=None)

    def finish(self) -> None:
        """Bring everything up to date, and draw the picture of the whole result."""
        if self._update is None:
            return
        self._fuse_all(settled=True)
        for _ in self._file_work(scale_tolerance=0.0):
            pass
        self._show()
        self._write_small_files()
        if self._folder is not None and self._snapshot.keyframes:
            self._folder.write_overview(overview(self._snapshot))

    def _apply_new_corrections(self) -> None:
        """Where the list of corrections changed, fuse what they change at once, the newest
        keyframes first, and commit them."""
        if self._update is None or self._corrections is self._applied:
            return
        if self._applied is None and not len(self._corrections):
            return
        corrected, restated = self._correct_map(self._update.graph)
        self._fusion.set_map(corrected.graph, stated=corrected.stated, restated=restated)
        for number in self._fusion.fuse_again:
            self._fusion.fuse(number)
        while self._fusion.place():
            pass
        self._round_is_due = True
        self._show()
        self._write_small_files()

    def _correct_map(self, graph: KeyframeGraph) -> tuple[CorrectedMap, frozenset[int]]:
        """The map with the present corrections, and the keyframes that must follow exactly: those
        of corrections that are new, or count no more."""
        corrections, before = self._corrections, self._corrected
        corrected = self._corrector.apply(graph, corrections)
        restated = frozenset[int]() if corrections is self._applied \
            else (before.involved | corrected.involved) & graph.keyframes.keys()
        self._corrected, self._applied = corrected, corrections
        return corrected, restated

    def _fuse_all(self, settled: bool) -> None:
        corrected, restated = self._correct_map(self._present.graph)
        self._fusion.update(corrected.graph, corrected.stated, restated, settled)

    def _show_new_keyframes(self, graph: KeyframeGraph) -> None:
        corrected, restated = self._correct_map(graph)
        self._fusion.set_map(corrected.graph, stated=corrected.stated, restated=restated)
        # the resting keyframes of a map that is continued can wait
        active = set(graph.active)
        new = [number for number in self._fusion.never_fused if number in active]
        for number in new:
            self._fusion.fuse(number)
            self._fusion.place(1)
            self._show()
            self._keep_frames()
            self._write_new_keyframes()
        if not new:
            self._show()

    def _work_on_map(self) -> float | None:
        """Fuse one keyframe or move the points of some; ``None`` when all is up to date."""
        if self._update is None:
            return None
        if self._fusion_budget.wait:
            return self._fusion_budget.wait
        with self._fusion_budget.spending():
            to_fuse = [*self._fusion.fuse_again, *self._fusion.never_fused][:1]
            for number in to_fuse:
                self._fusion.fuse(number)
                self._unshown = True
            more = self._fusion.place(1 if to_fuse else MOVED_AT_ONCE) \
                or bool(self._fusion.fuse_again or self._fusion.never_fused)
            changed = self._unshown or self._fusion.cloud is not self._snapshot.cloud
            if changed and (not more or time.monotonic() > self._shown_at + SHOW_PERIOD):
                self._show()
                self._round_is_due = True
        return self._fusion_budget.wait if more else None

    def _match(self) -> float | None:
        """Do a piece of the comparison of images with that of a keyframe at rest, which is short,
        so that a new keyframe need not wait; ``None`` when all were compared."""
        if not self._deferring or not self._fusion.unmatched:
            return None
        if not self._matching_budget.wait:
            matched = self._fusion.matched
            with self._matching_budget.spending():
                self._fusion.match_a_piece()
            if self._fusion.matched is not matched:
                return 0.0      # what it changed is fused next
        return self._matching_budget.wait

    def _work_on_files(self) -> float | None:
        if self._update is None or (self._round is None and not self._round_is_due):
            return None
        if self._file_budget.wait:
            return self._file_budget.wait
        with self._file_budget.spending():
            if self._round is None:
                self._round_is_due = False
                self._round = self._file_work()
            try:
                next(self._round)
            except StopIteration:
                self._round = None
                return None
        return self._file_budget.wait

    def _keep_frames(self) -> float | None:
        """Commit the frames that were tracked since the last map update, which may be long ago
        while known keyframes are enough."""
        if self._map_writer is None or self._update is None:
            return None
        now = time.monotonic()
        if now >= self._committed_at + FRAMES_PERIOD:
            self._commit()
        return self._committed_at + FRAMES_PERIOD - now

    def _commit(self) -> None:
        if self._map_writer is not None:
            self._map_writer.commit(replace(self._present, corrections=self._corrections,
                                            image_depths=self._fusion.matched))
            self._committed_at = time.monotonic()

    def _file_work(self, **scoring: float) -> Iterator[None]:
        """Write what is not written with every keyframe, and compute errors, in pieces; each is
        of the map at that time."""
        update = self._present
        final = self._trajectory = update.recording.final(update.graph)
        if self._folder is not None:
            self._folder.write_trajectories(final, update.recording.live())
            yield
            for view in self._folder.outdated(tuple(self._fusion.keyframe_views().values())):
                self._folder.write_keyframe(view)
                yield
        update = self._present
        yield from self._scorer.pieces(update.recording, final, update.graph,
                                       self._fusion.keyframe_views(), **scoring)
        self._tell(self._made_report(self._present))
        if self._folder is not None:
            yield
            self._folder.write_cloud(self._fusion.cloud)

    @property
    def _present(self) -> MapUpdate:
        assert self._update is not None
        return self._update

    def _show(self) -> None:
        """Make a snapshot of the map as it is fused, and hand it out; the trajectory in it may be
        of a little earlier."""
        self._unshown, self._shown_at = False, time.monotonic()
        if not self._file_budget.wait:
            with self._file_budget.spending():
                self._trajectory = self._present.recording.final(self._present.graph)
        views, cloud = self._fusion.keyframe_views(), self._fusion.cloud
        loops = tuple((views[loop.older].frame_index, views[loop.newer].frame_index)
                      for loop in self._present.graph.loops
                      if loop.older in views and loop.newer in views)
        losses = tuple((first, last) for first, last in self._present.recording.lost_spans())
        with self._lock:
            self._views = views
            self._snapshot = replace(self._snapshot, version=self._snapshot.version + 1,
                                     keyframes=tuple(views.values()), cloud=cloud,
                                     trajectory=self._trajectory.T_world_cam,
                                     timestamps=self._trajectory.timestamps, loops=loops,
                                     losses=losses)
            snapshot = self._snapshot
        if self._mailbox is not None:
            self._mailbox.put(snapshot)
        if self._on_snapshot is not None:
            self._on_snapshot(snapshot)

    def _write_small_files(self) -> None:
        """New keyframes, the poses of all, the report, and the map file."""
        self._sample_memory()
        self._write_new_keyframes()
        if self._folder is not None:
            self._folder.write_poses(tuple(self._views.values()))
        # what the report counts is in the map file before it is told
        report = self._made_report(self._present)
        self._commit()
        self._tell(report)

    def _write_new_keyframes(self) -> None:
        if self._folder is not None:
            for view in filter(self._folder.is_new, reversed([*self._views.values()])):
                self._folder.write_keyframe(view)

    def _made_report(self, update: MapUpdate) -> Report:
        return make_report(update.recording, update.timings, update.graph, self._scorer.scores,
                           self._resident_mb)

    def _tell(self, report: Report) -> None:
        self.report = report
        if self._folder is not None:
            self._folder.write_report(self.report)

    def _sample_memory(self) -> None:
        if time.monotonic() >= self._release_at:
            self._release_at = time.monotonic() + RELEASE_PERIOD
            release_free_memory()
        self._resident_mb = max(self._resident_mb, resident_mb())

    # --- the thread that tracks ------------------------------------------------------

    def on_frame(self, frame: Frame, tracked: TrackedFrame) -> None:
        """Show the current frame, as often as a person can take it in."""
        if self._mailbox is None or time.monotonic() < self._next_live:
            return
        self._next_live = time.monotonic() + LIVE_PERIOD
        live = live_view(frame, tracked, self._view_of(tracked.keyframe))
        with self._lock:
            self._snapshot = replace(self._snapshot, live=live)
            snapshot = self._snapshot
        self._mailbox.put(snapshot)

    def _view_of(self, keyframe: int) -> KeyframeView | None:
        """The view of a keyframe, or the newest one where it has none yet or was culled."""
        with self._lock:
            views = self._views
        return views.get(keyframe) or next(reversed([*views.values()]), None)
