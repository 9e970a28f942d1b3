"""Ctrl-C while a camera is lost."""

import itertools
import os
import signal
import sys
import threading
from types import SimpleNamespace

import pytest
from support.pictures import picture, small

from scenecode.cli.run import stopping_on_interrupt
from scenecode.slam.sources.cameras import live
from scenecode.slam.sources.cameras.webcam import open_webcam


class FewImages:
    """A camera that is unplugged after its first images."""

    def __init__(self, images):
        self.left = images

    def isOpened(self):
        return self.left > 0

    def get(self, prop):
        return 0.0

    def read(self):
        self.left -= 1
        return (True, picture(100)) if self.left >= 0 else (False, None)

    def release(self):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_ends_the_wait_for_a_lost_camera(monkeypatch):
    monkeypatch.setattr(live, "LOST_AFTER", 0.02)
    captures = itertools.chain([FewImages(3)], (FewImages(0) for _ in itertools.count()))
    camera = open_webcam(0, small(), lambda index: next(captures))
    system = SimpleNamespace(stop=threading.Event())
    frames = iter(camera)
    with stopping_on_interrupt(system, camera):
        next(frames)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        list(frames)
    assert system.stop.is_set()
