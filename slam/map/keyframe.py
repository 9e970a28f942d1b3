"""A keyframe: an image, the network's prediction for it, and both at every resolution."""

from dataclasses import dataclass, field, replace
from math import exp

import torch
from torch import Tensor

from scenecode.networks.prediction import (
    Prediction,
    Predictor,
    checked_prediction,
    resize_maps,
)
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import depth_from_proximity, depth_std
from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.warp import ViewState
from scenecode.slam.features.orb import Features, detect, grey
from scenecode.slam.records.frame import Frame


@dataclass(frozen=True)
class Keyframe:
    """What does not change; poses and codes, which do, are in the graph."""

    frame: Frame
    #: (4, 4) as tracked, when it became a keyframe
    T_world_cam_inserted: Tensor
    prediction: Prediction
    #: for place recognition and relocalisation
    features: Features
    #: factor by which depth was rescaled since; the prediction includes it
    scale: float = 1.0
    #: cache of ``logit_maps`` by pyramid level, emptied by ``drop_caches``; owned by the mapping
    #: thread
    _logits: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    @property
    def pyramid(self) -> tuple[Tensor, ...]:
        """Intensity (H, W), full resolution first."""
        return self.frame.pyramid

    @property
    def camera(self) -> PinholeCamera:
        return self.frame.camera

    def camera_at(self, level: int) -> PinholeCamera:
        """The camera of a pyramid level."""
        height, width = self.pyramid[level].shape
        return self.camera.resized(width, height)

    def proximity_maps(self, level: int) -> tuple[Tensor, Tensor]:
        """Zero-code proximity (H, W, 1) and its derivative (H, W, Kd) at a pyramid level."""
        height, width = self.pyramid[level].shape
        p = self.prediction
        maps = resize_maps(torch.cat([p.prox_zero[None], p.prox_J_code]), width, height)
        maps = maps.permute(1, 2, 0)
        return maps[..., :1].contiguous(), maps[..., 1:].contiguous()

    def logit_maps(self, level: int) -> tuple[Tensor, Tensor]:
        """Zero-code logits (H, W, C) and their derivative (H, W, C * Ks) at a level."""
        if level not in self._logits:
            height, width = self.pyramid[level].shape
            p = self.prediction
            zero, J = (resize_maps(maps, width, height).permute(1, 2, 0).contiguous()
                       for maps in (p.logits_zero, p.logits_J_code.flatten(0, 1)))
            self._logits[level] = zero, J
        return self._logits[level]

    def proximity_at(self, pixels: Tensor, level: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Zero-code proximity (N,), its derivative (N, Kd) and its Laplace scale (N,) at pixels
        (N, 2) of a pyramid level."""
        p = self.prediction
        h, w = p.prox_zero.shape
        height, width = self.pyramid[level].shape
        scale = pixels.new_tensor([w / width, h / height])
        maps = torch.cat([p.prox_zero[None], p.prox_b[None], p.prox_J_code]).permute(1, 2, 0)
        values = sample_view(maps, (pixels + 0.5) * scale - 0.5)
        return values[:, 0], values[:, 2:].contiguous(), values[:, 1]

    def rescaled(self, log_factor: float) -> "Keyframe":
        """The same with depth multiplied by ``exp(log_factor)`` at every code: depth is
        proportional to the ``a`` of its proximity."""
        factor = exp(log_factor)
        prediction = replace(self.prediction, average_depth=self.prediction.average_depth * factor)
        return replace(self, prediction=prediction, scale=self.scale * factor)

    def drop_caches(self) -> None:
        """Free what can be recomputed."""
        self._logits.clear()

    def initial_state(self) -> ViewState:
        """The tracked pose, and codes at the mode of their prior: zero."""
        p = self.prediction
        return ViewState(self.T_world_cam_inserted, p.prox_zero.new_zeros(p.depth_code_size),
                         p.prox_zero.new_zeros(p.semantic_code_size))

    def depth(self, code_depth: Tensor, level: int = 0) -> Tensor:
        """(H, W) metres at a pyramid level."""
        height, width = self.pyramid[level].shape
        prox = resize_maps(self.prediction.proximity(code_depth)[None], width, height)[0]
        return depth_from_proximity(prox, self.prediction.average_depth)

    def depth_std(self, depth: Tensor) -> Tensor:
        """(H, W) standard deviation of ``depth`` (H, W) in metres, as the network predicts it."""
        height, width = depth.shape
        b = resize_maps(self.prediction.prox_b[None], width, height)[0]
        return depth_std(depth, b, self.prediction.average_depth)

    def probabilities(self, code_semantic: Tensor, level: int = 0) -> Tensor:
        """(C, H, W) class probabilities at a pyramid level."""
        height, width = self.pyramid[level].shape
        logits = resize_maps(self.prediction.logits(code_semantic), width, height)
        return torch.softmax(logits, 0)


def make_keyframe(frame: Frame, T_world_cam: Tensor, predictor: Predictor) -> Keyframe:
    """Run the network on a frame at a pose (4, 4), and detect its ORB features.

    Raises ``PredictionError`` for an answer of the network that cannot be used.
    """
    with torch.inference_mode():
        prediction = checked_prediction(predictor, frame.image, frame.camera)
    # inference tensors may not be mixed into later in-place work; clones may
    prediction = prediction.detached()
    return Keyframe(frame=frame, T_world_cam_inserted=T_world_cam, prediction=prediction,
                    features=detect(grey(frame.pyramid[0])))
