"""How the camera moved when it took the image of a keyframe."""

import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.tracking.frame_rows import homogeneous, rows_of_keyframes

#: Seconds between two frames within which the camera is taken to move evenly, and how far it may
#: go in between, over the median depth and in radians: single images are further apart.
_LONGEST, _FARTHEST, _LARGEST_TURN = 0.12, 0.1, 0.15


def note_motions(graph: KeyframeGraph, rows: np.ndarray) -> None:
    """Give keyframes of a map whose motion is not known that which the frames before and after
    them tell, of rows (N,) ``FRAME_ROW``; the last frame has none after it yet."""
    for number, row in zip(*(found.tolist() for found in rows_of_keyframes(rows, graph)),
                           strict=True):
        if graph.keyframes[number].motion_at_scale_1 is not None or row + 1 == len(rows):
            continue
        farthest = _FARTHEST * graph.median_depth(number)
        motions = [motion for motion in (
            _motion(rows[row - 1], rows[row], number, farthest) if row else None,
            _motion(rows[row], rows[row + 1], number, farthest)) if motion is not None]
        if motions:
            graph.note_motion(number, torch.stack(motions).mean(0))


def _motion(before: np.void, after: np.void, number: int, farthest: float) -> Tensor | None:
    """(6,) per second from one frame to the next, by what both were tracked against; None where
    one was lost, long after the other or further than ``farthest`` metres from it, or they were
    tracked against different keyframes.  The first of them may have become the keyframe
    ``number``, which the second was tracked against."""
    seconds = float(after["timestamp"] - before["timestamp"])
    if before["lost"] or after["lost"] or not 0 < seconds <= _LONGEST:
        return None
    T_before, T_after = torch.from_numpy(homogeneous(
        np.stack([before["T_key_cam"], after["T_key_cam"]])))
    if after["keyframe"] == number:
        T_before = se3.identity(dtype=T_after.dtype)
    elif before["keyframe"] != after["keyframe"] or before["key_scale"] != after["key_scale"]:
        return None
    moved = se3.inverse(T_before) @ T_after
    if float(moved[:3, 3].norm()) > farthest or float(se3.rotation_angle(moved)) > _LARGEST_TURN:
        return None
    return se3.log(moved) / seconds
