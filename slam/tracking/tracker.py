"""Tracking: every frame is aligned photometrically to the last keyframe."""

from collections.abc import Sequence
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
        #: by number: every keyframe as it was when it was the newest, with its present pose
        self._known: dict[int, Reference] = {}
        #: number of the keyframe that mapping named last
        self._named: int | None = None
        #: what is tracked against; after a relocalisation possibly not the newest
        self._reference: Reference | None = None
        #: of the last tracked frame
        self._T_world_cam: Tensor | None = None
        #: motion of the last frame in its own camera frame, for the constant-velocity prediction
        self._velocity: Tensor | None = None
        #: gain and offset of the last tracked frame
        self._brightness = (1.0, 0.0)
        self.is_lost = False

    def set_map(self, named: Reference, poses: dict[int, Tensor]) -> None:
        """Track against the keyframe that mapping names, as the map has it now.

        ``poses`` are the present poses (4, 4) of all keyframes by number.  A camera that was
        relocalised against another keyframe stays with that one until mapping names another.  A
        keyframe of the same number but of another frame begins a new map.
        """
        known = self._known.get(named.keyframe)
        if known is not None and known.frame_index != named.frame_index:
            self._reset()
        self._known[named.keyframe] = named
        self._known = {number: replace(known, T_world_cam=poses[number])
                       for number, known in self._known.items() if number in poses}
        previous = self._reference
        if previous is not None and named.keyframe == self._named \
                and previous.keyframe in self._known:
            reference, T_before = self._known[previous.keyframe], previous.T_world_cam
        else:
            reference = self._known[named.keyframe]
            # a known keyframe did not move because it was named
            T_before = reference.T_world_cam if known is not None \
                else named.T_world_cam_inserted
            self._brightness = (1.0, 0.0)
        if self._T_world_cam is not None:
            # the camera moves with the keyframe that the map moved
            self._T_world_cam = reference.T_world_cam @ se3.inverse(T_before) @ self._T_world_cam
        self._named = named.keyframe
        self._reference = reference

    def track(self, frame_index: int, timestamp: float,
              pyramid: Sequence[Tensor]) -> TrackedFrame:
        """The pose of the next frame, given its intensity ``pyramid`` (``Frame.pyramid``); when
        lost, all keyframes that were ever the newest are searched.

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
        found = relocalise(pyramid, list(self._known.values()), reference, tracked, self._config)
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
        self.is_lost = lost
        wants_keyframe = not lost and self._wants_keyframe(timestamp, reference, found)
        return TrackedFrame(
            frame_index=frame_index, timestamp=timestamp, keyframe=reference.keyframe,
            T_key_cam=T_key_cam, T_world_cam=T_world_cam, alignment=found, lost=lost,
            wants_keyframe=wants_keyframe, key_scale=reference.scale)

    def _wants_keyframe(self, timestamp: float, reference: Reference, found: Alignment) -> bool:
        c = self._keyframes
        translation = float(found.T_ba[:3, 3].norm()) / reference.median_depth
        factor = 1.0 if timestamp - reference.timestamp >= c.min_interval else c.urgency
        return translation > factor * c.max_translation \
            or factor * found.overlap < c.min_overlap \
            or factor * found.inlier_ratio < c.min_inlier_ratio
