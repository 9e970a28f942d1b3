"""Resting keyframes: compressed images, and predictions that are computed again alike."""

import numpy as np
import torch
from support.exact import ExactPredictor

from scenecode.slam.features.orb import grey
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.stored_image import StoredImage
from scenecode.slam.map.working_memory import WorkingMemory


class Counting(ExactPredictor):
    """Counts how often it is asked."""

    asked = 0

    def predict(self, image, camera):
        self.asked += 1
        return super().predict(image, camera)


def keyframes_of(frames, capacity):
    predictor = Counting(frames)
    memory = WorkingMemory(predictor, capacity=capacity)
    return predictor, memory, [make_keyframe(f, torch.eye(4), memory) for f in frames]


def test_image_is_a_fraction_of_its_pixels_and_nearly_the_same(small_walk):
    image = small_walk[0].image
    stored = StoredImage.of(image)
    assert len(stored.jpeg) < 0.5 * image.numel()
    assert float((stored.tensor() - image).abs().mean()) < 0.02
    again = StoredImage(stored.jpeg, stored.width, stored.height)
    assert torch.equal(again.tensor(), stored.tensor())


def test_only_the_keyframes_used_last_keep_their_predictions(small_walk):
    predictor, memory, keyframes = keyframes_of(small_walk[:5], capacity=2)
    assert predictor.asked == 5 and len(memory) == 2
    assert keyframes[4].prediction is not None and predictor.asked == 5
    assert keyframes[0].prediction is not None and predictor.asked == 6 and len(memory) == 2


def test_the_grey_image_of_a_keyframe_at_rest_costs_no_prediction(small_walk):
    predictor, _, keyframes = keyframes_of(small_walk[:5], capacity=2)
    image = keyframes[0].grey
    assert predictor.asked == 5
    assert np.array_equal(image, grey(keyframes[0].pyramid[0])) and predictor.asked == 6


def test_what_is_computed_again_is_the_same(small_walk):
    _, _, (first, second) = keyframes_of(small_walk[:2], capacity=1)
    code = 0.1 * torch.ones(32)
    before = first.depth(code), first.pyramid[0], first.probabilities(code)
    second.depth(code)      # drops the first one's
    after = first.depth(code), first.pyramid[0], first.probabilities(code)
    assert all(torch.equal(a, b) for a, b in zip(before, after))


def test_derived_maps_are_dropped_with_the_prediction(small_walk):
    _, memory, (first, second) = keyframes_of(small_walk[:2], capacity=1)
    assert first.logit_maps(2)[0] is first.logit_maps(2)[0]
    kept = first.logit_maps(2)[0]
    second.logit_maps(2)
    assert first.logit_maps(2)[0] is not kept and torch.equal(first.logit_maps(2)[0], kept)


def test_rescaled_keyframe_scales_its_depth_only(small_walk):
    predictor, _, (keyframe,) = keyframes_of(small_walk[:1], capacity=1)
    code = torch.zeros(32)
    deeper = keyframe.rescaled(0.3)
    torch.testing.assert_close(deeper.depth(code), keyframe.depth(code) * torch.tensor(0.3).exp())
    assert predictor.asked == 1
