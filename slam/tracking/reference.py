"""What tracking needs of a keyframe."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.lucas_kanade import ReferenceLevel, reference_level
from scenecode.optim.warp import ViewState
from scenecode.slam.config.slam_config import TrackingConfig
from scenecode.slam.features.orb import Features
from scenecode.slam.map.keyframe import Keyframe


@dataclass(frozen=True)
class Reference:
    """What the tracker needs of a keyframe; immutable, swapped whole."""

    #: the keyframe's number in the graph
    keyframe: int
    frame_index: int
    timestamp: float
    #: (4, 4), and where it was when it became a keyframe
    T_world_cam: Tensor
    T_world_cam_inserted: Tensor
    #: full resolution first
    levels: tuple[ReferenceLevel, ...]
    median_depth: float
    #: (N,) the coarsest level's intensity, of mean 0 and length 1
    appearance: Tensor
    #: with their places (M, 3) in the keyframe's frame
    features: Features
    points: Tensor
    #: the keyframe's
    scale: float = 1.0


def make_reference(number: int, keyframe: Keyframe, state: ViewState,
                   tracking: TrackingConfig) -> Reference:
    """Prepare a keyframe for tracking against it."""
    config, trust = tracking.lucas_kanade, tracking.depth_deviation
    depths = [keyframe.depth(state.code_depth, level)
              for level in range(len(config.iterations))]
    levels = [reference_level(keyframe.camera_at(level), keyframe.pyramid[level], depth,
                              config, trust * keyframe.depth_std(depth))
              for level, depth in enumerate(depths)]
    pixels = torch.from_numpy(keyframe.features.pixels).to(depths[0])
    points, _ = keyframe.camera.backproject(pixels, sample_view(depths[0][..., None], pixels)[:, 0])
    return Reference(
        keyframe=number, frame_index=keyframe.frame.index, timestamp=keyframe.frame.timestamp,
        T_world_cam=state.T_world_cam, T_world_cam_inserted=keyframe.T_world_cam_inserted,
        levels=tuple(levels), median_depth=float(depths[-1].median()),
        appearance=appearance(keyframe.pyramid[-1]), features=keyframe.features, points=points,
        scale=keyframe.scale)


def appearance(intensity: Tensor) -> Tensor:
    """(H, W) to (H * W,) such that a product tells the correlation of two."""
    flat = intensity.reshape(-1) - intensity.mean()
    return flat / flat.norm().clamp(min=1e-6)
