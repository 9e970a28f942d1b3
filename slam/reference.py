"""What tracking needs of a keyframe."""

from dataclasses import dataclass

import torch
from torch import Tensor

from optim import se3
from optim.lookup import sample_view
from optim.lucas_kanade import ReferenceLevel, assess, reference_level
from optim.warp import ViewState
from slam.config import TrackingConfig
from slam.features import Features
from slam.keyframe import Keyframe


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
    #: of the keyframe's own image, see ``Alignment``: as much as any image can tell here
    log_information: float
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
    itself = assess(levels[0], keyframe.pyramid[0], se3.identity(), config)
    return Reference(number, keyframe.frame.index, keyframe.frame.timestamp,
                     state.T_world_cam, keyframe.T_world_cam_inserted, tuple(levels),
                     float(depths[-1].median()), appearance(keyframe.pyramid[-1]),
                     keyframe.features, points, itself.log_information, keyframe.scale)


def appearance(intensity: Tensor) -> Tensor:
    """(H, W) to (H * W,) such that a product tells the correlation of two."""
    flat = intensity.reshape(-1) - intensity.mean()
    return flat / flat.norm().clamp(min=1e-6)
