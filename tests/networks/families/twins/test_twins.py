"""What the paper states of the two decoders, on a tiny network."""

from dataclasses import replace

import pytest
import torch
from support.small_training import SIZE, Walls

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13
from scenecode.networks.data.mixed import Batch, collate
from scenecode.networks.families.losses import scale_invariant
from scenecode.networks.families.twins.config import TwinsConfig
from scenecode.networks.families.twins.model import Twins
from scenecode.networks.families.twins.objective import TwinsLossConfig, TwinsObjective
from scenecode.networks.inference.preparation import make_ready

SMALL = TwinsConfig(backbone="mobilenetv2", padding="keras", frozen_norm=True, width=SIZE,
                    height=SIZE, pyramid_channels=16, pyramid_rates=(1, 2),
                    depth_channels=(12, 8), connection_channels=8, skip_channels=8,
                    label_channels=16, canonical_focal=60.0, average_depth=2.0, min_depth=0.3,
                    max_depth=10.0, baseline=0.1)


def network(**changes):
    torch.manual_seed(0)
    return Twins(replace(SMALL, **changes), NYU13)


def wall_batch() -> Batch:
    return collate([Walls()[0], Walls()[1]], SMALL.canonical_focal, SMALL.max_depth)


@pytest.mark.parametrize("output_stride, channels", [(8, (8, 8, 4)), (16, (8, 8, 4, 4)),
                                                     (32, (12, 12, 8))])
def test_outputs_have_the_strides_of_their_decoders(output_stride, channels):
    model = network(output_stride=output_stride, depth_channels=channels)
    output = model.eval()(torch.rand(2, 3, SIZE, SIZE))
    side = int(SIZE / model.config.depth_stride)
    assert output.depth.shape == (2, 1, side, side)
    assert output.logits.shape == (2, 13, SIZE // 4, SIZE // 4)
    assert bool(((output.depth > 0) & (output.depth < 1)).all())


def test_labels_reach_the_depth_decoder_through_the_connection_alone():
    batch = wall_batch()
    labels_alone = TwinsObjective(TwinsLossConfig(semantic=1.0), torch.ones(13))

    def depth_gradients(model):
        total, _ = labels_alone(model, batch, 0.0, torch.Generator())
        total.backward()
        return [p.grad for p in model.depth_decoder.blocks.parameters()
                if p.grad is not None and bool(p.grad.any())]

    assert depth_gradients(network())
    assert not depth_gradients(network(connection_channels=0))


def test_depth_is_what_the_output_means_and_disparity_a_factor_away():
    model = network()
    depth = torch.tensor([0.3, 0.5, 2.0, 10.0])
    torch.testing.assert_close(model.depth(model.output_of_depth(depth)), depth)
    assert model.output_of_depth(depth[:1]).item() == pytest.approx(1.0)
    assert model.depth(torch.zeros(1)).item() == pytest.approx(10.0)


def test_errors_of_log_disparity_and_of_log_depth_are_the_same():
    model, batch = network(), wall_batch()
    output = torch.rand(2, 1, SIZE, SIZE) * 0.6 + 0.3
    objective = TwinsObjective(TwinsLossConfig(difference="log_disparity"), torch.ones(13))
    depth, valid = batch.depth[:, None], batch.valid[:, None]
    by_disparity = scale_invariant(objective._difference(model, output, depth), valid)
    by_depth = scale_invariant((model.depth(output) / depth).log(), valid)
    torch.testing.assert_close(by_disparity, by_depth, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("difference", ["log_one_plus_disparity", "log_disparity", "log_output"])
def test_no_form_of_the_loss_has_an_error_at_the_truth(difference):
    model, batch = network(), wall_batch()
    objective = TwinsObjective(TwinsLossConfig(difference=difference), torch.ones(13))
    depth = batch.depth[:, None]
    right = model.output_of_depth(depth)
    assert objective._difference(model, right, depth).abs().max() < 1e-5
    wrong = (0.8 * right).requires_grad_()
    loss = scale_invariant(objective._difference(model, wrong, depth), batch.valid[:, None])
    assert loss > 0 and bool((torch.autograd.grad(loss, wrong)[0] <= 0).all())


def test_a_ready_network_predicts_metric_depth_in_proportion_to_the_focal_length():
    model = network().eval()
    sample = Walls()[0]
    prediction = model.predict(sample.image, sample.camera)
    longer = replace(sample.camera, fx=2 * sample.camera.fx, fy=2 * sample.camera.fy)
    torch.testing.assert_close(model.predict(sample.image, longer).depth(),
                               2 * prediction.depth())
    assert bool((prediction.prox_b > 0).all())
    ready = make_ready(network().eval()).predict(sample.image, sample.camera)
    torch.testing.assert_close(ready.prox_zero, prediction.prox_zero, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ready.logits_zero, prediction.logits_zero, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_it_learns_depth_and_labels_of_a_few_images():
    model, batch = network(), wall_batch()
    objective = TwinsObjective(TwinsLossConfig(semantic=0.5, invariance=0.0), torch.ones(13))
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(30):
        total, parts = objective(model, batch, 0.0, torch.Generator())
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    assert parts["depth"] < 0.05 and parts["semantic"] < 1.6


def test_its_encoder_starts_another_network_of_the_same_encoder():
    earlier, other = network(), network(label_channels=24)
    taken = other.transferable_state(earlier)
    assert taken and set(taken) == {name for name in other.state_dict()
                                    if name.startswith("backbone.")}
    assert network().transferable_state(earlier).keys() == earlier.state_dict().keys()
    assert network(backbone="efficientnet_lite1").transferable_state(earlier) is None


def test_the_refined_answer_has_the_same_labels_and_other_depth():
    sample = Walls()[0]
    assert list(network().eval().answers(sample)) == ["network"]
    answers = network(refinement=True).eval().answers(sample)
    assert list(answers) == ["network", "refined"]
    plain, refined = answers["network"], answers["refined"]
    assert torch.equal(plain.logits, refined.logits)
    torch.testing.assert_close(refined.depth, plain.depth, rtol=0.5, atol=0)


def test_shapes_that_cannot_be_are_refused():
    for changes, message in (({"width": 72}, "multiples of output_stride 16"),
                             ({"depth_channels": (8,)}, "from stride 16 to 8"),
                             ({"min_depth": 20.0}, "below max_depth")):
        with pytest.raises(ConfigError, match=message):
            replace(SMALL, **changes)
