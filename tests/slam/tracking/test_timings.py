"""Statistics of durations in memory that does not grow."""

import sys

import numpy as np
import pytest

from scenecode.slam.tracking.timings import LatencyStatistics


def counted(*seconds):
    statistics = LatencyStatistics()
    for value in seconds:
        statistics.add(value)
    return statistics


def test_few_durations_are_exact():
    three = counted(0.2, 0.3, 0.1)
    assert (len(three), three.median, three.max) == (3, pytest.approx(0.2), 0.3)
    assert three.mean == pytest.approx(0.2)
    assert counted(0.1, 0.4).median == pytest.approx(0.25)
    one = counted(0.05)
    assert one.median == one.quantile(0.99) == one.max == pytest.approx(0.05)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.9, 0.99, 1.0])
def test_quantiles_of_many_are_within_two_percent(share):
    values = np.random.default_rng(0).lognormal(-4, 1.5, 20_000)
    assert counted(*values).quantile(share) == pytest.approx(np.quantile(values, share), rel=0.02)


def test_no_number_of_durations_takes_more_memory():
    statistics = LatencyStatistics()
    size = sum(sys.getsizeof(value) for value in vars(statistics).values())
    for n in range(5000):
        statistics.add(n / 100)
    assert sum(sys.getsizeof(value) for value in vars(statistics).values()) <= size + 16
    assert size < 50_000


def test_extremes_are_counted_and_nothing_has_no_statistics():
    both = counted(0.0, 1e-12, 1e9)
    assert len(both) == 3 and both.max == 1e9 and both.quantile(1.0) == pytest.approx(1e9)
    nothing = LatencyStatistics()
    assert nothing.median is nothing.max is nothing.mean is None and len(nothing) == 0
