"""True depth of an image that has none of its own, from where it was measured: by another camera,
or by the same one a few frames earlier or later."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
from scenecode.optim.geometry.visibility import nearest_points
from scenecode.slam.records.frame import Frame, GroundTruth

#: Seconds within which a measurement serves another image: little is hidden from either.
NEAR = 0.25


@dataclass(frozen=True)
class MeasuredDepth:
    """A true depth (H, W) with where and when it was measured."""

    timestamp: float
    camera: PinholeCamera
    #: (4, 4) float64
    T_world_cam: Tensor
    depth: Tensor


def seen_by(depth: Tensor, camera: PinholeCamera, T_other_cam: Tensor,
            other: PinholeCamera) -> Tensor:
    """Depth (H, W) in metres, 0 unknown, of ``camera`` as another one sees it, through its lens;
    ``T_other_cam`` (4, 4) leads there.

    A pixel takes the nearest point that falls on it, and stays 0 where none does.
    """
    known = depth.reshape(-1) > 0
    x, _ = camera.backproject(camera.pixel_grid(torch.float64)[known],
                              depth.reshape(-1)[known].double())
    x = se3.act(T_other_cam.double(), x)
    x = x[x[:, 2] > MIN_DEPTH]
    z = x[:, 2].to(depth)
    index = nearest_points(other.distort(x), z, other.width, other.height)
    return torch.cat([z, z.new_zeros(1)])[index]   # -1, where none falls, is the last


def with_depth(frame: Frame, measured: Sequence[MeasuredDepth]) -> GroundTruth | None:
    """What is true of a frame; a depth that it lacks is taken from the measurement nearest in
    time, if that is ``NEAR`` and its own pose is known."""
    truth = frame.truth
    if truth is None or truth.depth is not None or truth.T_world_cam is None or not measured:
        return truth
    nearest = min(measured, key=lambda m: abs(m.timestamp - frame.timestamp))
    if abs(nearest.timestamp - frame.timestamp) > NEAR:
        return truth
    T = se3.inverse(truth.T_world_cam) @ nearest.T_world_cam
    return replace(truth, depth=seen_by(nearest.depth, nearest.camera, T, frame.camera))
