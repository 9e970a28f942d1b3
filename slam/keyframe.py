"""A keyframe: an image, what the network said of it, and that at every resolution."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from networks.prediction import Prediction, Predictor, resize_maps
from optim import image as imaging
from optim.camera import PinholeCamera
from optim.proximity import depth_from_proximity
from optim.warp import CodedView, ViewState
from slam.frame import Frame


@dataclass(frozen=True)
class Keyframe:
    """Constant facts; poses and codes, which change, are kept in the graph."""

    frame: Frame
    #: (4, 4) where tracking put it when it became a keyframe
    T_world_cam_inserted: Tensor
    prediction: Prediction
    #: intensity (H, W), full resolution first
    pyramid: tuple[Tensor, ...]
    #: views made so far, by (level, with semantics); emptied when the keyframe rests.
    #: Owned by the mapping thread.
    _views: dict[tuple[int, bool], CodedView] = field(default_factory=dict, repr=False)

    @property
    def camera(self) -> PinholeCamera:
        return self.frame.camera

    def camera_at(self, level: int) -> PinholeCamera:
        """The camera of a pyramid level."""
        height, width = self.pyramid[level].shape
        return self.camera.resized(width, height)

    def view(self, level: int, with_semantics: bool) -> CodedView:
        """The keyframe at a pyramid level, as residuals take it."""
        key = (level, with_semantics)
        if key not in self._views:
            self._views[key] = _coded_view(self, level, with_semantics)
        return self._views[key]

    def rest(self) -> None:
        """Drop the views, which can be made again; they are most of its memory."""
        self._views.clear()

    def initial_state(self) -> ViewState:
        """The tracked pose, and the most likely codes before anything else is seen: zero."""
        p = self.prediction
        return ViewState(self.T_world_cam_inserted, p.prox_zero.new_zeros(p.depth_code_size),
                         p.prox_zero.new_zeros(p.semantic_code_size))

    def depth(self, code_depth: Tensor, level: int = 0) -> Tensor:
        """(H, W) metres at a pyramid level."""
        height, width = self.pyramid[level].shape
        prox = resize_maps(self.prediction.proximity(code_depth)[None], width, height)[0]
        return depth_from_proximity(prox, self.prediction.average_depth)

    def depth_std(self, depth: Tensor) -> Tensor:
        """(H, W) standard deviation of ``depth`` in metres, from the predicted Laplace scale
        of proximity: sqrt(2) b |dD/dp|."""
        height, width = depth.shape
        b = resize_maps(self.prediction.prox_b[None], width, height)[0]
        a = self.prediction.average_depth
        return (2 ** 0.5) * b * (a + depth) ** 2 / a

    def probabilities(self, code_semantic: Tensor, level: int = 0) -> Tensor:
        """(C, H, W) class probabilities at a pyramid level."""
        height, width = self.pyramid[level].shape
        logits = resize_maps(self.prediction.logits(code_semantic), width, height)
        return torch.softmax(logits, 0)


def make_keyframe(frame: Frame, T_world_cam: Tensor, predictor: Predictor,
                  levels: int) -> Keyframe:
    """Run the network on a frame at a pose and prepare ``levels`` of its intensity pyramid."""
    with torch.inference_mode():
        prediction = predictor.predict(frame.image, frame.camera)
    # inference tensors may not be mixed into later in-place work; clones may
    prediction = prediction.detached()
    pyramid = imaging.pyramid(imaging.intensity(frame.image), levels)
    return Keyframe(frame, T_world_cam, prediction, tuple(pyramid))


def _coded_view(keyframe: Keyframe, level: int, with_semantics: bool) -> CodedView:
    intensity = keyframe.pyramid[level]
    height, width = intensity.shape
    p = keyframe.prediction
    N, C = height * width, len(p.classes)
    prox = resize_maps(torch.cat([p.prox_zero[None], p.prox_J_code]), width, height)
    columns = prox.reshape(-1, N).T.contiguous()
    if with_semantics:
        K = p.semantic_code_size
        logits = resize_maps(p.logits_zero, width, height).reshape(C, N).T.contiguous()
        J = resize_maps(p.logits_J_code.flatten(0, 1), width, height)
        logits_J = J.reshape(C, K, N).permute(2, 0, 1).contiguous()
    else:
        logits, logits_J = columns.new_zeros(N, 0), columns.new_zeros(N, 0, 0)
    camera = keyframe.camera_at(level)
    rays = camera.rays(camera.pixel_grid(device=columns.device))
    return CodedView(camera, intensity.reshape(N), rays, p.average_depth,
                     columns[:, 0].contiguous(), columns[:, 1:].contiguous(), logits, logits_J)
