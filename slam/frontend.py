"""The front end: what becomes of each frame.  Owned by the thread that tracks."""

import logging
import time

from scenecode.optim.geometry import se3
from scenecode.optim.lucas_kanade import Alignment
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.known_map import KnownMap
from scenecode.slam.mapping.published_map import PublishedMap
from scenecode.slam.records.frame import Frame
from scenecode.slam.tracking.process import TrackingProcess
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings
from scenecode.slam.tracking.tracker import TrackedFrame, Tracker

#: Frames for which a camera is searched in a loaded map before a map is begun beside it, and
#: searches that must have ended: the first one takes longest.
_PATIENCE, _MIN_SEARCHES = 30, 3

_log = logging.getLogger(__name__)


class Frontend:
    """Starts a map, tracks frames against it, and gives up a map that nothing can be tracked
    against."""

    def __init__(self, config: TrackingConfig, tracker: Tracker | TrackingProcess,
                 recording: Recording, timings: Timings, known: KnownMap | None = None):
        """``known``: a map that was loaded, in which the camera is searched at first."""
        self._config = config
        self._tracker = tracker
        self._recording = recording
        self._timings = timings
        #: what the tracker was given last
        self._current: PublishedMap | None = None
        self._known = known
        #: frames since the search in the loaded map began
        self._waited = 0
        #: whether any frame was tracked, or began a map
        self._has_begun = False
        #: first frames of maps that were given up
        self._given_up: set[int] = set()

    def is_usable(self, frame: Frame) -> bool:
        """Whether all pixels are numbers; notes the frame's truth, and the frame if it is not."""
        self._recording.note_truth(frame)
        usable = bool(frame.image.isfinite().all())
        if not usable:
            _log.warning("frame %d holds pixels that are not finite numbers; skipped", frame.index)
            self._recording.unusable.append(frame.index)
        return usable

    def track(self, frame: Frame, published: PublishedMap | None,
              searches: int = 0) -> TrackedFrame | None:
        """Track a frame against the map as published, or start a map from it; None for a frame
        with too little contrast to start one, and while the camera is searched in a map that was
        loaded.  ``searches``: those that ended so far."""
        if published is not None and not self._is_given_up(published):
            tracked = self._follow(frame, published)
        elif self._is_searching(searches):
            self._waited += 1
            self._recording.unusable.append(frame.index)
            return None
        elif float(frame.pyramid[0].std()) >= self._config.min_contrast:
            tracked = _first_frame(frame)
        else:
            self._recording.unusable.append(frame.index)
            return None
        self._has_begun = True
        self._recording.add(tracked)
        self._note_relocalised(tracked, published)
        return tracked

    def _is_searching(self, searches: int) -> bool:
        """Whether the camera's place in a loaded map is waited for."""
        return self._known is not None and not self._has_begun \
            and (self._known.localise or self._waited < _PATIENCE or searches < _MIN_SEARCHES)

    def _note_relocalised(self, tracked: TrackedFrame, published: PublishedMap | None) -> None:
        """Keep the index of the first frame whose pose in the loaded map is known."""
        recording = self._recording
        if self._known is not None and recording.relocalised_at is None and not tracked.lost \
                and published is not None and published.graph.part(tracked.keyframe) == 0:
            recording.relocalised_at = tracked.frame_index
            _log.warning("frame %d was found in the map", tracked.frame_index)

    def _follow(self, frame: Frame, published: PublishedMap) -> TrackedFrame:
        started = time.perf_counter()
        if published is not self._current:
            # a loaded map's keyframe is not where the camera was a moment ago
            self._tracker.set_map(published.reference, published.poses,
                                  is_lost=not self._has_begun)
            self._current = published
        tracked = self._tracker.track(frame.index, frame.timestamp, frame.pyramid)
        self._timings.tracking.add(time.perf_counter() - started)
        return tracked

    def _is_given_up(self, published: PublishedMap) -> bool:
        """Whether no frame could be tracked against the map: its first keyframe was noise, or
        showed something that was never seen again."""
        first = published.first_frame_index
        if first not in self._given_up and self._initialisation_failed(published):
            _log.warning("no frame could be tracked against the first keyframe, frame %d; a new "
                         "map is started", first)
            self._recording.reset()
            self._given_up.add(first)
        return first in self._given_up

    def _initialisation_failed(self, published: PublishedMap) -> bool:
        tracked = self._recording.tracked
        return published.num_keyframes == 1 and len(tracked) > self._config.give_up_after \
            and bool(tracked["lost"][1:].all())


def _first_frame(frame: Frame) -> TrackedFrame:
    """The frame that a map starts from defines the world frame."""
    T = se3.identity(device=frame.image.device)
    return TrackedFrame(
        frame_index=frame.index, timestamp=frame.timestamp, keyframe=0, T_key_cam=T, T_world_cam=T,
        alignment=Alignment(T_ba=T, gain=1.0, offset=0.0, error=0.0, overlap=1.0,
                            inlier_ratio=1.0),
        lost=False, wants_keyframe=True, begins_map=True)
