"""What an adjustment found, for those who go on with it."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from scenecode.slam.adjustment.problem import MapState, ObservedLandmarks


@dataclass(frozen=True)
class AdjustedMap:
    """Keyframes as an adjustment left them, with their landmarks."""

    #: the number of the keyframe of each row
    numbers: list[int]
    landmarks: ObservedLandmarks
    state: MapState
    #: (H, W) metres, by number, where images show depth
    depths: Mapping[int, Tensor]
