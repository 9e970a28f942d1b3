"""True depth registered to an image that has none of its own: from a depth camera next to the
colour camera, or from a frame a little earlier or later."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
from scenecode.optim.geometry.visibility import nearest_points
from scenecode.slam.records.frame import GroundTruth
from scenecode.slam.records.stored_truth import StoredDepth

#: Seconds between a measured depth and another frame that takes it, at most: longer apart, too
#: much of the scene is hidden from one of the two views.
MAX_TIME_OFFSET = 0.25


@dataclass(frozen=True)
class MeasuredDepth:
    """A true depth, with the pose and the time at which it was measured."""

    timestamp: float
    camera: PinholeCamera
    #: (4, 4) float64
    T_world_cam: Tensor
    depth: StoredDepth


def register_depth(depth: Tensor, camera: PinholeCamera, T_other_cam: Tensor,
                   other: PinholeCamera) -> Tensor:
    """The depth image of ``camera`` (H, W), z in metres, 0 unknown, registered to the pixels of
    ``other``, with the latter's distortion; ``T_other_cam`` (4, 4) maps points from the first
    camera to the other.

    A pixel takes the nearest point that is projected into it, and stays 0 where there is none.
    """
    known = depth.reshape(-1) > 0
    x, _ = camera.backproject(camera.pixel_grid(torch.float64)[known],
                              depth.reshape(-1)[known].double())
    x = se3.act(T_other_cam.double(), x)
    x = x[x[:, 2] > MIN_DEPTH]
    z = x[:, 2].to(depth)
    index = nearest_points(other.distort(x), z, other.width, other.height)
    return torch.cat([z, z.new_zeros(1)])[index]   # -1, where none falls, is the last


def with_depth(truth: GroundTruth, timestamp: float, camera: PinholeCamera,
               measured: Sequence[MeasuredDepth]) -> GroundTruth:
    """The truth about a frame that ``camera`` took at ``timestamp`` (seconds); a missing depth is
    registered from the measurement nearest in time, if that is within ``MAX_TIME_OFFSET`` and the
    frame's own pose is known."""
    if truth.depth is not None or truth.T_world_cam is None or not measured:
        return truth
    nearest = min(measured, key=lambda m: abs(m.timestamp - timestamp))
    if abs(nearest.timestamp - timestamp) > MAX_TIME_OFFSET:
        return truth
    T = se3.inverse(truth.T_world_cam) @ nearest.T_world_cam
    return replace(truth, depth=register_depth(nearest.depth.tensor(), nearest.camera, T, camera))
