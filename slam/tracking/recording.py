"""The outcome of every frame, and the trajectories that follow from it."""

from dataclasses import dataclass, field

import numpy as np

from scenecode.slam.map.graph import KeyframeGraph
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
    #: by frame index, of those whose truth no later measurement can change; output thread
    _settled: dict[int, GroundTruth | None] = field(default_factory=dict, init=False, repr=False)
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

    def truth_of(self, frame: Frame) -> GroundTruth | None:
        """The ground truth of a frame, with the depth that ``true_depth.with_depth`` gives it from
        all measurements so far.  To be called by one thread."""
        if frame.index in self._settled:
            return self._settled[frame.index]
        measured = tuple(self.depths)
        truth = None if frame.truth is None else \
            with_depth(frame.truth, frame.timestamp, frame.camera, measured)
        # later measurements are further away in time than the last one
        if measured and measured[-1].timestamp >= frame.timestamp:
            self._settled[frame.index] = truth
        return truth

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
        poses = [s.T_world_cam.double().cpu().numpy() for s in graph.states]
        own = {k.frame.index: n for n, k in enumerate(graph.keyframes)}
        rows = []
        for entry in tuple(self.tracked):
            if entry.frame_index in own:
                rows.append((entry.timestamp, poses[own[entry.frame_index]]))
            elif not entry.lost and entry.keyframe < len(poses):
                T_key_cam = entry.T_key_cam.double().cpu().numpy().copy()
                # as ``KeyframeGraph.pose_from_keyframe``, in NumPy: there are many frames
                T_key_cam[:3, 3] *= graph.keyframes[entry.keyframe].scale / entry.key_scale
                rows.append((entry.timestamp, poses[entry.keyframe] @ T_key_cam))
        return _trajectory(rows)

    def true_trajectory(self) -> Trajectory:
        """True poses of all frames that have one."""
        return _trajectory(list(self.truth))


def _trajectory(rows: list[tuple[float, np.ndarray]]) -> Trajectory:
    if not rows:
        return Trajectory()
    return Trajectory(np.array([stamp for stamp, _ in rows]), np.stack([T for _, T in rows]))
