"""Landmarks: corners of keyframes, each with its own depth, and other keyframes' observations."""

from dataclasses import dataclass, replace

from torch import Tensor

from scenecode.optim.geometry.proximity import depth_from_proximity
from scenecode.slam.features.klt import KltConfig, detect_corners
from scenecode.slam.map.keyframe import Keyframe


@dataclass(frozen=True)
class Landmarks:
    """The landmarks that a keyframe introduced."""

    #: (M, 2)
    pixels: Tensor
    #: (M, 3) points at depth 1
    rays: Tensor
    #: (M,) standard deviation of ln depth as the network predicts it
    log_std: Tensor
    #: (M,) ln metres; what is optimised
    log_depth: Tensor

    def proximity(self, keyframe: Keyframe) -> tuple[Tensor, Tensor]:
        """Proximity at zero code (M,) and its derivative (M, Kd) in the keyframe that introduced
        them."""
        def sampled() -> tuple[Tensor, Tensor]:
            prox_zero, J, _ = keyframe.proximity_at(self.pixels)
            return prox_zero, J

        return keyframe.maps.derived(("landmarks", self.pixels), sampled)

    def rescaled(self, log_factor: float) -> "Landmarks":
        """The same with depth multiplied by ``exp(log_factor)``."""
        return replace(self, log_depth=self.log_depth + log_factor)


@dataclass(frozen=True)
class Observation:
    """Some of a keyframe's landmarks, observed in another keyframe."""

    #: (M,) index of the landmarks
    index: Tensor
    #: (M, 2) in the other keyframe
    pixels: Tensor


def keyframe_corners(keyframe: Keyframe, occupied: Tensor, config: KltConfig) -> Tensor:
    """Corners (P, 2) of a keyframe where nothing moves, as ``detect_corners`` finds them away from
    the ``occupied`` pixels (M, 2)."""
    moving = keyframe.moving()
    return detect_corners(keyframe.grey, occupied, config,
                          None if moving is None else moving.numpy(force=True))


def make_landmarks(keyframe: Keyframe, code: Tensor, pixels: Tensor) -> Landmarks:
    """Landmarks at pixels (M, 2) of a keyframe, at the depth that its code gives them."""
    prox_zero, J, b = keyframe.proximity_at(pixels)
    prox = prox_zero + J @ code
    # d ln D / d p = -a / (p^2 D) = -1 / (p (1 - p))
    log_std = (2 ** 0.5) * b / (prox * (1 - prox)).clamp(min=1e-3)
    log_depth = depth_from_proximity(prox, keyframe.prediction.average_depth).log()
    return Landmarks(pixels=pixels, rays=keyframe.camera.rays(pixels), log_std=log_std,
                     log_depth=log_depth)
