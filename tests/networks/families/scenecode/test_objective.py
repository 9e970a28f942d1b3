from math import log

import pytest
import torch

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13
from scenecode.networks.data.mixed import Batch
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.families.scenecode.objective import (
    SceneCodeLossConfig,
    SceneCodeObjective,
    kl_from_unit_normal,
)


def test_kl_against_closed_form():
    mean, logvar = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, log(4.0)]])
    assert kl_from_unit_normal(mean, logvar).item() == pytest.approx(
        0.5 + 0.5 * (4 - 1 - log(4)))
    assert kl_from_unit_normal(torch.zeros(3, 5), torch.zeros(3, 5)).item() == 0


def test_kl_is_annealed_from_zero_after_two_epochs():
    config = SceneCodeLossConfig(kl_start=2, kl_ramp=4)
    assert [config.kl_factor(e) for e in (0, 2, 4, 6, 9)] == [0, 0, 0.5, 1, 1]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return SceneCode(SceneCodeConfig(width=64, height=64, depth_code=3, semantic_code=3,
                                 decoder_channels=(8, 8, 8, 8), recognition_channels=(4, 4)),
                     NYU13)


def batch():
    generator = torch.Generator().manual_seed(1)
    depth = 1 + torch.rand(2, 64, 64, generator=generator)
    labels = torch.randint(0, 13, (2, 64, 64), generator=generator)
    return Batch(image=torch.rand(2, 3, 64, 64, generator=generator), depth=depth,
                 valid=depth > 0, labels=labels)


def test_objective_reaches_every_parameter_and_repeats_with_its_seed(model):
    objective = SceneCodeObjective(SceneCodeLossConfig(kl_start=0, kl_ramp=1), torch.ones(13))
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
        objective = SceneCodeObjective(SceneCodeLossConfig(), torch.ones(13))
        total, _ = objective(model, batch(), 0.0, torch.Generator().manual_seed(5))
        total.backward()
        grads.append(model.scale_head.weight.grad.clone())
    torch.testing.assert_close(grads[0], grads[1])


def test_plain_depth_error_is_added_with_its_weight(model):
    def total(**changes):
        objective = SceneCodeObjective(SceneCodeLossConfig(**changes), torch.ones(13))
        return objective(model, batch(), 0.0, torch.Generator().manual_seed(5))

    (without, parts), (with_plain, _) = total(), total(plain_depth=2.0)
    assert (with_plain - without).item() == pytest.approx(2 * parts["depth_zero"].item(), rel=1e-3)


def test_bad_loss_settings_are_refused():
    with pytest.raises(ConfigError):
        SceneCodeLossConfig(pixel_step=0)


def test_dropout_leaves_out_maps_of_the_two_coarsest_levels(model, monkeypatch):
    seen = []
    decode = model.depth_decoder.forward
    monkeypatch.setattr(model.depth_decoder, "forward", lambda maps: seen.append(maps)
                        or decode(maps))
    for share in (0.0, 0.5):
        objective = SceneCodeObjective(SceneCodeLossConfig(dropout=share), torch.ones(13))
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
        SceneCodeLossConfig(**wrong)
