"""Motions of keyframes from the frames before and after them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import SMALL, Playback, small_config, walk

from scenecode.optim.geometry import se3
from scenecode.slam.system import System
from scenecode.slam.tracking.keyframe_motion import note_motions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run():
    frames = walk(1, 60, *SMALL)
    system = System(small_config(adjusted=True), ExactPredictor(frames), threaded=False)
    system.run(Playback(frames))
    return frames, system


def true_motion(frames, index):
    """Per second, of 30 frames a second."""
    before, after = (frames[i].truth.T_world_cam for i in (max(index - 1, 0), index + 1))
    return 30 * se3.log(se3.inverse(before) @ after) / (index + 1 - max(index - 1, 0))


def test_keyframes_of_a_run_know_how_the_camera_moved(run):
    """Also the first one, which has no frame before it."""
    frames, system = run
    keyframes = [k for k in system.graph.keyframes.values() if k.frame_index < len(frames) - 1]
    assert len(keyframes) >= 3 and keyframes[0].frame_index == 0
    true = torch.stack([true_motion(frames, k.frame_index) for k in keyframes])
    ours = torch.stack([k.motion for k in keyframes])
    for part, share in ((slice(3), 0.5), (slice(3, 6), 0.3)):
        missed = (ours - true)[:, part].norm(dim=1)
        assert float(missed.max()) < share * float(true[:, part].norm(dim=1).mean())


def test_motions_move_with_the_scale_of_the_map(run):
    keyframe = run[1].graph.keyframes[0]
    moved = keyframe.rescaled(np.log(2.0))
    torch.testing.assert_close(moved.motion[:3], 2 * keyframe.motion[:3])
    torch.testing.assert_close(moved.motion[3:], keyframe.motion[3:])
    torch.testing.assert_close(moved.with_motion(keyframe.motion).motion, keyframe.motion)


@pytest.mark.parametrize("change", [("lost", True), ("timestamp", 99.0)])
def test_where_the_frames_around_are_lost_or_far_it_stays_unknown(run, change):
    _, system = run
    graph, rows = system.graph.frozen(), system.recording.tracked[:2].copy()
    rows[change[0]][1] = change[1]
    graph.keyframes[0] = replace(graph.keyframes[0], motion_at_scale_1=None)
    note_motions(graph, rows)
    assert graph.keyframes[0].motion is None
    note_motions(graph, system.recording.tracked)
    assert graph.keyframes[0].motion is not None


def test_single_images_far_apart_are_no_motion(run):
    _, system = run
    graph, rows = system.graph.frozen(), system.recording.tracked[:2].copy()
    rows["T_key_cam"][1, 0, 3] = 0.3 * graph.median_depth(0)
    graph.keyframes[0] = replace(graph.keyframes[0], motion_at_scale_1=None)
    note_motions(graph, rows)
    assert graph.keyframes[0].motion is None
