"""A keyframe as its prediction alone shows it, with nothing fused."""

import torch

from scenecode.core.images import image_to_uint8
from scenecode.slam.records.snapshot import KeyframeView, StoredMaps


def single_view(keyframe, state) -> KeyframeView:
    depth = keyframe.depth(state.code_depth)
    confidence, labels = keyframe.probabilities(state.code_semantic).max(0)
    maps = StoredMaps(image=image_to_uint8(keyframe.rgb), depth=depth.numpy(),
                      depth_std=keyframe.depth_std(depth).numpy(),
                      labels=labels.to(torch.uint8).numpy(), confidence=confidence.numpy())
    return KeyframeView(frame_index=keyframe.frame_index, timestamp=keyframe.timestamp,
                        T_world_cam=state.T_world_cam.double().numpy(), camera=keyframe.camera,
                        maps=maps)
