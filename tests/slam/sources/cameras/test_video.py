"""Video files: rates, times, turned pictures, names, and damage."""

import os
import sys

import cv2
import numpy as np
import pytest
from support.pictures import HEIGHT, WIDTH, greys, picture, small

from scenecode.core.errors import SourceError
from scenecode.slam.sources import open_source
from scenecode.slam.sources.cameras import video as video_module


def video(path, frames=6, fps=20.0, fourcc="MJPG"):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), fps, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for i in range(frames):
        writer.write(picture(20 + 20 * (i % 10)))
    writer.release()
    return path


class AlteredCapture:
    """A video whose container states other things, and whose size changes after some frames."""

    def __init__(self, path, stated, same_size=1000):
        self._same_size = same_size
        self._capture = cv2.VideoCapture(path)
        self._stated = stated
        self._grabbed = -1

    def get(self, prop):
        if prop not in self._stated:
            return self._capture.get(prop)
        value = self._stated[prop]
        return value[self._grabbed] if isinstance(value, list) else value

    def read(self):
        self._grabbed += 1
        readable, image = self._capture.read()
        if readable and self._grabbed >= self._same_size:
            image = cv2.resize(image, (80, 60))
        turned = self._stated.get(cv2.CAP_PROP_ORIENTATION_META)
        if readable and turned:
            image = cv2.rotate(image, {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180,
                                       270: cv2.ROTATE_90_COUNTERCLOCKWISE}[turned])
        return readable, image

    def grab(self):
        self._grabbed += 1
        return self._capture.grab()

    def isOpened(self):
        return self._capture.isOpened()

    def release(self):
        self._capture.release()


@pytest.fixture
def stating(monkeypatch):
    """Lets a video's container state other properties."""
    def state(stated, **changes):
        monkeypatch.setattr(video_module, "_capture",
                            lambda name: AlteredCapture(name, stated, **changes))
    return state


def test_a_video_has_its_own_rate(tmp_path):
    source = open_source(str(video(tmp_path / "v.avi")), small())
    frames = list(source)
    assert source.fps == 20 and source.length == len(frames) == 6 and source.unreadable == 0
    assert [f.timestamp for f in frames] == pytest.approx(np.arange(6) / 20)
    assert greys(frames) == pytest.approx([20, 40, 60, 80, 100, 120], abs=3)


def test_a_video_with_stride_limit_and_another_rate(tmp_path):
    path = video(tmp_path / "v.avi")
    source = open_source(str(path), small(stride=2, max_frames=2, fps=10))
    frames = list(source)
    assert source.length == 2
    assert [f.index for f in frames] == [0, 2]
    assert [f.timestamp for f in frames] == pytest.approx([0, 0.2])
    assert greys(frames) == pytest.approx([20, 60], abs=3)


def test_stamps_are_the_presentation_times_of_the_container(tmp_path, stating):
    times = [0.0, 33.0, 66.0, 166.0, 366.0, 400.0]
    stating({cv2.CAP_PROP_POS_MSEC: times})
    path = str(video(tmp_path / "v.avi"))
    assert [f.timestamp for f in open_source(path, small())] \
        == pytest.approx([t / 1000 for t in times])
    assert [f.timestamp for f in open_source(path, small(stride=3))] == pytest.approx([0, 0.166])


def test_times_that_do_not_rise_go_on_at_the_stated_rate(tmp_path, stating):
    stating({cv2.CAP_PROP_POS_MSEC: [0.0] * 3 + [1000.0, 900.0, 0.0]})
    frames = list(open_source(str(video(tmp_path / "v.avi")), small()))
    assert [f.timestamp for f in frames] == pytest.approx([0, 0.05, 0.1, 1.0, 1.05, 1.1])


def test_intrinsics_are_turned_with_the_picture(tmp_path, stating):
    path = str(video(tmp_path / "v.avi"))
    stating({cv2.CAP_PROP_ORIENTATION_META: 90})
    source = open_source(path, small(intrinsics=(60.0, 61.0, 30.5, 24.5)))
    camera = source.original
    assert (camera.width, camera.height) == (HEIGHT, WIDTH)
    # the column of the turned picture counts rows from below
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (61.0, 60.0, 47 - 24.5, 30.5)
    assert len(list(source)) == 6


def test_frames_of_another_size_are_skipped(tmp_path, stating, caplog):
    stating({}, same_size=4)
    source = open_source(str(video(tmp_path / "v.avi")), small())
    assert [f.index for f in source] == [0, 1, 2, 3] and source.unreadable == 2
    assert "frame 4, which is 80x60" in caplog.text and "2 frames" in caplog.text


def test_a_truncated_video_gives_what_it_has(tmp_path):
    path = video(tmp_path / "v.avi", frames=40)
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    frames = list(open_source(str(path), small()))
    assert 5 < len(frames) < 40


def test_a_video_without_frames_is_refused(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"\x00" * 500)
    with pytest.raises(SourceError, match="v.mp4"):
        open_source(str(tmp_path / "v.mp4"), small())


@pytest.mark.skipif(sys.platform == "win32", reason="no colons in names on Windows")
@pytest.mark.parametrize("name", ["12:30:00.avi", "./12:30:00.avi", "台所 [左].avi"])
def test_names_with_colons_and_in_other_scripts_are_opened(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    os.rename(video(tmp_path / "v.avi"), tmp_path / name)
    assert len(list(open_source(name, small()))) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_a_name_that_is_not_utf_8_is_refused_with_the_cure(tmp_path):
    name = os.fsencode(tmp_path) + b"/K\xfcche.avi"
    os.rename(video(tmp_path / "v.avi"), name)
    with pytest.raises(SourceError, match="not UTF-8.*rename"):
        open_source(os.fsdecode(name), small())
