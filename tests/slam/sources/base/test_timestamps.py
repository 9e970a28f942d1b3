"""Stamps in seconds, milliseconds, microseconds and nanoseconds."""

import logging

import numpy as np
import pytest

from scenecode.slam.sources.base.timestamps import parse_stamp, recognised_unit, seconds_from

#: 20 Hz from some day in 2014, in ns
DATED = [1403636579763555584 + 50_000_000 * i for i in range(5)]


@pytest.mark.parametrize("per_second", [1, 10 ** 3, 10 ** 6, 10 ** 9])
@pytest.mark.parametrize("first", [DATED[0], 0, 3_600_000_000_000])
def test_the_unit_of_a_recording_is_recognised(per_second, first):
    stamps = [(first + 50_000_000 * i) * per_second / 10 ** 9 for i in range(5)]
    assert recognised_unit(stamps).per_second == per_second
    steps = np.diff(seconds_from(stamps, "list"))
    assert steps == pytest.approx(np.full(4, 0.05), abs=1e-5)


@pytest.mark.parametrize("stamps", [
    [0, 1, 2, 3],                           # numbers of key frames
    [1341841278.8, 1341841310.1],           # key frames half a minute apart
    [0.0], [], [12.5, 12.533]])
def test_seconds_stay_seconds(stamps, caplog):
    assert seconds_from(stamps, "list").tolist() == stamps
    assert not caplog.text


def test_another_unit_is_announced_once_and_whole_numbers_lose_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        seconds = seconds_from([parse_stamp(str(s)) for s in DATED], "rgb.txt")
    assert [r.getMessage() for r in caplog.records] \
        == ["rgb.txt: its stamps are taken for nanoseconds and turned into seconds"]
    assert seconds[0] == 1403636579763555584 / 10 ** 9


@pytest.mark.parametrize("text", ["nan", "inf", "then", ""])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError):
        parse_stamp(text)
