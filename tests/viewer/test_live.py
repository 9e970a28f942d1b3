"""The loop between a mailbox and a viewer."""

import threading

import pytest

from scenecode.networks.classes import NYU13
from scenecode.slam.records.snapshot import Snapshot
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.viewer.live import serve

#: Seconds that a thread may take on a busy machine.
PATIENCE = 60.0


def snapshot(version: int) -> Snapshot:
    return Snapshot(version=version, classes=NYU13)


class Recorder:
    """Keeps what it is shown; holds the first picture until released."""

    def __init__(self):
        self.versions = []
        self.thread_names = set()
        self.closed = False
        self.started, self.go_on = threading.Event(), threading.Event()

    def show(self, snapshot):
        self.versions.append(snapshot.version)
        self.thread_names.add(threading.current_thread().name)
        self.started.set()
        assert self.go_on.wait(PATIENCE)

    def close(self):
        self.closed = True


class Broken:
    def show(self, snapshot):
        raise RuntimeError("no display")

    def close(self):
        pass


def test_a_slow_viewer_sees_the_first_and_the_latest_and_nobody_waits_for_it():
    mailbox, viewer = Mailbox(), Recorder()
    loop = serve(mailbox, viewer, period=0.0)
    mailbox.put(snapshot(0))
    assert viewer.started.wait(PATIENCE)
    for version in range(1, 50):
        mailbox.put(snapshot(version))
    viewer.go_on.set()
    mailbox.close()
    loop.join(PATIENCE)
    assert viewer.versions == [0, 49]


def test_the_viewer_is_called_from_one_thread_and_left_open():
    mailbox, viewer = Mailbox(), Recorder()
    viewer.go_on.set()
    with serve(mailbox, viewer, period=0.0):
        for version in range(3):
            viewer.started.clear()
            mailbox.put(snapshot(version))
            assert viewer.started.wait(PATIENCE)
    assert viewer.versions == [0, 1, 2]
    assert len(viewer.thread_names) == 1
    assert threading.current_thread().name not in viewer.thread_names
    assert not viewer.closed


def test_what_the_viewer_raises_reaches_the_owner():
    mailbox = Mailbox()
    loop = serve(mailbox, Broken())
    mailbox.put(snapshot(0))
    with pytest.raises(RuntimeError, match="no display"):
        loop.join(PATIENCE)
    mailbox.put(snapshot(1))  # a dead viewer does not stop the system


def test_leaving_the_block_ends_the_loop_and_raises_the_viewers_error():
    mailbox = Mailbox()
    with pytest.raises(RuntimeError, match="no display"):
        with serve(mailbox, Broken()):
            mailbox.put(snapshot(0))
    assert mailbox.closed


def test_the_bodys_own_error_wins_and_still_ends_the_loop():
    mailbox = Mailbox()
    with pytest.raises(KeyboardInterrupt):
        with serve(mailbox, Broken()):
            mailbox.put(snapshot(0))
            raise KeyboardInterrupt
    assert mailbox.closed


def test_join_gives_up_after_its_timeout():
    mailbox = Mailbox()
    loop = serve(mailbox, Recorder())
    with pytest.raises(TimeoutError):
        loop.join(0.01)
    mailbox.close()
    loop.join(PATIENCE)
