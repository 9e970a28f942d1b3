"""The outcome of every frame as rows of an array, and the trajectories that follow from them."""

import numpy as np
import torch
from torch import Tensor

from scenecode.slam.map.graph import KeyframeGraph, Redirect
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.tracking.tracker import TrackedFrame

#: A ``TrackedFrame`` in 125 bytes; poses are in the precision in which they are tracked.
FRAME_ROW = np.dtype([
    ("frame_index", np.int64), ("timestamp", np.float64), ("keyframe", np.int32),
    ("lost", np.bool_), ("key_scale", np.float64), ("T_key_cam", np.float32, (3, 4)),
    ("T_world_cam", np.float32, (3, 4))])


def frame_row(tracked: TrackedFrame) -> tuple:
    """A row of ``FRAME_ROW``."""
    return (tracked.frame_index, tracked.timestamp, tracked.keyframe, tracked.lost,
            tracked.key_scale, tracked.T_key_cam[:3].numpy(force=True),
            tracked.T_world_cam[:3].numpy(force=True))


def lost_spans(rows: np.ndarray) -> list[list[int]]:
    """[first, last] frame indices of each uninterrupted loss."""
    change = np.diff(rows["lost"], prepend=False, append=False).nonzero()[0].reshape(-1, 2)
    return [[int(rows["frame_index"][a]), int(rows["frame_index"][b - 1])] for a, b in change]


def live_trajectory(rows: np.ndarray) -> Trajectory:
    """Poses as they were estimated when each frame was tracked: causal."""
    found = rows[~rows["lost"]]
    return Trajectory(found["timestamp"], homogeneous(found["T_world_cam"]))


def final_trajectory(rows: np.ndarray, graph: KeyframeGraph) -> Trajectory:
    """Every tracked frame, composed with the present pose of its keyframe, or of the one that took
    the place of a culled one; a frame that is a keyframe has that one's pose.

    As ``KeyframeGraph.pose_from_keyframe``, for all frames at once.
    """
    table = _KeyframeTable(graph, size=int(rows["keyframe"].max(initial=0)) + 1)
    own = _own_keyframes(rows, graph)
    kept = (own >= 0) | (table.is_known[rows["keyframe"]] & ~rows["lost"])
    rows, own = rows[kept], own[kept]
    T_key_cam = homogeneous(rows["T_key_cam"])
    T_key_cam[:, :3, 3] *= (table.scale[rows["keyframe"]] / rows["key_scale"])[:, None]
    # twice as fast without the last row
    T_key_cam[:, :3] = table.T_world_key[rows["keyframe"], :3] @ T_key_cam
    T_key_cam[own >= 0] = table.T_world_key[own[own >= 0]]
    return Trajectory(rows["timestamp"], T_key_cam)


class _KeyframeTable:
    """Poses and scales by number of keyframe: a camera with the pose ``T_key_cam`` against a
    keyframe when that one had the scale ``s`` is at ``T_world_key T_key_cam``, the latter's
    translation multiplied by ``scale / s``."""

    def __init__(self, graph: KeyframeGraph, size: int):
        size = max([size, *(n + 1 for n in graph.keyframes), *(n + 1 for n in graph.redirects)])
        #: (size, 4, 4), (size,) and (size,)
        self.T_world_key = np.tile(np.eye(4), (size, 1, 1))
        self.scale = np.ones(size)
        self.is_known = np.zeros(size, bool)
        if len(graph):
            numbers = [*graph.keyframes]
            self.T_world_key[numbers] = _stacked([graph.states[n].T_world_cam for n in numbers])
            self.scale[numbers] = [k.scale for k in graph.keyframes.values()]
            self.is_known[numbers] = True
        if graph.redirects:
            self._add_culled(graph.redirects)

    def _add_culled(self, redirects: dict[int, Redirect]) -> None:
        T_heir_culled = dict(zip(redirects, _stacked(
            [r.T_heir_culled for r in redirects.values()]), strict=True))
        for number in redirects:
            chain = []
            while number in redirects and not self.is_known[number]:
                chain.append(number)
                number = redirects[number].keyframe
            # what took the place of another may have been culled later
            for culled in reversed(chain):
                redirect, T = redirects[culled], T_heir_culled[culled]
                factor = self.scale[redirect.keyframe] / redirect.scale_heir
                T[:3, 3] *= factor
                self.T_world_key[culled] = self.T_world_key[redirect.keyframe] @ T
                self.scale[culled] = redirect.scale_culled * factor
                self.is_known[culled] = True


def _own_keyframes(rows: np.ndarray, graph: KeyframeGraph) -> np.ndarray:
    """(N,) the number of the keyframe that each frame became, or -1."""
    found = np.full(len(rows), -1)
    numbers, row = rows_of_keyframes(rows, graph)
    found[row] = numbers
    return found


def rows_of_keyframes(rows: np.ndarray, graph: KeyframeGraph) -> tuple[np.ndarray, np.ndarray]:
    """(K,) numbers of the keyframes of a map that frames (N,) ``FRAME_ROW`` became, and (K,) which
    of the frames."""
    if not len(graph) or not len(rows):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    index = np.ascontiguousarray(rows["frame_index"])
    order = np.arange(len(index))
    if (np.diff(index) < 0).any():      # of several sources
        order = np.argsort(index, kind="stable")
        index = index[order]
    numbers = np.array([*graph.keyframes])
    frames = np.array([k.frame_index for k in graph.keyframes.values()])
    row = order[np.searchsorted(index, frames).clip(max=len(rows) - 1)]
    # a map that is continued has keyframes of other sources, which use the same indices
    stamps = np.array([k.timestamp for k in graph.keyframes.values()])
    same = (rows["frame_index"][row] == frames) & (rows["timestamp"][row] == stamps)
    return numbers[same], row[same]


def homogeneous(poses: np.ndarray) -> np.ndarray:
    """(N, 3, 4) to (N, 4, 4) float64."""
    full = np.zeros((len(poses), 4, 4))
    full[:, :3] = poses
    full[:, 3, 3] = 1
    return full


def _stacked(poses: list[Tensor]) -> np.ndarray:
    """(N, 4, 4) float64, a copy."""
    return torch.stack(poses).double().numpy(force=True)
