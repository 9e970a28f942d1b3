"""Aggregated costs on a single path are exact min-marginals."""

import itertools

import numpy as np
import pytest

from scenecode.slam.dense.semi_global import SMALL_STEP, mean_and_std, min_marginals

LABELS, LENGTH, LARGE = 4, 5, 0.3


def brute_force(cost, penalty):
    """(LENGTH, LABELS) least energy of all labellings with each label at each pixel."""
    least = np.full((LENGTH, LABELS), np.inf)
    for labels in itertools.product(range(LABELS), repeat=LENGTH):
        energy = sum(cost[i, k] for i, k in enumerate(labels))
        for i, (a, b) in enumerate(itertools.pairwise(labels)):
            energy += 0 if a == b else min(SMALL_STEP, penalty[i]) if abs(a - b) == 1 \
                else penalty[i]
        for i, k in enumerate(labels):
            least[i, k] = min(least[i, k], energy)
    return least


@pytest.mark.parametrize("axis", [0, 1])
def test_a_single_row_or_column_gives_exact_min_marginals(axis):
    rng = np.random.default_rng(3)
    cost = rng.random((LENGTH, LABELS)).astype(np.float32)
    penalty = (LARGE * rng.random(LENGTH - 1)).astype(np.float32)
    shape = (LENGTH, 1) if axis == 0 else (1, LENGTH)
    none = np.zeros((LENGTH, 0) if axis == 0 else (0, LENGTH), np.float32)
    along = penalty.reshape(LENGTH - 1, 1) if axis == 0 else penalty.reshape(1, LENGTH - 1)
    steps = (none, along) if axis == 0 else (along, none)
    found = min_marginals(cost.reshape(*shape, LABELS), *steps).reshape(LENGTH, LABELS)
    expected = brute_force(cost, penalty)
    assert found - found.min(1, keepdims=True) == pytest.approx(
        expected - expected.min(1, keepdims=True), abs=2e-3)


def test_mean_and_deviation_of_a_quadratic_energy_are_those_of_a_gaussian():
    labels = np.linspace(-1, 1, 201)
    energies = np.broadcast_to((labels - 0.2) ** 2 / (2 * 0.1 ** 2) / 8, (2, 3, 201))
    mean, std = mean_and_std(energies, labels, 8.0)
    assert mean == pytest.approx(np.full((2, 3), 0.2), abs=1e-6)
    assert std == pytest.approx(np.full((2, 3), 0.1), rel=1e-3)
