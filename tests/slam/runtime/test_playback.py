"""A recording at its own speed, by a clock that stands still but for the waiting."""

import threading
from dataclasses import dataclass

import pytest

from scenecode.slam.runtime import playback
from scenecode.slam.runtime.playback import LONGEST_PAUSE, paced


@dataclass(frozen=True)
class Stamp:
    index: int
    timestamp: float


class Clock:
    """Stands in for both the time and the event on which playback waits."""

    def __init__(self, stop_after=None):
        self.now, self.waits, self._stop_after = 100.0, [], stop_after

    def monotonic(self):
        return self.now

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        return self._stop_after is not None and len(self.waits) > self._stop_after


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(playback.time, "monotonic", clock.monotonic)
    return clock


def stamps(*seconds):
    return [Stamp(i, s) for i, s in enumerate(seconds)]


def test_every_frame_comes_when_a_camera_would_have_delivered_it(clock):
    for frame in paced(stamps(5.0, 5.1, 5.5), clock):
        assert clock.now - 100.0 == pytest.approx(frame.timestamp - 5.0)


def test_a_late_frame_is_given_at_once_and_the_next_one_in_time(clock):
    frames = paced(stamps(0.0, 0.1, 0.2, 0.9), clock)
    next(frames)
    clock.now += 0.35  # tracking was slow
    assert [next(frames).index, next(frames).index] == [1, 2] and not clock.waits
    next(frames)
    assert clock.waits == [pytest.approx(0.55)]


def test_a_long_pause_is_announced_and_not_waited_for(clock, caplog):
    pause = LONGEST_PAUSE + 600
    list(paced(stamps(0.0, 0.1, 0.1 + pause, 0.2 + pause), clock))
    assert sum(clock.waits) == pytest.approx(0.2)
    assert f"pauses for {pause:.1f} s before frame 2" in caplog.text


def test_stopping_ends_the_waiting(monkeypatch):
    clock = Clock(stop_after=0)
    monkeypatch.setattr(playback.time, "monotonic", clock.monotonic)
    assert [frame.index for frame in paced(stamps(0.0, 1.0, 2.0), clock)] == [0]
    stop = threading.Event()
    stop.set()
    monkeypatch.undo()
    assert [frame.index for frame in paced(stamps(0.0, 1.0), stop)] == [0]


def test_time_for_which_frames_were_held_back_does_not_count(clock):
    held = [0.0]

    def holding(frames):
        for frame in frames:
            if frame.index == 1:
                clock.now += 5.0
                held[0] += 5.0
            yield frame

    played = paced(holding(stamps(0.0, 0.1, 0.2)), clock, lambda: held[0])
    assert len(list(played)) == 3
    assert clock.waits == [pytest.approx(0.1), pytest.approx(0.1)]
