"""The back end: keyframes are inserted, optimised, published and handed to the output.

``Backend`` does that in the caller's thread, ``ThreadedBackend`` by the same steps in a thread
of its own, with the output in another.  Both own a ``Mapper``; nobody else changes the map.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from scenecode.networks.prediction import Predictor
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.frame_placement import Placed, place_frames
from scenecode.slam.known_map import KnownMap
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapping.map_update import MapUpdate
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.mapping.published_map import PublishedMap, publish
from scenecode.slam.mapping.work import StageOptimised
from scenecode.slam.output.sink import OutputSink
from scenecode.slam.records.frame import Frame
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.slam.runtime.worker import Worker
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings
from scenecode.slam.tracking.tracker import TrackedFrame

#: Niceness of the threads that run while another tracks: late files are better than a late map,
#: and a late map has too few keyframes to track against.
MAPPING_NICENESS, OUTPUT_NICENESS = 0, 7
#: Seconds after the request for a keyframe from which on the rest of its optimisation is left out.
LATE = 1.2


@dataclass(frozen=True)
class KeyframeRequest:
    """From tracking to mapping: a keyframe is wanted where this frame was taken."""

    #: counts requests, from 1
    serial: int
    frame: Frame
    tracked: TrackedFrame
    #: ``time.monotonic()`` of the request
    requested_at: float


@dataclass(frozen=True)
class FromTracking:
    """What tracking has for mapping; newer requests and frames replace older ones."""

    request: KeyframeRequest | None = None
    #: a frame whose pose tracking did not find
    lost: Frame | None = None


@dataclass(frozen=True)
class FramePlacing:
    """What it takes to place the frames of a run at its end."""

    #: gives them once more
    again: Callable[[], Iterable[Frame]]
    should_stop: Callable[[], bool]
    on_placed: Placed | None


class Backend:
    """Maps in the caller's thread: deterministic, and nothing is dropped."""

    def __init__(self, config: SlamConfig, predictor: Predictor, recording: Recording,
                 timings: Timings, output: OutputSink, known: KnownMap | None = None):
        self._config = config
        self._recording = recording
        self._timings = timings
        self._output = output
        memory = known.memory if known else WorkingMemory(
            predictor, config.device, mask_moving=config.dynamic == "mask")
        self._mapper = Mapper(config.mapping, predictor, config.tracking, config.keyframes,
                              config.device, memory=memory,
                              loaded=known.graph if known else None,
                              localise=known is not None and known.localise, timings=timings,
                              recording=recording)
        #: serial number of the last request for a keyframe that was answered; mapping thread
        self._answered = 0
        self._version = 0
        #: what tracking works with; written by mapping only, replaced whole
        self.published: PublishedMap | None = None
        #: frames that were searched in the whole map so far
        self.searches = 0

    @property
    def graph(self) -> KeyframeGraph:
        """The live graph; to be read when nothing runs."""
        return self._mapper.graph

    @property
    def waiting(self) -> int:
        """How many of these wait: a request, mapping's next piece of work, an update of the
        output."""
        return int(self._mapper.has_work)

    def request(self, frame: Frame, tracked: TrackedFrame, published: PublishedMap | None) -> None:
        """Give tracking, which worked with a ``published`` map, another keyframe; then optimise
        the map to the end."""
        requested_at = time.monotonic()
        self._answer(KeyframeRequest(serial=self._answered + 1, frame=frame, tracked=tracked,
                                     requested_at=requested_at))
        while self._mapper.has_work:
            self._optimise()
        while self._mapper.has_spare_work:
            self._mapper.work_in_spare_time()
        self._publish()
        self._timings.lag.add(time.monotonic() - requested_at)
        self._output.on_map(self._update(requested_at))

    def report_lost(self, frame: Frame) -> None:
        """Search a frame, whose pose tracking did not find, in the whole map."""
        self._relocalise(frame)

    def raise_failure(self) -> None:
        """Raise what a thread raised, if one did."""

    def close(self, placing: FramePlacing | None = None) -> None:
        """Adjust the whole map, place the frames between keyframes by it, and hand it out with
        the frames after the last keyframe."""
        self._finish(placing)
        self._output.on_map(self._update())

    def _finish(self, placing: FramePlacing | None) -> None:
        self._mapper.finish()
        if placing is None:
            return
        poses = self._mapper.frame_poses()
        if poses is not None:
            place_frames(placing.again(), poses, self._recording, self._mapper.graph,
                         placing.should_stop, placing.on_placed)

    def corrections_changed(self, keyframes: frozenset[int]) -> None:
        """Let the output apply new corrections of labels; those ``keyframes``, which they are of,
        are not culled."""
        self._mapper.kept = keyframes
        self._output.work()

    def _relocalise(self, frame: Frame) -> None:
        if self._mapper.relocalise(frame):
            self._publish()
        self.searches += 1

    def _answer(self, request: KeyframeRequest) -> bool:
        """Answer a request; whether by a new keyframe."""
        started = time.perf_counter()
        answer = self._mapper.answer(request.frame, request.tracked)
        self._answered = request.serial
        if answer.is_new:
            self._timings.keyframe.add(time.perf_counter() - started)
        elif answer.keyframe != request.tracked.keyframe:
            self._recording.reused += 1
        return answer.is_new

    def _optimise(self, should_stop: Callable[[], bool] = lambda: False) -> bool:
        """Do the next piece of mapping's work; whether it may have changed the map."""
        started = time.perf_counter()
        result = self._mapper.step(should_stop)
        spent = time.perf_counter() - started
        if isinstance(result, StageOptimised):
            self._timings.iteration.add(spent / max(result.solution.iterations, 1))
        else:
            self._timings.loop.add(spent)
        return result is not None and result.changed_map

    def _publish(self) -> None:
        with self._timings.part("publication"):
            self.published = publish(self._mapper.graph, self._mapper.reference, self._answered,
                                     self._config.tracking)

    def _update(self, *answered: float) -> MapUpdate:
        """The map as it is, with the times of the requests that it has the answers to."""
        self._version += 1
        return MapUpdate(version=self._version, graph=self._mapper.graph.frozen(),
                         recording=self._recording, timings=self._timings, answered=answered)


class ThreadedBackend(Backend):
    """Maps in one thread and writes in another, while the caller's tracks.

    The threads share the newest keyframe request (tracking to mapping), the published map
    (mapping to tracking) and the newest map update (mapping to output), each replaced whole.
    """

    def __init__(self, config: SlamConfig, predictor: Predictor, recording: Recording,
                 timings: Timings, output: OutputSink, known: KnownMap | None,
                 on_failure: Callable[[], None]):
        super().__init__(config, predictor, recording, timings, output, known)
        self._inbox: Mailbox[FromTracking] = Mailbox()
        self._updates: Mailbox[MapUpdate] = Mailbox()
        #: requests that were made; tracking thread
        self._requested = 0
        self._failed = False                        # guarded by _changed
        #: notified when a map is published and when a thread fails
        self._changed = threading.Condition()
        self._on_failure = on_failure
        self._placing: FramePlacing | None = None   # set before the inbox is closed
        self._mapper.prepare()
        self._workers = [Worker("mapping", MAPPING_NICENESS, self._fail, self._map_loop),
                         Worker("output", OUTPUT_NICENESS, self._fail, self._output_loop)]

    @property
    def waiting(self) -> int:
        return super().waiting + int(self._inbox.has_item) + int(self._updates.has_item)

    def request(self, frame: Frame, tracked: TrackedFrame, published: PublishedMap | None) -> None:
        """Ask for a keyframe; waits only for the first keyframe of a map.

        One request at a time: another is made when tracking has worked with the answer to the one
        before.
        """
        if not tracked.begins_map and published is not None \
                and published.answered < self._requested:
            return
        self._requested += 1
        request = KeyframeRequest(serial=self._requested, frame=frame, tracked=tracked,
                                  requested_at=time.monotonic())
        self._inbox.merge(lambda waiting: replace(waiting or FromTracking(), request=request))
        if tracked.begins_map:
            with self._changed:
                self._changed.wait_for(lambda: self._failed or self._is_published(frame.index))

    def report_lost(self, frame: Frame) -> None:
        """As ``Backend.report_lost``, in time; does not wait for it."""
        self._inbox.merge(lambda waiting: replace(waiting or FromTracking(), lost=frame))

    def close(self, placing: FramePlacing | None = None) -> None:
        """As ``Backend.close``; waits until everything is written, and raises what a thread
        raised."""
        self._placing = placing
        self._inbox.close()
        for worker in self._workers:
            worker.join()
        self.raise_failure()

    def corrections_changed(self, keyframes: frozenset[int]) -> None:
        self._mapper.kept = keyframes
        self._updates.wake()

    def raise_failure(self) -> None:
        for worker in self._workers:
            if worker.failure is not None:
                raise worker.failure

    def _is_published(self, first_frame_index: int) -> bool:
        return self.published is not None \
            and self.published.first_frame_index == first_frame_index

    def _publish(self) -> None:
        super()._publish()
        with self._changed:
            self._changed.notify_all()

    def _map_loop(self) -> None:
        #: of the request whose answer is not optimised yet
        requested_at: float | None = None
        #: whether the output has that answer
        is_shown = False
        #: whether the map changed since the output got it
        changed = False
        try:
            while True:
                is_busy = self._mapper.has_work or self._mapper.has_spare_work
                news = self._inbox.get(0 if is_busy else None)
                if news is None and not is_busy:
                    break  # closed, and all is done
                if news is not None and news.request is not None:
                    requested_at, changed = news.request.requested_at, True
                    is_shown = self._answer(news.request)
                    # tracking against unoptimised depth is better than against an older keyframe
                    self._publish()
                    # and a surface that will be refined is better than none
                    if is_shown:
                        self._hand_out(requested_at)
                elif news is not None and news.lost is not None:
                    self._relocalise(news.lost)
                if self._mapper.has_work:
                    if self._optimise(partial(self._should_stop, requested_at)):
                        self._publish()
                elif self._mapper.has_spare_work and self._mapper.work_in_spare_time():
                    changed = True
                    self._publish()
                # a new request must not keep the keyframe before it from the output
                if changed and (not self._mapper.has_work or self._inbox.has_item):
                    if requested_at is not None:
                        self._timings.lag.add(time.monotonic() - requested_at)
                    self._hand_out(None if is_shown else requested_at)
                    requested_at, changed = None, self._mapper.has_work
            self._finish(self._placing)
            # with the frames that came after the last keyframe
            self._hand_out(None)
        finally:
            self._updates.close()

    def _should_stop(self, requested_at: float | None) -> bool:
        """Whether a stage of the optimisation of a keyframe is to end early."""
        is_late = requested_at is not None and time.monotonic() > requested_at + LATE
        return is_late or self._inbox.has_item

    def _hand_out(self, requested_at: float | None) -> None:
        """Give the map to the output, in place of one that it did not fetch yet, with the time of
        the request that it answers."""
        update = self._update(*(() if requested_at is None else (requested_at,)))
        self._updates.merge(lambda waiting: update if waiting is None else replace(
            update, answered=waiting.answered + update.answered))

    def _output_loop(self) -> None:
        wait: float | None = None
        while True:
            update = self._updates.get(wait)
            if update is not None:
                self._output.on_map(update)
            elif self._updates.closed and not self._updates.has_item:
                return
            wait = self._output.work(lambda: self._updates.has_item)

    def _fail(self) -> None:
        with self._changed:
            self._failed = True
            self._changed.notify_all()
        self._on_failure()
