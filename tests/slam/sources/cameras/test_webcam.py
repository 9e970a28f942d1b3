"""Webcams: the newest image only, unplugged, and back again."""

import itertools
import time

import pytest
from support.pictures import picture, small

from scenecode.core.errors import SourceError
from scenecode.slam.sources.cameras import live
from scenecode.slam.sources.cameras.webcam import open_webcam


class FakeCapture:
    """A camera that gives ``images`` pictures as fast as they are read, then fails."""

    def __init__(self, images, pause=0.0, width=64):
        self.left, self.pause, self.width, self.released = images, pause, width, False

    def isOpened(self):
        return self.left > 0

    def get(self, prop):
        return 0.0

    def read(self):
        time.sleep(self.pause)
        if self.left <= 0:
            return False, None
        self.left -= 1
        return True, picture(100, width=self.width)

    def release(self):
        self.released = True


@pytest.fixture
def impatient(monkeypatch):
    for name, seconds in (("_PAUSE", 0.0), ("LOST_AFTER", 0.02), ("FIRST_PAUSE", 0.001),
                          ("LONGEST_PAUSE", 0.004), ("GIVE_UP_AFTER", 0.3)):
        monkeypatch.setattr(live, name, seconds)


def test_a_slow_consumer_gets_the_newest_image():
    capture = FakeCapture(10_000, pause=0.002)
    camera = open_webcam(0, small(), lambda index: capture)
    frames = iter(camera)
    first = next(frames)
    while capture.left > 10_000 - 50:
        time.sleep(0.001)
    second, third = next(frames), next(frames)
    camera.close()
    assert second.index > first.index + 20 and third.timestamp > second.timestamp
    assert camera.is_live and camera.length is None and capture.released


def test_an_unplugged_camera_that_comes_back_goes_on(impatient, monkeypatch, caplog):
    monkeypatch.setattr(live, "GIVE_UP_AFTER", 60.0)
    captures = [FakeCapture(5), FakeCapture(0), FakeCapture(0), FakeCapture(10 ** 9, pause=0.001)]
    opened = iter(captures)
    camera = open_webcam(0, small(), lambda index: next(opened))
    frames = iter(camera)
    stamps = [frame.timestamp for frame in itertools.islice(frames, 20)]
    camera.close()
    assert stamps == sorted(stamps) and len(stamps) == 20
    assert "trying to open it again" in caplog.text and "is back" in caplog.text
    assert all(capture.released for capture in captures)


def test_a_camera_that_stays_away_ends_the_iteration_with_a_warning(impatient, caplog):
    captures = itertools.chain([FakeCapture(5)], (FakeCapture(0) for _ in itertools.count()))
    camera = open_webcam(0, small(), lambda index: next(captures))
    frames = list(camera)
    assert 1 <= len(frames) <= 4 and camera.unreadable > 0
    assert "stays away" in caplog.text
    camera.close()


def test_a_camera_of_another_size_is_not_taken_for_the_lost_one(impatient, caplog):
    captures = itertools.chain([FakeCapture(5)],
                               (FakeCapture(9, width=80) for _ in itertools.count()))
    camera = open_webcam(0, small(), lambda index: next(captures))
    assert len(list(camera)) <= 4 and "stays away" in caplog.text
    camera.close()


def test_closing_ends_the_wait_for_a_lost_camera(monkeypatch):
    monkeypatch.setattr(live, "LOST_AFTER", 0.02)
    captures = itertools.chain([FakeCapture(5)], (FakeCapture(0) for _ in itertools.count()))
    camera = open_webcam(0, small(), lambda index: next(captures))
    frames = iter(camera)
    next(frames)
    camera.close()
    assert len(list(frames)) <= 1


def test_a_camera_that_gives_nothing_is_refused():
    with pytest.raises(SourceError, match="webcam 3.*plugged in"):
        open_webcam(3, small(), lambda index: FakeCapture(0))


def test_a_webcam_stops_after_max_frames():
    camera = open_webcam(0, small(max_frames=3), lambda index: FakeCapture(1000, pause=0.001))
    assert len(list(camera)) == 3
    camera.close()
