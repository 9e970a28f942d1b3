"""What tracking needs of a keyframe."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.lucas_kanade import ReferenceLevel, reference_level
from scenecode.optim.warp import ViewState
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.features.orb import Features
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.records.frame import PYRAMID_LEVELS

#: Share of the network's predicted standard deviation of depth that is independent from pixel to
#: pixel; the rest is correlated over whole surfaces.
_INDEPENDENT_STD = 0.12


@dataclass(frozen=True)
class Reference:
    """A keyframe as the tracker aligns frames to it; immutable, replaced whole."""

    #: the keyframe's number in the graph
    keyframe: int
    frame_index: int
    #: seconds
    timestamp: float
    #: (4, 4)
    T_world_cam: Tensor
    #: full resolution first
    levels: tuple[ReferenceLevel, ...]
    #: metres
    median_depth: float
    #: (N,) ``thumbnail`` of the coarsest level
    thumbnail: Tensor
    #: ORB features and their points (M, 3) in the keyframe's frame
    features: Features
    points: Tensor
    #: factor by which the keyframe's depth was rescaled
    scale: float = 1.0


def make_reference(number: int, keyframe: Keyframe, state: ViewState,
                   config: TrackingConfig) -> Reference:
    """Prepare a keyframe for tracking against it."""
    depths = [keyframe.depth(state.code_depth, level) for level in range(PYRAMID_LEVELS)]
    levels = [reference_level(keyframe.camera_at(level), keyframe.pyramid[level],
                              _known_to_rest(keyframe, depth, level),
                              config.lucas_kanade, _INDEPENDENT_STD * keyframe.depth_std(depth))
              for level, depth in enumerate(depths)]
    pixels = torch.from_numpy(keyframe.features.pixels).to(depths[0])
    points, _ = keyframe.camera.backproject(pixels,
                                            sample_view(depths[0][..., None], pixels)[:, 0])
    return Reference(
        keyframe=number, frame_index=keyframe.frame_index, timestamp=keyframe.timestamp,
        T_world_cam=state.T_world_cam, levels=tuple(levels),
        median_depth=float(depths[-1].median()), thumbnail=thumbnail(keyframe.pyramid[-1]),
        features=keyframe.features, points=points, scale=keyframe.scale)


def _known_to_rest(keyframe: Keyframe, depth: Tensor, level: int) -> Tensor:
    """The depth (H, W), 0 where something may move."""
    moving = keyframe.moving(level)
    return depth if moving is None else depth.masked_fill(moving, 0.0)


def thumbnail(intensity: Tensor) -> Tensor:
    """(H, W) to (H * W,) of mean 0 and length 1: the product of two is their correlation."""
    flat = intensity.reshape(-1) - intensity.mean()
    return flat / flat.norm().clamp(min=1e-6)
