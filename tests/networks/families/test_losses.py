from math import log

import pytest
import torch

from scenecode.networks.classes import VOID
from scenecode.networks.families.losses import (
    TaskWeights,
    balanced_weights,
    cross_entropy,
    laplace_nll,
    lovasz_softmax,
    proximity_l1,
    relative_l1,
    scale_invariant,
)
from scenecode.optim.geometry.proximity import proximity_from_depth

MIN_B = 3e-3


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
    # an untrained network may predict anything
    wild = torch.tensor([-1.0, 0.0, 1.0, 2.0]).reshape(1, 1, 1, 4).requires_grad_()
    relative_l1(wild, prox_truth, torch.ones_like(known)).backward()
    assert bool(wild.grad.isfinite().all())


def test_laplace_is_equation_3_and_best_at_the_true_scale():
    prox, truth = torch.full((1, 1, 1, 2), 0.5), torch.tensor([0.4, 0.52]).reshape(1, 1, 1, 2)
    known, b = torch.ones(1, 1, 1, 2), torch.tensor([0.1, 0.05]).reshape(1, 1, 1, 2)
    expected = (0.1 / 0.1 + log(0.1) + 0.02 / 0.05 + log(0.05)) / 2 - log(MIN_B)
    assert laplace_nll(prox, truth, known, b, MIN_B).item() == pytest.approx(expected, rel=1e-5)
    at = {s: laplace_nll(prox, prox - 0.1, known, torch.full_like(b, s), MIN_B)
          for s in (0.05, 0.1, 0.2)}
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


def test_balanced_weights_lie_between_equal_pixels_and_equal_classes():
    counts = torch.tensor([80, 20, 0])
    torch.testing.assert_close(balanced_weights(counts, 0.0), torch.ones(3))
    pixels, classes = counts / 100, balanced_weights(counts, 1.0)
    assert (pixels * classes)[:2].tolist() == pytest.approx([0.5, 0.5], rel=0.02)
    half = balanced_weights(counts, 0.5)
    assert half[1] / half[0] == pytest.approx(2) and bool(half.isfinite().all())


def test_task_weights_settle_at_one_over_the_loss():
    weights = TaskWeights()
    optimiser = torch.optim.Adam(weights.parameters(), 0.05)
    losses = torch.tensor([4.0, 0.5])
    for _ in range(400):
        optimiser.zero_grad()
        weights(*losses).backward()
        optimiser.step()
    torch.testing.assert_close(torch.exp(-weights.log_variance), 1 / losses, rtol=0.02, atol=0)




def test_scale_invariant_loss_by_hand_and_its_symmetries():
    difference = torch.tensor([[0.1, 0.3, 9.0], [-0.2, 9.0, 9.0], [9.0, 9.0, 9.0]])[:, None]
    valid = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0]])[:, None].bool()
    expected = ((0.05 - 0.5 * 0.04) + 0.04 * 0.5 + 0) / 3
    assert scale_invariant(difference, valid).item() == pytest.approx(expected)
    # log depth is minus log disparity
    assert scale_invariant(-difference, valid).item() == pytest.approx(expected)
    whole = torch.randn(2, 1, 4, 5, dtype=torch.float64)
    everywhere = torch.ones_like(whole)
    torch.testing.assert_close(scale_invariant(whole + 0.7, everywhere, 1.0),
                               scale_invariant(whole, everywhere, 1.0))
    # twice the variance is the mean squared difference of all pairs of pixels
    d = whole.flatten(1)
    pairs = (d[:, :, None] - d[:, None]).square().mean((1, 2)).mean()
    torch.testing.assert_close(2 * scale_invariant(whole, everywhere, 1.0), pairs)


def test_lovasz_loss_of_certain_predictions_is_what_the_intersection_over_union_lacks():
    labels = torch.tensor([0, 0, 0, 1, 1, VOID])
    guessed = torch.tensor([0, 0, 1, 1, 1, 2])
    certain = torch.nn.functional.one_hot(guessed, 3).float()
    # IoU of class 0: 2 / 3, of class 1: 2 / 3
    assert lovasz_softmax(certain, labels).item() == pytest.approx(1 / 3)
    right = torch.nn.functional.one_hot(labels.clamp(max=2), 3).float()
    assert lovasz_softmax(right, labels).item() == pytest.approx(0, abs=1e-6)


def test_lovasz_loss_has_no_value_of_its_own_without_labels():
    probabilities = torch.full((4, 3), 1 / 3, requires_grad=True)
    loss = lovasz_softmax(probabilities, torch.full((4,), VOID))
    loss.backward()
    assert loss.item() == 0 and not probabilities.grad.any()
