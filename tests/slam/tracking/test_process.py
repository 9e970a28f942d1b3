"""The tracker in a process of its own: same answers, and failures that are reported."""

import os
import signal
from contextlib import closing

import pytest
import torch
from support.trackers import CONFIG, poses, reference_of, track, tracker_at

from scenecode.slam.tracking.process import TrackingProcess, TrackingProcessError
from scenecode.slam.tracking.tracker import TrackingError


@pytest.fixture
def process():
    with closing(TrackingProcess(CONFIG.tracking, CONFIG.keyframes)) as process:
        process.wait_until_ready()
        yield process


def test_same_poses_as_in_this_process(small_walk, process):
    reference = reference_of(small_walk, 0)
    here = tracker_at(reference)
    process.set_map(reference, poses([reference]))
    for frame in small_walk[:8]:
        expected, got = track(here, frame), track(process, frame)
        torch.testing.assert_close(got.T_world_cam, expected.T_world_cam)
        assert (got.frame_index, got.timestamp, got.keyframe, got.lost, got.wants_keyframe) == (
            frame.index, frame.timestamp, 0, expected.lost, expected.wants_keyframe)


def test_failure_inside_is_raised_here(small_walk, process):
    """Without a map there is nothing to track against."""
    with pytest.raises(TrackingError, match="call set_map first"):
        track(process, small_walk[0])


def test_killed_process_is_an_error_with_its_exit_code(small_walk, process):
    reference = reference_of(small_walk, 0)
    process.set_map(reference, poses([reference]))
    assert not track(process, small_walk[0]).lost
    os.kill(process._process.pid, signal.SIGKILL)
    with pytest.raises(TrackingProcessError, match="exit code -9"):
        for frame in small_walk[1:]:
            track(process, frame)


def test_ctrl_c_is_left_to_the_caller(small_walk, process):
    reference = reference_of(small_walk, 0)
    process.set_map(reference, poses([reference]))
    os.kill(process._process.pid, signal.SIGINT)
    assert not track(process, small_walk[1]).lost


def test_closed_process_is_gone():
    process = TrackingProcess(CONFIG.tracking, CONFIG.keyframes)
    process.wait_until_ready()
    process.close()
    assert not process._process.is_alive()
