"""The multi-scale network: its shapes, its depth, its losses and its field."""

import pytest
import torch
from torch import nn

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13, NYU_40
from scenecode.networks.data.mixed import Batch
from scenecode.networks.families.multiscale_crf.config import MultiscaleCRFConfig
from scenecode.networks.families.multiscale_crf.family import FAMILY
from scenecode.networks.families.multiscale_crf.objective import MultiscaleCRFLossConfig
from scenecode.networks.sample import Sample
from scenecode.optim.dense_crf.config import DenseCRFConfig

SMALL = MultiscaleCRFConfig(
    backbone="mobilenetv2", width=64, height=32, branch_channels=(4, 8, 8, 8, 16),
    branch_norm=True, context_dilation=2, score_stride=4, canonical_focal=59.0,
    crf=DenseCRFConfig(appearance_colour=20.0, iterations=3))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return FAMILY.build(SMALL, NYU13).eval()


def random_batch(depth=None):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand((2, 3, 32, 64), generator=generator)
    if depth is None:
        depth = 1 + 3 * torch.rand((2, 32, 64), generator=generator)
    labels = torch.randint(13, (2, 32, 64), generator=generator)
    return Batch(image=image, depth=depth, valid=depth > 0, labels=labels)


def loss_of(network, batch, terms=(), **weights):
    objective = FAMILY.objective(MultiscaleCRFLossConfig(**weights), torch.ones(13), _alone())
    objective.use(terms)
    return objective(network, batch, 0.0, torch.Generator().manual_seed(0))


def _alone():
    from scenecode.networks.distributed import Processes
    return Processes()


def test_the_papers_network_has_its_layers_and_sizes():
    with torch.device("meta"):
        network = FAMILY.build(MultiscaleCRFConfig(), NYU_40)
        inputs = network.backbone(torch.zeros(1, 3, 513, 513))
        output = network(torch.zeros(1, 3, 513, 513))
    assert [tuple(maps.shape[1:]) for maps in inputs] == [
        (64, 257, 257), (128, 129, 129), (256, 65, 65), (512, 65, 65)]
    assert output.logits.shape == (1, 40, 513, 513)
    assert output.depth_scores.shape == (1, 50, 513, 513)
    shapes = [[tuple(conv.weight.shape) for conv in branch.convs] for branch in network.branches]
    assert shapes == [
        [(64, 3, 3, 3), (64, 64, 3, 3)], [(128, 64, 3, 3)],
        [(128, 128, 3, 3), (128, 128, 3, 3)], [(128, 256, 3, 3), (128, 128, 3, 3)],
        [(1024, 512, 3, 3), (1024, 1024, 1, 1)]]
    assert network.branches[4].convs[0].dilation == (12, 12)
    assert all(branch.scores.weight.shape[0] == 90 for branch in network.branches)


def test_scores_are_the_sum_of_those_of_the_branches(network):
    image = random_batch().image
    with torch.no_grad():
        whole = network(image).logits
        total = torch.zeros_like(whole)
        for branch in network.branches:
            others = [b for b in network.branches if b is not branch]
            saved = [(b.scores.weight.clone(), b.scores.bias.clone()) for b in others]
            for other in others:
                nn.init.zeros_(other.scores.weight)
            total += network(image).logits
            for other, (weight, bias) in zip(others, saved):
                other.scores.weight.copy_(weight)
                other.scores.bias.copy_(bias)
    torch.testing.assert_close(total, whole, rtol=1e-4, atol=1e-5)


def test_depth_is_the_mean_of_the_bins_with_their_deviation(network):
    scores = torch.full((1, 50, 1, 2), -1e4)
    scores[0, 9, 0, 0] = 0.0
    scores[0, [9, 19], 0, 1] = 0.0
    depth, std = network.depth(scores)
    torch.testing.assert_close(depth[0, 0], torch.tensor([1.4, 2.1]))
    within = 0.14 ** 2 / 12
    torch.testing.assert_close(
        (std * depth)[0, 0], torch.tensor([within, 0.7 ** 2 + within]).sqrt())


def test_the_depth_loss_is_the_mean_over_pairs_of_pixels_and_free_of_scale(network):
    batch = random_batch()
    with torch.no_grad():
        _, parts = loss_of(network, batch, ("depth",))
        depth, _ = network.depth(nn.functional.interpolate(
            network(batch.image).depth_scores, (32, 64), mode="bilinear"))
        truth = (batch.depth / 0.14).round().clamp(1, 50) * 0.14
        error = (depth.log() - truth.log()).flatten(1)
        pairs = (error[:, :, None] - error[:, None]).square().mean((1, 2))
        torch.testing.assert_close(parts["depth"], pairs.mean())
        # of a truth that is twice as far everywhere, in whole bins
        even = Batch(image=batch.image, depth=(truth / 2 / 0.14).round() * 0.14,
                     valid=batch.valid, labels=batch.labels)
        twice = Batch(image=batch.image, depth=2 * even.depth, valid=batch.valid,
                      labels=batch.labels)
        near, far = (loss_of(network, b, ("depth",))[1]["depth"] for b in (even, twice))
        torch.testing.assert_close(near, far)
        assert loss_of(network, even, ("depth",), absolute=1.0)[0] != \
            loss_of(network, twice, ("depth",), absolute=1.0)[0]


def test_stages_train_what_the_paper_says():
    torch.manual_seed(0)
    network = FAMILY.build(SMALL, NYU13)
    depth_rows = network.branches[4].scores.weight

    def gradients(*terms):
        network.zero_grad()
        loss_of(network, random_batch(), terms)[0].backward()
        rows = depth_rows.grad.abs().sum((1, 2, 3))
        return rows[:13].sum() > 0, rows[13:].sum() > 0, network.crf.weights.grad is not None \
            and bool(network.crf.weights.grad.abs().sum() > 0)

    assert gradients("labels") == (True, False, False)
    assert gradients("labels", "depth") == (True, True, False)
    assert gradients("crf") == (True, False, True)  # depth enters the field as a constant
    assert gradients() == (True, True, True)
    with pytest.raises(ConfigError, match="has no term shape"):
        loss_of(network, random_batch(), ("shape",))
    assert network.parameter_groups() == {"crf.": 1000.0}


def test_answers_and_predictions(network):
    batch = random_batch()
    camera = network.geometry.canonical_camera()
    sample = Sample(image=batch.image[0], depth=batch.depth[0], labels=batch.labels[0].byte(),
                    camera=camera)
    answers = network.answers(sample)
    assert list(answers) == ["unary", "crf", "crf_depth"]
    for answer in answers.values():
        assert answer.logits.shape == (13, 32, 64) and answer.logits.isfinite().all()
        torch.testing.assert_close(answer.prox, answers["unary"].prox)
    assert not torch.allclose(answers["crf"].logits, answers["crf_depth"].logits)
    prediction = network.predict(batch.image[0], camera)
    assert prediction.logits_zero.shape == (13, 8, 16) and (prediction.prox_b > 0).all()


@pytest.mark.parametrize("changes", [
    {"score_stride": 3}, {"backbone": "mobilenetv2", "height": 40}, {"bin_length": 0.0}])
def test_configurations_that_mean_nothing_are_refused(changes):
    with pytest.raises(ConfigError):
        MultiscaleCRFConfig(**changes)
