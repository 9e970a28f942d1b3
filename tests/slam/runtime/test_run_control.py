"""Pausing, stopping and watching a run."""

import itertools
import threading

from scenecode.slam.runtime.run_control import RunControl

PATIENCE = 60


def attached():
    control, stop = RunControl(), threading.Event()
    control.attach(stop, lambda: {"lag_s": 0.5})
    return control, stop


def taking(control, frames):
    """A thread that takes held frames into a list."""
    taken, some = [], threading.Event()

    def take():
        for frame in control.held(frames):
            taken.append(frame)
            control.note_frame()
            some.set()

    thread = threading.Thread(target=take)
    thread.start()
    return thread, taken, some


def test_no_frame_is_taken_while_paused():
    control, _ = attached()
    control.pause()
    thread, taken, some = taking(control, range(3))
    assert not some.wait(0.3) and control.status()["state"] == "paused"
    control.resume()
    thread.join(PATIENCE)
    assert taken == [0, 1, 2] and control.held_s > 0.1


def test_stopping_a_paused_run_lets_it_end():
    control, stop = attached()
    control.pause()
    thread, _, _ = taking(control, itertools.islice(itertools.count(), 2))
    control.stop()
    thread.join(PATIENCE)
    assert stop.is_set() and not thread.is_alive() and control.status()["state"] == "stopping"


def test_a_new_map_ends_the_run_and_is_wanted_until_the_next_one_begins():
    control, stop = attached()
    control.new_map()
    assert stop.is_set() and control.wants_new_map
    control.attach(threading.Event(), dict)
    assert not control.wants_new_map and control.status()["state"] == "running"


def test_status_tells_what_the_run_measures_and_the_frame_rate():
    control, _ = attached()
    for _ in range(10):
        control.note_frame()
    status = control.status()
    assert status["lag_s"] == 0.5 and status["fps"] > 0
    control.end()
    assert control.status()["state"] == "ended"
