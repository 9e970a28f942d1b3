"""What an adjustment found, for those who go on with it."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from scenecode.slam.adjustment.problem import MapState, ObservedLandmarks
from scenecode.slam.map.keyframe import Keyframe


@dataclass(frozen=True)
class ResamplingDepth:
    """The depth of a keyframe by which the images of others are resampled to look like its own."""

    #: (H, W) metres
    metres: Tensor
    #: the keyframes that it was matched with, none where it is that of the code
    views: tuple[int, ...]


@dataclass(frozen=True)
class AdjustedMap:
    """Keyframes as an adjustment left them, with their landmarks."""

    #: the number of the keyframe of each row
    numbers: list[int]
    landmarks: ObservedLandmarks
    state: MapState
    #: by number, where corners were matched in resampled images, and the keyframes as they were
    #: then
    depths: Mapping[int, ResamplingDepth]
    keyframes: Mapping[int, Keyframe]
