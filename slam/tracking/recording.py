"""The outcome of every frame, and the trajectories that follow from it."""

from dataclasses import dataclass, field

import numpy as np

from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.records.frame import Frame, GroundTruth
from scenecode.slam.records.stored_truth import StoredDepth
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.records.true_depth import MeasuredDepth, with_depth
from scenecode.slam.tracking.tracker import TrackedFrame


@dataclass
class Recording:
    """One entry for each frame.  Owned by the tracking thread; others read the lists up to a
    length that they read first, and entries never change."""

    tracked: list[TrackedFrame] = field(default_factory=list)
    #: timestamps in seconds and (4, 4) float64 true poses, where they are available
    truth: list[tuple[float, np.ndarray]] = field(default_factory=list)
    #: true depths of frames whose predecessor has none: a frame with its own needs no other's
    depths: list[MeasuredDepth] = field(default_factory=list)
    _last_had_depth: bool = field(default=False, init=False, repr=False)
    #: requests for keyframes that a known one answered; mapping thread
    reused: int = 0
    #: index of the first frame that was found in a map that was loaded
    relocalised_at: int | None = None
    #: images that the source could not read
    unreadable: int = 0
    #: indices of frames that were not tracked: before the map was started, or with pixels that
    #: are not numbers
    unusable: list[int] = field(default_factory=list)

    def note_truth(self, frame: Frame) -> None:
        """Keep a frame's true pose, and the true depth that others may need, for the report."""
        truth = frame.truth
        if truth is None or truth.T_world_cam is None:
            return
        self.truth.append((frame.timestamp, truth.T_world_cam.double().numpy()))
        if truth.depth is not None and not self._last_had_depth:
            self.depths.append(MeasuredDepth(
                timestamp=frame.timestamp, camera=frame.camera,
                T_world_cam=truth.T_world_cam.double(), depth=StoredDepth.of(truth.depth)))
        self._last_had_depth = truth.depth is not None

    def truth_of(self, keyframe: Keyframe) -> GroundTruth | None:
        """The ground truth of a keyframe's frame, with the depth that ``true_depth.with_depth``
        gives it from all measurements so far."""
        truth = keyframe.truth
        return None if truth is None else \
            with_depth(truth, keyframe.timestamp, keyframe.camera, tuple(self.depths))

    def reset(self) -> None:
        """Discard what was tracked, together with the map."""
        self.unusable.extend(entry.frame_index for entry in self.tracked)
        # replaced whole: others may be reading it
        self.tracked = []

    @property
    def frames(self) -> int:
        """Number of frames, with those that were not tracked."""
        return len(self.tracked) + len(self.unusable)

    def lost_spans(self) -> list[list[int]]:
        """[first, last] frame indices of each uninterrupted loss."""
        spans: list[list[int]] = []
        was_lost = False
        for entry in tuple(self.tracked):
            if entry.lost and was_lost:
                spans[-1][1] = entry.frame_index
            elif entry.lost:
                spans.append([entry.frame_index, entry.frame_index])
            was_lost = entry.lost
        return spans

    def live(self) -> Trajectory:
        """Poses as they were estimated when each frame was tracked: causal."""
        return _trajectory([(t.timestamp, t.T_world_cam.double().cpu().numpy())
                            for t in tuple(self.tracked) if not t.lost])

    def final(self, graph: KeyframeGraph) -> Trajectory:
        """Every tracked frame, composed with its keyframe's present pose."""
        own = {k.frame_index: n for n, k in graph.keyframes.items()}
        rows = []
        for entry in tuple(self.tracked):
            if entry.frame_index in own:
                rows.append((entry.timestamp, graph.states[own[entry.frame_index]]
                             .T_world_cam.double().cpu().numpy()))
            elif not entry.lost and graph.heir_of(entry.keyframe) in graph.keyframes:
                T = graph.pose_from_keyframe(entry.keyframe, entry.T_key_cam.double(),
                                             entry.key_scale)
                rows.append((entry.timestamp, T.double().cpu().numpy()))
        return _trajectory(rows)

    def true_trajectory(self) -> Trajectory:
        """True poses of all frames that have one."""
        return _trajectory(list(self.truth))


def _trajectory(rows: list[tuple[float, np.ndarray]]) -> Trajectory:
    if not rows:
        return Trajectory()
    return Trajectory(np.array([stamp for stamp, _ in rows]), np.stack([T for _, T in rows]))
