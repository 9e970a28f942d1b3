"""The outcome of every frame, what is true about it, and the trajectories that follow."""

from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import numpy as np

from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.map.stored_image import StoredImage
from scenecode.slam.records.frame import Frame, GroundTruth
from scenecode.slam.records.growing_array import GrowingArray
from scenecode.slam.records.stored_truth import StoredDepth
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.records.true_depth import MeasuredDepth, with_depth
from scenecode.slam.tracking.frame_rows import (
    FRAME_ROW,
    final_trajectory,
    frame_row,
    homogeneous,
    live_trajectory,
    lost_spans,
)
from scenecode.slam.tracking.tracker import TrackedFrame

_TRUE_POSE = np.dtype([("timestamp", np.float64), ("T_world_cam", np.float64, (3, 4))])
#: Measured depths that are kept: those of the last minute or more, which keyframes that are still
#: to be made may need.
_MAX_DEPTHS = 256


@dataclass
class Recording:
    """What happened to every frame, in some 230 bytes a frame.

    Owned by the tracking thread, unless stated otherwise; others may read everything.
    """

    #: images that the source could not read
    unreadable: int = 0
    #: indices of frames that were not tracked: before the map was started, or with pixels that
    #: are not numbers
    unusable: list[int] = field(default_factory=list)
    #: requests for keyframes that a known one answered; mapping thread
    reused: int = 0
    #: index of the first frame that was found in a map that was continued
    relocalised_at: int | None = None
    #: true depths of frames whose predecessor has none: a frame with its own needs no other's.
    #: The last ones, replaced whole
    depths: tuple[MeasuredDepth, ...] = ()
    #: how often the frames so far were replaced
    replaced: int = 0
    _tracked: GrowingArray = field(default_factory=lambda: GrowingArray(FRAME_ROW), repr=False)
    _truth: GrowingArray = field(default_factory=lambda: GrowingArray(_TRUE_POSE), repr=False)
    _last_had_depth: bool = field(default=False, init=False, repr=False)
    #: by image of a keyframe, and forgotten with it: true depths that were registered, None where
    #: there is none, and that no later measurement can change; output thread
    _registered: WeakKeyDictionary[StoredImage, StoredDepth | None] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False)

    @staticmethod
    def of(rows: np.ndarray) -> "Recording":
        """Of frames (N,) ``FRAME_ROW`` that were tracked before."""
        recording = Recording()
        recording._tracked.extend(rows)
        return recording

    def add(self, tracked: TrackedFrame) -> None:
        """Append the outcome of a frame."""
        self._tracked.append(frame_row(tracked))

    @property
    def tracked(self) -> np.ndarray:
        """(N,) ``FRAME_ROW``: the frames tracked so far, with those that were lost."""
        return self._tracked.rows

    @property
    def has_truth(self) -> bool:
        """Whether any true pose is known."""
        return len(self._truth) > 0

    def note_truth(self, frame: Frame) -> None:
        """Keep a frame's true pose, and the true depth that others may need, for the report."""
        truth = frame.truth
        if truth is None or truth.T_world_cam is None:
            return
        T_world_cam = truth.T_world_cam.double()
        self._truth.append((frame.timestamp, T_world_cam[:3].numpy()))
        if truth.depth is not None and not self._last_had_depth:
            measured = MeasuredDepth(timestamp=frame.timestamp, camera=frame.camera,
                                     T_world_cam=T_world_cam, depth=StoredDepth.of(truth.depth))
            self.depths = (*self.depths[1 - _MAX_DEPTHS:], measured)
        self._last_had_depth = truth.depth is not None

    def truth_of(self, keyframe: Keyframe) -> GroundTruth | None:
        """The ground truth of a keyframe's frame, with the depth that ``true_depth.with_depth``
        gives it from the measurements so far.  To be called by one thread."""
        truth, image = keyframe.truth, keyframe.image
        if truth is None or truth.depth is not None:
            return truth
        if image in self._registered:
            stored = self._registered[image]
            return truth if stored is None else replace(truth, depth=stored.tensor())
        measured = self.depths
        truth = with_depth(truth, keyframe.timestamp, keyframe.camera, measured)
        # later measurements are further away in time than the last one
        if measured and measured[-1].timestamp >= keyframe.timestamp:
            self._registered[image] = None if truth.depth is None else StoredDepth.of(truth.depth)
        return truth

    def reset(self) -> None:
        """Discard what was tracked, together with the map."""
        self.unusable.extend(self.tracked["frame_index"].tolist())
        # replaced whole: others may be reading it
        self._tracked = GrowingArray(FRAME_ROW)

    def replace(self, rows: np.ndarray) -> None:
        """Put (N,) ``FRAME_ROW`` in the place of the frames tracked so far.  To be called when
        tracking has ended."""
        tracked = GrowingArray(FRAME_ROW)
        tracked.extend(rows)
        self._tracked = tracked
        self.replaced += 1

    @property
    def frames(self) -> int:
        """Number of frames, with those that were not tracked."""
        return len(self.tracked) + len(self.unusable)

    def lost_spans(self) -> list[list[int]]:
        """[first, last] frame indices of each uninterrupted loss."""
        return lost_spans(self.tracked)

    def live(self) -> Trajectory:
        """Poses as they were estimated when each frame was tracked: causal."""
        return live_trajectory(self.tracked)

    def final(self, graph: KeyframeGraph) -> Trajectory:
        """Every tracked frame, composed with its keyframe's present pose."""
        return final_trajectory(self.tracked, graph)

    def true_trajectory(self) -> Trajectory:
        """True poses of all frames that have one."""
        rows = self._truth.rows
        return Trajectory(rows["timestamp"], homogeneous(rows["T_world_cam"]))
