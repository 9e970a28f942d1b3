"""Corners of keyframes with a depth of their own each, and where other keyframes see them."""

from dataclasses import dataclass, replace

from torch import Tensor

from scenecode.optim.geometry.proximity import depth_from_proximity
from scenecode.slam.map.keyframe import Keyframe


@dataclass(frozen=True)
class Landmarks:
    """The corners that a keyframe introduced."""

    #: (M, 2)
    pixels: Tensor
    #: (M, 3) points at depth 1
    rays: Tensor
    #: (M,) and (M, Kd): proximity at zero code, and its derivative, there
    prox_zero: Tensor
    prox_J_code: Tensor
    #: (M,) deviation of ln depth as the network predicts it
    log_std: Tensor
    #: (M,) what is optimised
    log_depth: Tensor

    def rescaled(self, change: float) -> "Landmarks":
        """The same with depth multiplied by ``exp(change)``."""
        return replace(self, log_depth=self.log_depth + change)


@dataclass(frozen=True)
class Observation:
    """Some of a keyframe's points, seen in another."""

    #: (M,) which ones
    index: Tensor
    #: (M, 2) in the other
    pixels: Tensor


def make_landmarks(keyframe: Keyframe, code: Tensor, pixels: Tensor) -> Landmarks:
    """Landmarks at pixels (M, 2) of a keyframe, at the depth that its code gives them."""
    prox_zero, J, b = keyframe.at_pixels(pixels)
    prox = prox_zero + J @ code
    # d ln D / d p = -a / (p^2 D) = -1 / (p (1 - p))
    log_std = (2 ** 0.5) * b / (prox * (1 - prox)).clamp(min=1e-3)
    log_depth = depth_from_proximity(prox, keyframe.prediction.average_depth).log()
    return Landmarks(pixels, keyframe.camera.rays(pixels), prox_zero, J, log_std, log_depth)
