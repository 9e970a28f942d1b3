"""Tracking: every frame is aligned photometrically to the last keyframe."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from scenecode.core.errors import ScenecodeError
from scenecode.optim.geometry import se3
from scenecode.optim.lucas_kanade import Alignment, align, assess
from scenecode.slam.config.slam_config import KeyframeConfig, TrackingConfig
from scenecode.slam.tracking.reference import Reference
from scenecode.slam.tracking.relocalisation import is_loss, relocalise


@dataclass(frozen=True)
class TrackedFrame:
    """A frame with its pose against a keyframe, so that it follows when that one moves."""

    frame_index: int
    timestamp: float
    keyframe: int
    #: (4, 4)
    T_key_cam: Tensor
    #: (4, 4) as known at the time
    T_world_cam: Tensor
    alignment: Alignment
    lost: bool
    wants_keyframe: bool
    #: the world begins at this frame, and whatever was mapped before is given up
    begins_map: bool = False
    #: of the keyframe's depth, at the time
    key_scale: float = 1.0
    #: the newest keyframe that the tracker knew
    newest_keyframe: int = 0


class TrackingError(ScenecodeError):
    """Tracking was asked for what it cannot do."""


class Tracker:
    """Follows the camera from frame to frame.  Owned by whoever tracks."""

    def __init__(self, config: TrackingConfig, keyframes: KeyframeConfig):
        self._config = config
        self._keyframes = keyframes
        self._forget()

    def _forget(self) -> None:
        #: every keyframe as it was when it was the newest, with its present pose; by number
        self._known: dict[int, Reference] = {}
        #: what is tracked against; after a relocalisation possibly not the newest
        self._reference: Reference | None = None
        self._newest: Reference | None = None
        self._T_world_cam: Tensor | None = None
        #: motion of the last frame in its own camera frame, carried on to the next one
        self._velocity: Tensor | None = None
        self._brightness = (1.0, 0.0)
        self.is_lost = False

    def set_map(self, newest: Reference, T_world_keyframes: Tensor) -> None:
        """Track against a new keyframe, or the newest one after the map moved it.

        ``T_world_keyframes`` (K, 4, 4) are the present poses of all keyframes up to the
        newest.  A camera that was found again at an older keyframe stays with that one until
        there is a new one.  Another first keyframe than before begins a new map.
        """
        first = self._known.get(0)
        if newest.keyframe == 0 and first is not None and newest.frame_index != first.frame_index:
            self._forget()
        self._known[newest.keyframe] = newest
        self._known = {number: replace(known, T_world_cam=T_world_keyframes[number])
                       for number, known in self._known.items()}
        previous, self._newest = self._newest, self._known[newest.keyframe]
        same = previous is not None and previous.keyframe == newest.keyframe
        followed = self._reference if same else self._newest
        if followed is not None and self._T_world_cam is not None:
            before = self._reference.T_world_cam if same else newest.T_world_cam_inserted
            after = self._known[followed.keyframe].T_world_cam
            # the camera moves with the keyframe that the map moved
            self._T_world_cam = after @ se3.inverse(before) @ self._T_world_cam
            if not same:
                self._brightness = (1.0, 0.0)
        self._reference = self._newest if followed is None else self._known[followed.keyframe]

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
            # nothing can be found in the dark; a search of all keyframes would take long
            nothing = se3.identity(dtype=pyramid[0].dtype, device=pyramid[0].device)
            found = Alignment(nothing, 1.0, 0.0, float("inf"), 0.0, 0.0)
            return self._conclude(frame_index, timestamp, reference, found, lost=True)
        followed = None if self.is_lost else self._follow(reference, pyramid)
        if followed is not None and not is_loss(followed, self._config) \
                and followed.inliers >= self._config.relocalisation.doubt:
            return self._conclude(frame_index, timestamp, reference, followed, lost=False)
        reference, found, believed = relocalise(pyramid, list(self._known.values()), reference,
                                                followed, self._config)
        return self._conclude(frame_index, timestamp, reference, found, not believed)

    def _follow(self, reference: Reference, pyramid: Sequence[Tensor]) -> Alignment:
        T_key_world = se3.inverse(reference.T_world_cam)
        guess = se3.inverse(T_key_world @ self._last_pose())
        config = self._config.lucas_kanade
        if self._velocity is not None:
            middle = len(reference.levels) // 2
            trials = [assess(reference.levels[middle], pyramid[middle], T, config,
                             *self._brightness)
                      for T in (guess, se3.inverse(self._velocity) @ guess)]
            guess = min(trials, key=lambda t: t.error / max(t.overlap, 0.1)).T_ba
        return align(list(reference.levels), pyramid, guess, config, *self._brightness)

    def _last_pose(self) -> Tensor:
        return self._reference.T_world_cam if self._T_world_cam is None else self._T_world_cam

    def _conclude(self, frame_index: int, timestamp: float, reference: Reference, found: Alignment,
                  lost: bool) -> TrackedFrame:
        if lost:
            T_world_cam = self._last_pose()
            T_key_cam = se3.inverse(reference.T_world_cam) @ T_world_cam
            self._velocity = None
        else:
            T_key_cam = se3.inverse(found.T_ba)
            T_world_cam = reference.T_world_cam @ T_key_cam
            known = self._T_world_cam is not None and not self.is_lost
            self._velocity = se3.inverse(self._T_world_cam) @ T_world_cam if known else None
            self._T_world_cam = T_world_cam
            self._brightness = (found.gain, found.offset)
            self._reference = reference
        self.is_lost = lost
        wants_keyframe = not lost and self._wants_keyframe(timestamp, reference, found)
        return TrackedFrame(
            frame_index=frame_index, timestamp=timestamp, keyframe=reference.keyframe,
            T_key_cam=T_key_cam, T_world_cam=T_world_cam, alignment=found, lost=lost,
            wants_keyframe=wants_keyframe, key_scale=reference.scale,
            newest_keyframe=reference.keyframe if self._newest is None else self._newest.keyframe)

    def _wants_keyframe(self, timestamp: float, reference: Reference, found: Alignment) -> bool:
        c = self._keyframes
        motion = float(found.T_ba[:3, 3].norm()) / reference.median_depth
        by = 1.0 if timestamp - reference.timestamp >= c.min_interval else c.urgent
        return motion > by * c.motion or by * found.overlap < c.overlap \
            or by * found.inliers < c.inliers
