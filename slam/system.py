"""The whole system: frames in, poses and map out; in two threads or in one.

The caller's thread reads frames and has them tracked by a process of its own, mapping runs
in another thread, and a third thread hands the map to files and viewers.  They share three
things, each replaced whole: the newest keyframe request (tracking to mapping), the published
map (mapping to tracking), and the newest map update (mapping to output).  The sequential mode
makes the same calls in one thread, in a fixed order.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import torch

from scenecode.networks.prediction import Predictor
from scenecode.optim.geometry import se3
from scenecode.optim.lucas_kanade import Alignment
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.mapping.published_map import PublishedMap, publish
from scenecode.slam.mapping.work import StageOptimised
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.snapshot import Mailbox
from scenecode.slam.runtime.worker import Worker, single_threaded_operations
from scenecode.slam.sources.base.source import Source
from scenecode.slam.tracking.process import TrackingProcess
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings
from scenecode.slam.tracking.tracker import TrackedFrame, Tracker

#: Niceness of the threads beside tracking: a late map is better than a late pose, and late
#: files are better than a late map.
MAPPING_NICENESS, OUTPUT_NICENESS = 5, 10

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MapUpdate:
    """What mapping hands to the output."""

    version: int
    graph: KeyframeGraph
    recording: Recording
    timings: Timings


class System:
    """Runs a source to its end, or until ``stop`` is set.

    ``on_map`` is called with every ``MapUpdate`` that the output has time for, and
    always with the last; ``on_frame`` with every tracked frame.
    """

    def __init__(self, config: SlamConfig, predictor: Predictor,
                 on_map: Callable[[MapUpdate], None] = lambda update: None,
                 on_frame: Callable[[Frame, TrackedFrame], None] = lambda frame, t: None):
        self.config = config
        self.recording = Recording()
        self.timings = Timings()
        self.stop = threading.Event()
        self._device = torch.device(config.device)
        self._on_map = on_map
        self._on_frame = on_frame
        self._mapper = Mapper(config.mapping, predictor)     # mapping thread
        #: what tracking was last told; tracking thread
        self._known_to_tracking: PublishedMap | None = None
        self._version = 0                                            # mapping thread
        #: set when there is something to track against, or when there never will be
        self._started = threading.Event()
        #: written by mapping, read by tracking, replaced whole
        self._published: PublishedMap | None = None

    @property
    def graph(self) -> KeyframeGraph:
        """The live graph; to be read when nothing runs."""
        return self._mapper.graph

    # --- one thread -----------------------------------------------------------------

    def run_sequential(self, source: Source) -> None:
        """Track and map in turn: deterministic, waits for nothing, drops nothing."""
        tracker = Tracker(self.config.tracking, self.config.keyframes)
        for frame in self._usable(source):
            tracked = self._process(frame, self._published, tracker)
            if tracked is not None and tracked.wants_keyframe:
                self._insert(frame, tracked)
                while self._mapper.has_work:
                    self._improve()
                self._publish()
                self._on_map(self._update())
        self._on_map(self._update())

    # --- tracking beside mapping ----------------------------------------------------

    def run_threaded(self, source: Source, realtime: bool = True) -> None:
        """Track in a process of its own while a thread maps and another writes.

        ``realtime`` plays a recording at its own speed, as a camera would deliver it.
        An exception in any thread ends the run and is raised here.
        """
        requests, outbox = Mailbox(), Mailbox()
        tracker = TrackingProcess(self.config.tracking, self.config.keyframes)
        with closing(tracker), single_threaded_operations():
            tracker.wait_until_ready()
            workers = [Worker("mapping", MAPPING_NICENESS, self._abort,
                               lambda: self._map_loop(requests, outbox)),
                       Worker("output", OUTPUT_NICENESS, self._abort,
                               lambda: self._output_loop(outbox))]
            try:
                frames = self._usable(source)
                if realtime and not source.is_live:
                    frames = self._paced(frames)
                self._track_loop(frames, tracker, requests)
                self.timings.tracking_memory_mb = tracker.peak_memory_mb()
            finally:
                requests.close()
                for worker in workers:
                    worker.join()
        for worker in workers:
            if worker.failure is not None:
                raise worker.failure

    def _track_loop(self, frames: Iterator[Frame], tracker: TrackingProcess,
                    requests: Mailbox) -> None:
        keyframes_at_request = -1
        for frame in frames:
            published = self._published
            tracked = self._process(frame, published, tracker)
            keyframes = 0 if published is None else len(published.graph)
            if tracked is None:
                continue
            # one request at a time: the next one when tracking has seen its keyframe
            if tracked.begins_map or tracked.wants_keyframe and keyframes > keyframes_at_request:
                keyframes_at_request = 0 if tracked.begins_map else keyframes
                requests.put((frame, tracked, time.monotonic()))
            if tracked.begins_map:
                # nothing can be tracked before the first keyframe
                self._started.wait()

    def _paced(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Hold every frame back until a camera would have delivered it."""
        offset = None
        for frame in frames:
            if offset is None:
                offset = time.monotonic() - frame.timestamp
            ahead = frame.timestamp + offset - time.monotonic()
            if ahead > 0 and self.stop.wait(ahead):
                return
            yield frame

    def _map_loop(self, requests: Mailbox, outbox: Mailbox) -> None:
        requested = 0.0
        try:
            while True:
                request = requests.get(0 if self._mapper.has_work else None)
                if request is not None:
                    frame, tracked, requested = request
                    self._insert(frame, tracked)
                    # even a first guess of its depth serves tracking better than looking away
                    self._publish()
                elif not self._mapper.has_work:
                    break  # closed, and all is done
                if self._mapper.has_work and self._improve(lambda: requests.has_item):
                    self._publish()
                # a keyframe that cuts the work on the one before must not keep it from files
                if not self._mapper.has_work or requests.has_item:
                    self.timings.lag.append(time.monotonic() - requested)
                    outbox.put(self._update())
            # with the frames that came after the last keyframe
            outbox.put(self._update())
        finally:
            outbox.close()

    def _output_loop(self, outbox: Mailbox) -> None:
        while (update := outbox.get()) is not None:
            self._on_map(update)

    def _abort(self) -> None:
        """A thread failed: end the others."""
        self.stop.set()
        self._started.set()

    # --- the steps, common to both ------------------------------------------------------

    def _usable(self, source: Source) -> Iterator[Frame]:
        for frame in source:
            if self.stop.is_set():
                return
            self.recording.note_truth(frame)
            if not bool(frame.image.isfinite().all()):
                _log.warning("frame %d of %s holds pixels that are not numbers; skipped",
                             frame.index, source.name)
                self.recording.unusable.append(frame.index)
                continue
            yield replace(frame, image=frame.image.to(self._device))

    def _process(self, frame: Frame, published: PublishedMap | None,
                 tracker: Tracker | TrackingProcess) -> TrackedFrame | None:
        """Track a frame against the map as published.

        Before there is one, or when it came to nothing, the first frame with enough contrast
        founds it; None for those without.
        """
        if published is not None and self._initialisation_failed(published):
            _log.warning("nothing could be tracked against the first keyframe, frame %d; the map "
                         "begins anew at frame %d", published.reference.frame_index, frame.index)
            self.recording.reset()
            self._started.clear()
            self._published = published = None
        if published is None:
            if float(frame.pyramid[0].std()) < self.config.tracking.min_contrast:
                self.recording.unusable.append(frame.index)
                return None
            tracked = _origin(frame)
        else:
            started = time.perf_counter()
            if published is not self._known_to_tracking:
                tracker.set_map(published.reference, published.T_world_keyframes)
                self._known_to_tracking = published
            tracked = tracker.track(frame.index, frame.timestamp, frame.pyramid)
            self.timings.tracking.append(time.perf_counter() - started)
        self.recording.tracked.append(tracked)
        self._on_frame(frame, tracked)
        return tracked

    def _initialisation_failed(self, published: PublishedMap) -> bool:
        """Whether the first keyframe was noise, or a picture that has gone for good."""
        tracked = self.recording.tracked
        return len(published.graph) == 1 and len(tracked) > self.config.tracking.give_up_after \
            and all(entry.lost for entry in tracked[1:])

    def _insert(self, frame: Frame, tracked: TrackedFrame) -> None:
        started = time.perf_counter()
        self._mapper.insert_tracked(frame, tracked)
        self.timings.keyframe.append(time.perf_counter() - started)

    def _improve(self, should_stop: Callable[[], bool] = lambda: False) -> bool:
        """Do the next piece of work; whether it may have changed the map."""
        started = time.perf_counter()
        result = self._mapper.step(should_stop)
        spent = time.perf_counter() - started
        if isinstance(result, StageOptimised):
            self.timings.iteration.append(spent / max(result.solution.iterations, 1))
        else:
            self.timings.loop.append(spent)
        return result is not None and result.changed_map

    def _publish(self) -> None:
        self._published = publish(self._mapper.graph, self.config.tracking)
        self._started.set()

    def _update(self) -> MapUpdate:
        self._version += 1
        return MapUpdate(self._version, self._mapper.graph.frozen(), self.recording, self.timings)


def _origin(frame: Frame) -> TrackedFrame:
    """The first frame: it is where the world begins."""
    T = se3.identity(device=frame.image.device)
    return TrackedFrame(frame.index, frame.timestamp, 0, T, T,
                        Alignment(T, 1.0, 0.0, 0.0, 1.0, 1.0), lost=False, wants_keyframe=True,
                        begins_map=True)
