"""A keyframe's image as its corners are tracked in."""

import numpy as np
import torch
from support.exact import ExactPredictor

from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.working_memory import WorkingMemory


def test_the_image_for_corners_is_as_sharp_as_the_keyframes(small_walk):
    frame = small_walk[0]
    memory = WorkingMemory(ExactPredictor(small_walk))
    keyframe = make_keyframe(frame, torch.eye(4), memory)
    intensity = np.rint(255 * torch.einsum(
        "chw,c->hw", keyframe.rgb, torch.tensor([0.299, 0.587, 0.114])).numpy())

    assert keyframe.sharp_grey.dtype == np.uint8
    assert np.abs(keyframe.sharp_grey - intensity).max() <= 1
    # the first level of the pyramid is smoothed
    smoothed = 255 * keyframe.pyramid[0].numpy()
    assert np.std(np.diff(keyframe.sharp_grey.astype(float))) > 1.2 * np.std(np.diff(smoothed))
