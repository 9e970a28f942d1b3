"""At the end of a run the frames between keyframes are placed by the landmarks of the map."""

import logging
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.slam.adjustment.frame_poses import FramePoses
from scenecode.slam.adjustment.reprojection import POSE
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.tracking.recording import Recording

_log = logging.getLogger(__name__)

#: Seconds around a frame within which its camera is taken to move evenly.
_LONGEST_MOTION = 0.25
#: Called with the number of frames that were placed, and of all.
Placed = Callable[[int, int], None]


def place_frames(frames: Iterable[Frame], poses: FramePoses, recording: Recording,
                 graph: KeyframeGraph, should_stop: Callable[[], bool],
                 on_placed: Placed | None = None) -> None:
    """Replace the poses of the ``recording``'s frames, which are given once more, by those that
    landmarks tell; others stay as they were tracked.  Ends early when ``should_stop``."""
    rows = recording.tracked.copy()
    tracked = np.flatnonzero(~rows["lost"])
    place = dict(zip(rows["frame_index"][tracked].tolist(), tracked.tolist(), strict=True))
    keyframes = {k.frame_index for k in graph.keyframes.values()}
    final = recording.final(graph)
    before = {timestamp: (T, motion) for timestamp, T, motion in zip(
        final.timestamps.tolist(), final.T_world_cam, _motions(final), strict=True)}
    placed, moved = 0, []
    for frame in frames:
        if should_stop():
            break
        row = place.pop(frame.index, None)
        if row is None:
            if not place:
                break
            continue
        placed += 1
        if on_placed is not None:
            on_placed(placed, len(tracked))
        if frame.index in keyframes or frame.timestamp not in before:
            continue
        T_before, motion = before[frame.timestamp]
        found = poses.pose(frame, torch.from_numpy(T_before), motion)
        if found is None:
            continue
        T_world_cam = graph.states[found.keyframe].T_world_cam.double().cpu() @ found.T_key_cam
        moved.append(float(np.linalg.norm(T_world_cam[:3, 3].numpy() - T_before[:3, 3])))
        rows["keyframe"][row], rows["key_scale"][row] = found.keyframe, found.key_scale
        rows["T_key_cam"][row] = found.T_key_cam[:3]
    if moved:
        recording.replace(rows)
        _log.info("%d of %d frames were placed by landmarks and moved by %.4f m in the median",
                  len(moved), len(tracked), float(np.median(moved)))


def _motions(path: Trajectory) -> Tensor:
    """(N, 6) float64: motion of the camera at every frame in its own frame, per second, from the
    frames before and after it; 0 where these are missing or far."""
    motions = torch.zeros(len(path.timestamps), POSE, dtype=torch.float64)
    if len(motions) < 3:
        return motions
    T, at = (torch.from_numpy(np.ascontiguousarray(values))
             for values in (path.T_world_cam, path.timestamps))
    seconds = at[2:] - at[:-2]
    moved = se3.log(se3.inverse(T[:-2]) @ T[2:]) / seconds[:, None]
    is_near = (seconds > 0) & (seconds <= _LONGEST_MOTION)
    motions[1:-1] = torch.where(is_near[:, None], moved, 0.0)
    return motions
