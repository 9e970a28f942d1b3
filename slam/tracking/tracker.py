"""Tracking: every frame is aligned photometrically to the last keyframe."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from scenecode.core.errors import ScenecodeError
from scenecode.optim.geometry import se3
from scenecode.optim.lucas_kanade import Alignment, align, assess
from scenecode.slam.config.keyframes import KeyframeConfig
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.tracking.feature_pose import is_loss
from scenecode.slam.tracking.reference import Reference
from scenecode.slam.tracking.relocalisation import relocalise

#: Keyframes that are kept, those used last, about 1 MB each at 256x192 pixels.
CAPACITY = 24
#: Frames that wanted to become keyframes and may still become one: mapping is never so late.
_MAX_WANTED = 128
#: Smallest overlap that an error is divided by.
_MIN_OVERLAP = 0.1


@dataclass(frozen=True)
class TrackedFrame:
    """A frame with its pose relative to a keyframe, so that it moves with that one."""

    frame_index: int
    timestamp: float
    keyframe: int
    #: (4, 4)
    T_key_cam: Tensor
    #: (4, 4) at the time of the frame
    T_world_cam: Tensor
    alignment: Alignment
    lost: bool
    wants_keyframe: bool
    #: whether the world begins at this frame and the map before it, if any, is discarded
    begins_map: bool = False
    #: scale of the keyframe's depth at the time of the frame
    key_scale: float = 1.0


class TrackingError(ScenecodeError):
    """A call that tracking cannot answer."""


class Tracker:
    """Tracks the camera from frame to frame.  Owned by the thread or process that tracks."""

    def __init__(self, config: TrackingConfig, keyframes: KeyframeConfig):
        self._config = config
        self._keyframes = keyframes
        self._reset()

    def _reset(self) -> None:
        #: by number, least recently used first: keyframes as they were when mapping named them
        #: last, with their present poses
        self._known: OrderedDict[int, Reference] = OrderedDict()
        #: number of the keyframe that mapping named last
        self._named: int | None = None
        #: what is tracked against; after a relocalisation possibly not the one that was named
        self._reference: Reference | None = None
        #: by frame index: the last frames that wanted to become keyframes
        self._wanted: OrderedDict[int, TrackedFrame] = OrderedDict()
        #: of the last tracked frame
        self._T_world_cam: Tensor | None = None
        #: motion of the last frame in its own camera frame, for the constant-velocity prediction
        self._velocity: Tensor | None = None
        #: gain and offset of the last tracked frame
        self._brightness = (1.0, 0.0)
        self.is_lost = False

    def set_map(self, named: Reference, poses: Mapping[int, Tensor],
                is_lost: bool = False) -> None:
        """Track against the keyframe that mapping names, as the map has it now.

        ``poses`` are the present poses (4, 4) of all keyframes by number.  A camera that was
        relocalised against another keyframe stays with that one until mapping names another.
        Where it ``is_lost`` it may be anywhere near that keyframe.
        When none of the keyframes known here is in the map, or another frame has the number of
        one, the map is a new one.
        """
        before = self._known
        known = before.get(named.keyframe)
        if not before.keys() & poses.keys() \
                or known is not None and known.frame_index != named.frame_index:
            self._reset()
            before = self._known
        self._known = OrderedDict((n, replace(one, T_world_cam=poses[n]))
                                  for n, one in before.items() if n in poses)
        self._use(replace(named, T_world_cam=poses[named.keyframe]))
        previous = self._reference
        if previous is not None and named.keyframe == self._named \
                and previous.keyframe in self._known:
            reference, T_before = self._known[previous.keyframe], previous.T_world_cam
        else:
            reference = self._known[named.keyframe]
            T_before = self._pose_before(named, before)
            self._brightness = (1.0, 0.0)
        if self._T_world_cam is not None:
            # the camera moves with the keyframe that the map moved
            self._T_world_cam = reference.T_world_cam @ se3.inverse(T_before) @ self._T_world_cam
        self._named = named.keyframe
        self._reference = reference
        self.is_lost |= is_lost
        while len(self._known) > CAPACITY:
            self._known.popitem(last=False)

    def _use(self, reference: Reference) -> None:
        self._known[reference.keyframe] = reference
        self._known.move_to_end(reference.keyframe)

    def _pose_before(self, named: Reference, before: Mapping[int, Reference]) -> Tensor:
        """Pose (4, 4) of a keyframe in the map as tracking had it until now, where keyframes have
        the poses ``before``; its pose in the new map where it was not known."""
        if named.keyframe in before:
            return before[named.keyframe].T_world_cam
        frame = self._wanted.get(named.frame_index)
        if frame is not None and frame.timestamp == named.timestamp and frame.keyframe in before:
            return before[frame.keyframe].T_world_cam @ frame.T_key_cam
        return named.T_world_cam

    def track(self, frame_index: int, timestamp: float,
              pyramid: Sequence[Tensor]) -> TrackedFrame:
        """The pose of the next frame, given its intensity ``pyramid`` (``Frame.pyramid``); when
        lost, the keyframes that were used last are searched.

        Raises ``TrackingError`` before the first ``set_map``.
        """
        reference = self._reference
        if reference is None:
            raise TrackingError("there is no map to track against yet; call set_map first")
        if float(pyramid[0].std()) < self._config.min_contrast:
            # a search of all keyframes would take long and find nothing
            failed = Alignment(T_ba=se3.identity(dtype=pyramid[0].dtype, device=pyramid[0].device),
                               gain=1.0, offset=0.0, error=float("inf"), overlap=0.0,
                               inlier_ratio=0.0)
            return self._conclude(frame_index, timestamp, reference, failed, lost=True)
        tracked = None if self.is_lost else self._align(reference, pyramid)
        if tracked is not None and not is_loss(tracked, self._config) \
                and tracked.inlier_ratio >= self._config.relocalisation.verify_below:
            return self._conclude(frame_index, timestamp, reference, tracked, lost=False)
        named = [one for n, one in self._known.items() if n == self._named]
        others = [one for n, one in self._known.items() if n != self._named]
        found = relocalise(pyramid, [*others, *named], reference, tracked, self._config)
        return self._conclude(frame_index, timestamp, found.reference, found.alignment,
                              lost=not found.is_found)

    def _align(self, reference: Reference, pyramid: Sequence[Tensor]) -> Alignment:
        """The alignment from the last pose, or from that moved on at constant velocity, whichever
        fits better."""
        T_key_world = se3.inverse(reference.T_world_cam)
        guess = se3.inverse(T_key_world @ self._last_pose(reference))
        config = self._config.lucas_kanade
        if self._velocity is not None:
            middle = len(reference.levels) // 2
            trials = [assess(reference.levels[middle], pyramid[middle], T, config,
                             *self._brightness)
                      for T in (guess, se3.inverse(self._velocity) @ guess)]
            guess = min(trials, key=lambda t: t.error / max(t.overlap, _MIN_OVERLAP)).T_ba
        return align(reference.levels, pyramid, guess, config, *self._brightness)

    def _last_pose(self, reference: Reference) -> Tensor:
        return reference.T_world_cam if self._T_world_cam is None else self._T_world_cam

    def _conclude(self, frame_index: int, timestamp: float, reference: Reference, found: Alignment,
                  lost: bool) -> TrackedFrame:
        if lost:
            T_world_cam = self._last_pose(reference)
            T_key_cam = se3.inverse(reference.T_world_cam) @ T_world_cam
            self._velocity = None
        else:
            T_key_cam = se3.inverse(found.T_ba)
            T_world_cam = reference.T_world_cam @ T_key_cam
            self._velocity = None if self._T_world_cam is None or self.is_lost \
                else se3.inverse(self._T_world_cam) @ T_world_cam
            self._T_world_cam = T_world_cam
            self._brightness = (found.gain, found.offset)
            self._reference = reference
            self._use(reference)
        self.is_lost = lost
        wants_keyframe = not lost and self._wants_keyframe(timestamp, reference, found)
        tracked = TrackedFrame(
            frame_index=frame_index, timestamp=timestamp, keyframe=reference.keyframe,
            T_key_cam=T_key_cam, T_world_cam=T_world_cam, alignment=found, lost=lost,
            wants_keyframe=wants_keyframe, key_scale=reference.scale)
        if wants_keyframe:
            self._wanted[frame_index] = tracked
            while len(self._wanted) > _MAX_WANTED:
                self._wanted.popitem(last=False)
        return tracked

    def _wants_keyframe(self, timestamp: float, reference: Reference, found: Alignment) -> bool:
        c = self._keyframes
        translation = float(found.T_ba[:3, 3].norm()) / reference.median_depth
        # a keyframe may be of another day, at any time
        factor = 1.0 if abs(timestamp - reference.timestamp) >= c.min_interval else c.urgency
        return translation > factor * c.max_translation \
            or factor * found.overlap < c.min_overlap \
            or factor * found.inlier_ratio < c.min_inlier_ratio
