"""At the end of a run the frames between keyframes are placed by the landmarks of the map."""

import logging
from collections.abc import Callable, Iterable

import numpy as np
import torch

from scenecode.slam.adjustment.frame_poses import FramePoses
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.records.frame import Frame
from scenecode.slam.tracking.recording import Recording

_log = logging.getLogger(__name__)

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
    before = dict(zip(final.timestamps.tolist(), final.T_world_cam, strict=True))
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
        T_before = before.get(frame.timestamp)
        if frame.index in keyframes or T_before is None:
            continue
        found = poses.pose(frame, torch.from_numpy(T_before))
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
