from math import isnan, log

import pytest
import torch

from scenecode.networks.classes import VOID
from scenecode.networks.evaluation.reliability import ProbabilityReliability, ScaleReliability

PIXELS = 200_000


def laplace_errors(b):
    generator = torch.Generator().manual_seed(0)
    size = -torch.log(torch.rand(b.shape, generator=generator))
    return b * size * torch.where(torch.rand(b.shape, generator=generator) < 0.5, -1.0, 1.0)


def test_laplace_errors_of_the_predicted_scale_are_found_right():
    b = torch.logspace(-2.4, -0.6, PIXELS)
    reliability = ScaleReliability()
    for part in torch.arange(PIXELS).chunk(3):
        reliability.add(laplace_errors(b)[part], b[part], torch.ones(len(part), dtype=torch.bool))
    scores = reliability.scores()
    assert scores["mean_scaled_error"] == pytest.approx(1, abs=0.02)
    for quantile, part in scores["coverage"].items():
        assert part == pytest.approx(float(quantile), abs=0.01)
    assert sum(bin["share"] for bin in scores["by_scale"]) == pytest.approx(1)
    for bin in scores["by_scale"]:
        assert bin["error"] == pytest.approx(bin["scale"], rel=0.05)


def test_too_much_confidence_shows():
    b = torch.full((PIXELS,), 0.02)
    reliability = ScaleReliability()
    reliability.add(2 * laplace_errors(b), b, torch.ones(PIXELS, dtype=torch.bool))
    scores = reliability.scores()
    assert scores["mean_scaled_error"] == pytest.approx(2, rel=0.02)
    # P(2 |e| / b < ln 2) = 1 - exp(-ln 2 / 2)
    assert scores["coverage"]["0.5"] == pytest.approx(1 - 2 ** -0.5, abs=0.01)


def test_other_distributions_with_the_right_mean_show_too():
    """Uniform errors have no tails."""
    b = torch.full((PIXELS,), 0.05)
    reliability = ScaleReliability()
    reliability.add(torch.linspace(-0.1, 0.1, PIXELS), b, torch.ones(PIXELS, dtype=torch.bool))
    scores = reliability.scores()
    assert scores["mean_scaled_error"] == pytest.approx(1, rel=0.01)
    assert scores["coverage"]["0.99"] == 1
    assert scores["coverage"]["0.5"] == pytest.approx(log(2) / 2, abs=0.01)


def test_probabilities_by_hand():
    """Two pixels of probability 0.8, one of them wrong; one of 0.5 and right; void is left out."""
    p = torch.tensor([[0.8, 0.8, 0.5, 0.99], [0.2, 0.2, 0.3, 0.005], [1e-9, 1e-9, 0.2, 0.005]])
    truth = torch.tensor([[0, 1, 0, VOID]], dtype=torch.uint8)
    reliability = ProbabilityReliability()
    reliability.add(p.log()[:, None], truth)
    scores = reliability.scores()
    assert scores["ece"] == pytest.approx((2 * abs(0.8 - 0.5) + abs(0.5 - 1)) / 3)
    assert scores["nll"] == pytest.approx(-(log(0.8) + log(0.2) + log(0.5)) / 3)
    assert scores["bins"] == [
        {"confidence": pytest.approx(0.5), "accuracy": 1.0, "share": pytest.approx(1 / 3)},
        {"confidence": pytest.approx(0.8), "accuracy": 0.5, "share": pytest.approx(2 / 3)}]


def test_probabilities_that_are_true_have_no_calibration_error():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(4, 300, 300, generator=generator)
    truth = torch.multinomial(logits.softmax(0).flatten(1).T, 1, generator=generator)
    truth = truth.reshape(300, 300).to(torch.uint8)
    true, sure = ProbabilityReliability(), ProbabilityReliability()
    true.add(logits, truth)
    sure.add(4 * logits, truth)
    assert true.scores()["ece"] < 0.01 < 0.2 < sure.scores()["ece"]
    assert true.scores()["nll"] < sure.scores()["nll"]


def test_nothing_known_is_not_reliable():
    scale, probability = ScaleReliability(), ProbabilityReliability()
    scale.add(torch.ones(3), torch.ones(3), torch.zeros(3, dtype=torch.bool))
    probability.add(torch.zeros(2, 1, 3), torch.full((1, 3), VOID))
    assert isnan(scale.scores()["mean_scaled_error"]) and isnan(probability.scores()["ece"])
