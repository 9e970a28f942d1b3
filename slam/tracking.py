"""Tracking: every frame is aligned photometrically to the last keyframe."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from optim import image as imaging
from optim import se3
from optim.lucas_kanade import Alignment, LucasKanadeConfig, ReferenceLevel, align, assess
from optim.lucas_kanade import reference_level
from optim.warp import ViewState
from slam.config import KeyframeConfig, TrackingConfig
from slam.keyframe import Keyframe


@dataclass(frozen=True)
class Reference:
    """What the tracker needs of a keyframe; immutable, swapped whole."""

    #: the keyframe's number in the graph
    keyframe: int
    frame_index: int
    #: (4, 4), and where it was when it became a keyframe
    T_world_cam: Tensor
    T_world_cam_inserted: Tensor
    #: full resolution first
    levels: tuple[ReferenceLevel, ...]
    median_depth: float
    #: (N,) the coarsest level's intensity, of mean 0 and length 1
    appearance: Tensor
    #: the keyframe's
    scale: float = 1.0


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


def make_reference(number: int, keyframe: Keyframe, state: ViewState,
                   tracking: TrackingConfig) -> Reference:
    """Prepare a keyframe for tracking against it."""
    config, trust = tracking.lucas_kanade, tracking.depth_deviation
    levels = []
    for level in range(len(config.iterations)):
        depth = keyframe.depth(state.code_depth, level)
        levels.append(reference_level(keyframe.camera_at(level), keyframe.pyramid[level], depth,
                                      config, trust * keyframe.depth_std(depth)))
    median = float(torch.median(keyframe.depth(state.code_depth, len(levels) - 1)))
    return Reference(number, keyframe.frame.index, state.T_world_cam,
                     keyframe.T_world_cam_inserted, tuple(levels), median,
                     _appearance(keyframe.pyramid[-1]), keyframe.scale)


def _appearance(intensity: Tensor) -> Tensor:
    """(H, W) to (H * W,) such that a product tells the correlation of two."""
    flat = intensity.reshape(-1) - intensity.mean()
    return flat / flat.norm().clamp(min=1e-6)


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

    def track(self, index: int, timestamp: float, intensity: Tensor) -> TrackedFrame:
        """The pose of the next frame, given its intensity (H, W); when lost, all keyframes
        that were ever the newest are searched."""
        reference = self._reference
        pyramid = imaging.pyramid(intensity, len(reference.levels))
        if float(pyramid[0].std()) < self._config.min_contrast:
            # nothing can be found in the dark; a search of all keyframes would take long
            nothing = se3.identity(dtype=pyramid[0].dtype, device=pyramid[0].device)
            found = Alignment(nothing, 1.0, 0.0, float("inf"), 0.0, 0.0)
        elif self.is_lost:
            reference, found = self._relocalise(pyramid)
        else:
            found = self._follow(reference, pyramid)
            if self._is_loss(found):
                reference, found = self._relocalise(pyramid)
        return self._conclude(index, timestamp, reference, found)

    def _follow(self, reference: Reference, pyramid: list[Tensor]) -> Alignment:
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

    def _is_loss(self, a: Alignment) -> bool:
        c = self._config
        # written so that a NaN counts as lost; a black image fits anything at gain zero
        return not (a.overlap >= c.lost_overlap and a.inliers >= c.lost_inliers
                    and a.error <= c.lost_error and 1 / c.lost_gain <= a.gain <= c.lost_gain
                    and bool(a.T_ba.isfinite().all()))

    def _relocalise(self, pyramid: list[Tensor]) -> tuple[Reference, Alignment]:
        """Try the keyframes that look alike on the coarse levels, then the best ones on all,
        until one fits."""
        config = self._config.lucas_kanade
        start = len(pyramid) - self._config.relocalisation_levels
        coarse = LucasKanadeConfig(
            iterations=config.iterations[start:], huber=config.huber,
            border=config.border)
        identity = se3.identity(dtype=pyramid[0].dtype, device=pyramid[0].device)
        trials = []
        for reference in self._alike(pyramid):
            found = align(list(reference.levels[start:]), pyramid[start:], identity, coarse)
            trials.append((found.error / max(found.overlap, 0.05), reference, found))
        trials.sort(key=lambda trial: trial[0])
        best = None
        for _, reference, found in trials[:self._config.relocalisation_candidates]:
            found = align(list(reference.levels), pyramid, found.T_ba, config, found.gain,
                          found.offset)
            if not self._is_loss(found):
                return reference, found
            if best is None or found.error < best[1].error:
                best = reference, found
        return best

    def _alike(self, pyramid: list[Tensor]) -> list[Reference]:
        """The keyframe that was followed, and those that look most like an image."""
        seen = _appearance(pyramid[-1])
        known = list(self._known.values())
        alike = torch.stack([k.appearance for k in known]) @ seen
        count = min(self._config.relocalisation_trials, len(known))
        chosen = {known[n].keyframe: known[n] for n in alike.topk(count).indices.tolist()}
        chosen[self._reference.keyframe] = self._reference
        return list(chosen.values())

    def _conclude(self, index: int, timestamp: float, reference: Reference,
                  found: Alignment) -> TrackedFrame:
        lost = self._is_loss(found)
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
        return TrackedFrame(index, timestamp, reference.keyframe, T_key_cam, T_world_cam, found,
                            lost, not lost and self._wants_keyframe(index, reference, found),
                            key_scale=reference.scale)

    def _wants_keyframe(self, index: int, reference: Reference, found: Alignment) -> bool:
        c = self._keyframes
        if index - reference.frame_index < c.min_gap:
            return False
        motion = float(found.T_ba[:3, 3].norm()) / reference.median_depth
        return motion > c.motion or found.overlap < c.overlap or found.inliers < c.inliers
