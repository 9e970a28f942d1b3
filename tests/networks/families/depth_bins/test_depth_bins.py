"""Depth as classes, on a tiny network."""

from dataclasses import replace
from math import log

import pytest
import torch
from support.small_training import SIZE, Walls

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13
from scenecode.networks.data.mixed import collate
from scenecode.networks.families.depth_bins.config import DepthBinsConfig
from scenecode.networks.families.depth_bins.model import DepthBinsNetwork
from scenecode.networks.families.depth_bins.objective import (
    DepthBinsLossConfig,
    DepthBinsObjective,
)
from scenecode.networks.inference.preparation import make_ready

SMALL = DepthBinsConfig(backbone="mobilenetv2", padding="keras", frozen_norm=True,
                        output_stride=16, width=SIZE, height=SIZE, pyramid_rates=(1, 2), bins=12,
                        min_depth=0.5, max_depth=10.0, canonical_focal=60.0, average_depth=2.0)


def network(**changes):
    torch.manual_seed(0)
    return DepthBinsNetwork(replace(SMALL, **changes), NYU13)


def test_an_image_that_is_no_whole_number_of_strides_is_continued_not_rescaled():
    whole, cut = network(width=64, height=64).eval(), network(width=52, height=64).eval()
    image = torch.rand(1, 3, 64, 64)
    image[..., 52:] = image[..., 51:52]
    with torch.no_grad():
        expected = whole.scores(whole(image), 1)[..., :52]
        scores = cut.scores(cut(image[..., :52]), 1)
    assert scores.shape == (1, 12, 64, 52)
    torch.testing.assert_close(scores, expected)


def test_the_loss_of_even_scores_is_the_logarithm_of_the_bins_and_unknown_depth_has_none():
    model = network()
    for parameter in model.pyramid.parameters():
        torch.nn.init.zeros_(parameter)
    batch = collate([Walls()[0], Walls()[1]], SMALL.canonical_focal, SMALL.max_depth)
    objective = DepthBinsObjective(DepthBinsLossConfig(pixel_step=2))
    loss, _ = objective(model, batch, 0.0, torch.Generator())
    assert loss.item() == pytest.approx(log(12))
    unknown = replace(batch, valid=torch.zeros_like(batch.valid))
    assert objective(model, unknown, 0.0, torch.Generator())[0] == 0


def test_it_gives_depth_both_ways_and_no_labels():
    model, sample = network().eval(), Walls()[0]
    answers = model.answers(sample)
    assert list(answers) == ["argmax", "expectation"]
    assert list(network(decode="expectation").answers(sample)) == ["expectation", "argmax"]
    depths = model.bins.log_depth.exp()
    for answer in answers.values():
        assert answer.logits is None and answer.depth.shape == (SIZE, SIZE)
        assert bool((answer.prox_b > 0).all())
    nearest = (answers["argmax"].depth[..., None] - depths).abs().min(-1).values
    assert nearest.max() < 1e-3
    longer = replace(sample.camera, fx=2 * sample.camera.fx, fy=2 * sample.camera.fy)
    prediction = model.predict(sample.image, sample.camera)
    torch.testing.assert_close(model.predict(sample.image, longer).depth(),
                               2 * prediction.depth())
    ready = make_ready(network(decode="expectation").eval())
    plain = network(decode="expectation").eval()
    torch.testing.assert_close(ready.predict(sample.image, sample.camera).depth(),
                               plain.predict(sample.image, sample.camera).depth(),
                               rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_it_learns_the_depth_of_a_few_images():
    model, batch = network(), collate([Walls()[0], Walls()[1]], SMALL.canonical_focal)
    objective = DepthBinsObjective(DepthBinsLossConfig(pixel_step=2))
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(40):
        loss, parts = objective(model, batch, 0.0, torch.Generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.5 and parts["right_bin"] > 0.8


def test_shapes_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="multiples of 4"):
        replace(SMALL, width=66)
    with pytest.raises(ConfigError, match="depth bins need"):
        replace(SMALL, min_depth=20.0)
