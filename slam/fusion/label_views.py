"""A view with known depth and pose, and the visibility of its surfaces in another view."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from scenecode.networks.prediction import Prediction, resize_maps
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.warp import in_view


@dataclass(frozen=True)
class LabelView:
    """What label fusion needs of a view: any RGB-D or monocular system can give it.

    Depth and image are of the camera's size (H, W); the prediction may be of any.
    """

    camera: PinholeCamera
    #: (4, 4)
    T_world_cam: Tensor
    #: (3, H, W) in [0, 1]
    image: Tensor
    #: (H, W) metres, 0 where unknown
    depth: Tensor
    prediction: Prediction
    #: (Ks,) semantic code to start from; empty for zero
    code: Tensor = field(default_factory=lambda: torch.zeros(0))

    def start_code(self) -> Tensor:
        """(Ks,) the given code, or zero."""
        if len(self.code):
            return self.code
        return self.prediction.logits_zero.new_zeros(self.prediction.semantic_code_size)

    @cached_property
    def own_probabilities(self) -> Tensor:
        """(C, H, W) class probabilities at the view's own code; kept, since all neighbours need
        them."""
        return self.probabilities(self.start_code())

    def probabilities(self, code: Tensor) -> Tensor:
        """(C, H, W) class probabilities at a code (Ks,)."""
        logits = self.prediction.logits(code)
        return torch.softmax(resize_maps(logits, self.camera.width, self.camera.height), 0)

    def moved(self, T_world_cam: Tensor, depth_factor: float) -> "LabelView":
        """The view at another pose (4, 4) with all depths multiplied, and the same labels."""
        moved = replace(self, T_world_cam=T_world_cam,
                        depth=self.depth if depth_factor == 1 else self.depth * depth_factor)
        # what was computed of the labels is kept with them
        moved.__dict__["own_probabilities"] = self.own_probabilities
        return moved

    def resized(self, width: int, height: int) -> "LabelView":
        """The view at a smaller size; a pixel takes the depth nearest to its centre."""
        camera = self.camera.resized(width, height)
        rows = _nearest(self.camera.height, height)
        columns = _nearest(self.camera.width, width)
        return LabelView(camera=camera, T_world_cam=self.T_world_cam,
                         image=resize_maps(self.image, width, height),
                         depth=self.depth[rows[:, None], columns],
                         prediction=self.prediction, code=self.code)


@dataclass(frozen=True)
class VisibleProjection:
    """Points projected into a view."""

    #: (N, 2)
    pixels: Tensor
    #: (N,) bool: in front, inside the image, and not hidden by a nearer surface
    visible: Tensor


def project_visible(points: Tensor, T_b_a: Tensor, camera: PinholeCamera, depth: Tensor,
                    tolerance: float) -> VisibleProjection:
    """Points (N, 3) in frame ``a`` projected into ``camera`` b, whose own depth is (H, W).

    A point is visible where b's depth is known and differs from the point's by less than
    ``tolerance`` (relative): otherwise it is occluded, or the surfaces are not the same.
    """
    x = se3.act(T_b_a, points)
    pixels, _ = camera.project(x)
    depth_b = sample_view(depth[..., None], pixels)[:, 0]
    visible = in_view(x, pixels, camera)
    visible &= (depth_b > 0) & ((depth_b - x[:, 2]).abs() < tolerance * x[:, 2])
    return VisibleProjection(pixels, visible)


def project_view(a: LabelView, b: LabelView, tolerance: float) -> VisibleProjection:
    """The N = H * W pixels of ``a`` projected into ``b``."""
    depth = a.depth.reshape(-1)
    points, _ = a.camera.backproject(a.camera.pixel_grid(device=depth.device), depth)
    T_b_a = se3.inverse(b.T_world_cam) @ a.T_world_cam
    projection = project_visible(points, T_b_a.to(points.dtype), b.camera, b.depth, tolerance)
    return VisibleProjection(projection.pixels, projection.visible & (depth > 0))


def _nearest(size: int, new_size: int) -> Tensor:
    """Index of the old pixel at the centre of each new one."""
    return ((torch.arange(new_size) + 0.5) * size / new_size).long().clamp(max=size - 1)
