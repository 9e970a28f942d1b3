"""Work that can wait takes its share of the time."""

import pytest

from scenecode.slam.output.time_budget import TimeBudget


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


def test_a_piece_is_followed_by_a_pause_in_proportion():
    clock = Clock()
    budget = TimeBudget(0.25, clock)
    assert budget.wait == 0
    with budget.spending():
        clock.now += 2
    assert budget.wait == pytest.approx(6)
    clock.now += 5
    assert budget.wait == pytest.approx(1)
    clock.now += 5
    assert budget.wait == 0


def test_work_in_pieces_takes_its_share():
    clock, spent = Clock(), 0.0
    budget = TimeBudget(0.2, clock)
    for n in range(400):
        if budget.wait == 0:
            with budget.spending():
                piece = 0.1 + 0.05 * (n % 3)
                clock.now += piece
                spent += piece
        clock.now += 0.02
    assert spent / (clock.now - 50) == pytest.approx(0.2, abs=0.02)


def test_a_piece_that_fails_is_paid_for():
    clock = Clock()
    budget = TimeBudget(0.5, clock)
    with pytest.raises(OSError), budget.spending():
        clock.now += 1
        raise OSError
    assert budget.wait == pytest.approx(1)
