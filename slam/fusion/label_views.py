"""A view whose depth and pose are known, and where its surfaces are seen in another view."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from scenecode.networks.prediction import Prediction, resize_maps
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
from scenecode.optim.imaging import image


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
        """(C, H, W) class probabilities at the view's own code, which every neighbour asks for."""
        return self.probabilities(self.start_code())

    def probabilities(self, code: Tensor) -> Tensor:
        """(C, H, W) class probabilities at a code (Ks,)."""
        logits = self.prediction.logits(code)
        return torch.softmax(resize_maps(logits, self.camera.width, self.camera.height), 0)

    def resized(self, width: int, height: int) -> "LabelView":
        """The view at a smaller size; a pixel takes the depth nearest to its centre."""
        camera = self.camera.resized(width, height)
        rows = _nearest(self.camera.height, height)
        columns = _nearest(self.camera.width, width)
        return LabelView(camera, self.T_world_cam, resize_maps(self.image, width, height),
                         self.depth[rows[:, None], columns], self.prediction, self.code)


@dataclass(frozen=True)
class VisibleProjection:
    """Where points are seen in a view."""

    #: (N, 2)
    pixels: Tensor
    #: (N,) bool: in front, inside the image, and not hidden by a nearer surface
    visible: Tensor


def project_visible(points: Tensor, T_b_a: Tensor, camera: PinholeCamera, depth: Tensor,
          tolerance: float) -> VisibleProjection:
    """Landmarks (N, 3) of camera ``a`` as ``camera`` b sees them, whose own depth is (H, W).

    A point is visible where b's depth is known and within ``tolerance`` of the point's,
    relative to it: otherwise it is hidden, or the surfaces are not the same.
    """
    x = se3.act(T_b_a, points)
    pixels, _ = camera.project(x)
    theirs = image.sample(depth[..., None], pixels)[:, 0]
    visible = (x[:, 2] > MIN_DEPTH) & image.inside(pixels, camera.width, camera.height)
    visible &= (theirs > 0) & ((theirs - x[:, 2]).abs() < tolerance * x[:, 2])
    return VisibleProjection(pixels, visible)


def project_view(a: LabelView, b: LabelView, tolerance: float) -> VisibleProjection:
    """Where the N = H * W pixels of ``a`` are seen in ``b``."""
    depth = a.depth.reshape(-1)
    points, _ = a.camera.backproject(a.camera.pixel_grid(device=depth.device), depth)
    T_b_a = se3.inverse(b.T_world_cam) @ a.T_world_cam
    found = project_visible(points, T_b_a.to(points.dtype), b.camera, b.depth, tolerance)
    return VisibleProjection(found.pixels, found.visible & (depth > 0))


def _nearest(size: int, wanted: int) -> Tensor:
    return ((torch.arange(wanted) + 0.5) * size / wanted).long().clamp(max=size - 1)
