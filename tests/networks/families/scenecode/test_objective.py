from math import log

import pytest
import torch

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13, VOID
from scenecode.networks.data.mixed import Batch
from scenecode.networks.families.scenecode.model import MIN_SCALE, ModelConfig, SceneCode
from scenecode.networks.families.scenecode.objective import (
    LossConfig,
    Objective,
    TaskWeights,
    balanced_weights,
    cross_entropy,
    kl_from_unit_normal,
    laplace,
    proximity_l1,
    relative_l1,
)
from scenecode.optim.geometry.proximity import proximity_from_depth


def test_proximity_loss_counts_known_pixels_only():
    prox = torch.tensor([0.5, 0.9, 0.1]).reshape(1, 1, 1, 3)
    truth = torch.tensor([0.4, 0.0, 0.3]).reshape(1, 1, 1, 3)
    known = torch.tensor([1.0, 0.0, 1.0]).reshape(1, 1, 1, 3)
    assert proximity_l1(prox, truth, known).item() == pytest.approx((0.1 + 0.2) / 2)
    assert proximity_l1(prox, truth, 0 * known).item() == 0


@pytest.mark.parametrize("average_depth", [2.0, 3.5])
def test_relative_loss_is_that_of_depth_whatever_the_average_depth(average_depth):
    truth = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 1, 4)
    depth = truth * torch.tensor([1.1, 0.8, 1.0, 5.0])
    known = torch.tensor([1.0, 1.0, 1.0, 0.0]).reshape(1, 1, 1, 4)
    prox, prox_truth = (proximity_from_depth(d, average_depth) for d in (depth, truth))
    assert relative_l1(prox, prox_truth, known).item() == pytest.approx(0.1, rel=1e-4)
    # a network may say anything at first
    wild = torch.tensor([-1.0, 0.0, 1.0, 2.0]).reshape(1, 1, 1, 4).requires_grad_()
    relative_l1(wild, prox_truth, torch.ones_like(known)).backward()
    assert bool(wild.grad.isfinite().all())


def test_laplace_is_equation_3_and_best_at_the_true_scale():
    prox, truth = torch.full((1, 1, 1, 2), 0.5), torch.tensor([0.4, 0.52]).reshape(1, 1, 1, 2)
    known, b = torch.ones(1, 1, 1, 2), torch.tensor([0.1, 0.05]).reshape(1, 1, 1, 2)
    expected = (0.1 / 0.1 + log(0.1) + 0.02 / 0.05 + log(0.05)) / 2 - log(MIN_SCALE)
    assert laplace(prox, truth, known, b).item() == pytest.approx(expected, rel=1e-5)
    at = {s: laplace(prox, prox - 0.1, known, torch.full_like(b, s)) for s in (0.05, 0.1, 0.2)}
    assert at[0.1] < at[0.05] and at[0.1] < at[0.2]


def test_cross_entropy_ignores_void():
    logits = torch.zeros(1, 4, 1, 3)
    logits[0, 2, 0, 1] = 50.0
    labels = torch.tensor([[[1, 2, VOID]]])
    assert cross_entropy(logits, labels, torch.ones(4)).item() == pytest.approx(log(4) / 2)
    assert cross_entropy(logits, torch.full_like(labels, VOID), torch.ones(4)).item() == 0


def test_cross_entropy_is_the_mean_under_the_weights_of_the_classes():
    logits = torch.zeros(1, 4, 1, 2)
    logits[0, 2, 0, 1] = 50.0
    weights = torch.tensor([1.0, 3.0, 1.0, 1.0])
    loss = cross_entropy(logits, torch.tensor([[[1, 2]]]), weights)
    assert loss.item() == pytest.approx(3 * log(4) / 4)


def test_balanced_weights_lie_between_pixels_alike_and_classes_alike():
    counts = torch.tensor([80, 20, 0])
    torch.testing.assert_close(balanced_weights(counts, 0.0), torch.ones(3))
    pixels, classes = counts / 100, balanced_weights(counts, 1.0)
    assert (pixels * classes)[:2].tolist() == pytest.approx([0.5, 0.5], rel=0.02)
    half = balanced_weights(counts, 0.5)
    assert half[1] / half[0] == pytest.approx(2) and bool(half.isfinite().all())


def test_kl_against_closed_form():
    mean, logvar = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, log(4.0)]])
    assert kl_from_unit_normal(mean, logvar).item() == pytest.approx(
        0.5 + 0.5 * (4 - 1 - log(4)))
    assert kl_from_unit_normal(torch.zeros(3, 5), torch.zeros(3, 5)).item() == 0


def test_kl_is_annealed_from_zero_after_two_epochs():
    config = LossConfig(kl_start=2, kl_ramp=4)
    assert [config.kl_factor(e) for e in (0, 2, 4, 6, 9)] == [0, 0, 0.5, 1, 1]


def test_task_weights_settle_at_one_over_the_loss():
    weights = TaskWeights()
    optimiser = torch.optim.Adam(weights.parameters(), 0.05)
    losses = torch.tensor([4.0, 0.5])
    for _ in range(400):
        optimiser.zero_grad()
        weights(*losses).backward()
        optimiser.step()
    torch.testing.assert_close(torch.exp(-weights.log_variance), 1 / losses, rtol=0.02, atol=0)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return SceneCode(ModelConfig(width=64, height=64, depth_code=3, semantic_code=3,
                                 decoder_channels=(8, 8, 8, 8), recognition_channels=(4, 4)),
                     NYU13)


def batch():
    generator = torch.Generator().manual_seed(1)
    depth = 1 + torch.rand(2, 64, 64, generator=generator)
    labels = torch.randint(0, 13, (2, 64, 64), generator=generator)
    return Batch(torch.rand(2, 3, 64, 64, generator=generator), depth, depth > 0, labels)


def test_objective_reaches_every_parameter_and_repeats_with_its_seed(model):
    objective = Objective(LossConfig(kl_start=0, kl_ramp=1), torch.ones(13))
    model.zero_grad()
    total, parts = objective(model, batch(), 3.0, torch.Generator().manual_seed(5))
    total.backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []
    assert set(parts) == {f"{task}_{part}" for task in ("depth", "semantic")
                          for part in ("zero", "coded", "kl", "code_rms")} | {"depth_relative"}
    again, _ = objective(model, batch(), 3.0, torch.Generator().manual_seed(5))
    other, _ = objective(model, batch(), 3.0, torch.Generator().manual_seed(6))
    assert again.item() == pytest.approx(total.item(), rel=1e-5)
    assert other.item() != pytest.approx(total.item(), rel=1e-7)


def test_uncertainty_is_learnt_from_the_zero_code_error_alone(model):
    """Scaling what the code adds must not move the gradient of the scale head."""
    grads = []
    for factor in (1.0, 5.0):
        torch.nn.init.normal_(model.depth_head.from_code.weight, std=0.1 * factor)
        model.zero_grad()
        model.eval()
        objective = Objective(LossConfig(), torch.ones(13))
        total, _ = objective(model, batch(), 0.0, torch.Generator().manual_seed(5))
        total.backward()
        grads.append(model.scale_head.weight.grad.clone())
    torch.testing.assert_close(grads[0], grads[1])


def test_plain_depth_error_is_added_with_its_weight(model):
    def total(**changes):
        objective = Objective(LossConfig(**changes), torch.ones(13))
        return objective(model, batch(), 0.0, torch.Generator().manual_seed(5))

    (without, parts), (with_plain, _) = total(), total(plain_depth=2.0)
    assert (with_plain - without).item() == pytest.approx(2 * parts["depth_zero"].item(), rel=1e-3)


def test_bad_loss_settings_are_refused():
    with pytest.raises(ConfigError):
        LossConfig(pixel_step=0)


def test_dropout_leaves_out_maps_of_the_two_coarsest_levels(model, monkeypatch):
    seen = []
    decode = model.depth_decoder.forward
    monkeypatch.setattr(model.depth_decoder, "forward", lambda maps: seen.append(maps)
                        or decode(maps))
    for share in (0.0, 0.5):
        objective = Objective(LossConfig(dropout=share), torch.ones(13))
        for _ in range(2):
            objective(model, batch(), 0.0, torch.Generator().manual_seed(5))
    plain, _, thinned, again = seen
    for level, share in enumerate((0.0, 0.0, 0.25, 0.5)):
        used = plain[level].abs().sum((2, 3)) > 0
        gone = used & (thinned[level].abs().sum((2, 3)) == 0)
        assert float(gone.sum() / used.sum()) == pytest.approx(share, abs=0.12)
        kept = (used & ~gone)[..., None, None]
        torch.testing.assert_close(thinned[level] * kept, plain[level] * kept / (1 - share))
        assert torch.equal(thinned[level], again[level]), "the seed decides"


@pytest.mark.parametrize("wrong", [{"dropout": 1.0}, {"relative_depth": -1.0}])
def test_impossible_weights_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LossConfig(**wrong)
