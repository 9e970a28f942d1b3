from math import isnan, log, sqrt

import pytest
import torch

from scenecode.networks.classes import VOID
from scenecode.networks.evaluation.metrics import Confusion, DepthErrors


def test_label_scores_by_hand():
    truth = torch.tensor([[0, 0, 0, 1, 1, VOID]], dtype=torch.uint8)
    predicted = torch.tensor([[0, 0, 1, 1, 2, 2]])
    confusion = Confusion(4)
    confusion.add(predicted, truth)
    scores = confusion.scores()
    # class 0: 2 of union 3; class 1: 1 of union 3; class 2 and 3 never occur in the truth
    assert scores["miou"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert scores["pixel_accuracy"] == pytest.approx(3 / 5)
    assert scores["class_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_a_car_taken_for_a_truck_is_a_vehicle():
    confusion = Confusion(3)
    confusion.add(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 2, 0]))
    categories = confusion.joined((0, 1, 1)).scores()
    assert confusion.scores()["miou"] == pytest.approx((1 / 2 + 1 / 3 + 0) / 3)
    assert categories["miou"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_label_scores_pool_pixels_over_images():
    pooled, whole = Confusion(3), Confusion(3)
    truth, predicted = torch.randint(0, 3, (2, 8, 8)), torch.randint(0, 3, (2, 8, 8))
    for t, p in zip(truth, predicted):
        pooled.add(p, t)
    whole.add(predicted, truth)
    assert pooled.scores() == whole.scores()


def test_depth_scores_by_hand():
    errors = DepthErrors()
    depth, truth = torch.tensor([2.0, 3.0, 9.0]), torch.tensor([2.0, 2.0, 0.0])
    errors.add(depth, truth, torch.tensor([0.5, 0.4, 0.1]), torch.tensor([0.5, 0.5, 1.0]))
    scores = errors.scores()
    assert scores["abs_rel"] == pytest.approx(0.25)
    assert scores["delta1"] == pytest.approx(0.5)
    assert scores["rmse_m"] == pytest.approx(sqrt(0.5))
    assert scores["proximity_error"] == pytest.approx(0.05)
    assert scores["sq_rel"] == pytest.approx(0.25)
    assert scores["rmse_log"] == pytest.approx(log(1.5) / sqrt(2))
    assert scores["si_log"] == pytest.approx(log(1.5) / 2)


def test_deltas_are_powers_either_way():
    errors = DepthErrors()
    ratios = torch.tensor([1.2, 1 / 1.2, 1.5, 1 / 1.5, 1.9, 1 / 1.9, 2.0, 0.5])
    errors.add(3 * ratios, torch.full((8,), 3.0), ratios, ratios)
    scores = errors.scores()
    assert [scores[f"delta{i}"] for i in (1, 2, 3)] == [0.25, 0.5, 0.75]


def test_scale_of_each_image_is_no_scale_invariant_error():
    errors, truth = DepthErrors(), 1 + torch.rand(50)
    for scale in (0.5, 3.0):
        errors.add(scale * truth, truth, truth, truth)
    scores = errors.scores()
    assert scores["si_log"] == pytest.approx(0, abs=1e-6) and scores["rmse_log"] > 0.5


def test_each_class_has_its_own_scores_and_absent_ones_none():
    confusion = Confusion(3)
    confusion.add(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 0, 1]))
    iou, accuracy = confusion.by_class()
    assert iou.tolist()[:2] == accuracy.tolist()[:2] == [pytest.approx(2 / 3), 0]
    assert isnan(iou[2]) and isnan(accuracy[2])


def test_nothing_known_is_not_a_perfect_score():
    errors, confusion = DepthErrors(), Confusion(2)
    errors.add(torch.ones(3), torch.zeros(3), torch.ones(3), torch.ones(3))
    confusion.add(torch.zeros(3), torch.full((3,), VOID))
    assert isnan(errors.scores()["abs_rel"]) and isnan(confusion.scores()["miou"])


def test_depth_with_the_mean_and_deviation_of_the_truth_by_hand():
    errors = DepthErrors()
    truth = torch.tensor([2.0, 4.0, 6.0, 4.0])
    errors.add(1 + 0.5 * truth, truth, truth, truth)
    scores = errors.scores()
    assert scores["mvn_delta1"] == 1 and scores["delta1"] < 1
    # of the two normalised depths, which are equal, two pixels are 0 / 0
    assert scores["mvn_delta1_literal"] == pytest.approx(0.5)

    errors = DepthErrors()
    errors.add(torch.tensor([2.0, 8.0]), torch.tensor([1.0, 1.0]), *torch.ones(2, 2))
    scores = errors.scores()
    assert scores["si_log"] == pytest.approx(log(2))
    assert scores["si_log_variance"] == pytest.approx(log(2) ** 2)
    assert scores["si_log_literal"] == pytest.approx(log(2) ** 2 + 4 * (2 * log(2)) ** 2)
