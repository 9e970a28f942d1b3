"""The record of every frame, and the trajectories composed from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor

from scenecode.optim.geometry import se3
from scenecode.optim.lucas_kanade import Alignment
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.tracking.frame_rows import FRAME_ROW
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.tracker import TrackedFrame


def tracked(index, keyframe, T_key_cam, T_world_cam, lost=False):
    alignment = Alignment(T_ba=T_key_cam, gain=1.0, offset=0.0, error=0.0, overlap=1.0,
                          inlier_ratio=1.0)
    return TrackedFrame(frame_index=index, timestamp=index / 30, keyframe=keyframe,
                        T_key_cam=T_key_cam, T_world_cam=T_world_cam, alignment=alignment,
                        lost=lost, wants_keyframe=False)


def recording_of(entries):
    recording = Recording()
    for entry in entries:
        recording.add(entry)
    return recording


def motion(seed):
    return se3.exp(0.2 * torch.randn(6, generator=torch.Generator().manual_seed(seed)))


@pytest.fixture
def graph(small_walk):
    """Keyframes of frames 0 and 3."""
    graph = KeyframeGraph()
    predictor = ExactPredictor(small_walk)
    for frame, T in ((small_walk[0], torch.eye(4)), (small_walk[3], motion(3))):
        keyframe = make_keyframe(frame, T, WorkingMemory(predictor))
        graph.add(keyframe, keyframe.initial_state())
    return graph


@pytest.fixture
def recording():
    """Frames 0 to 6; 3 becomes a keyframe, 5 is lost."""
    entries = [tracked(i, 0, motion(i), motion(i)) for i in range(4)]
    entries[0] = tracked(0, 0, torch.eye(4), torch.eye(4))
    entries.append(tracked(4, 1, motion(14), motion(3) @ motion(14)))
    entries.append(tracked(5, 1, motion(14), motion(3) @ motion(14), lost=True))
    entries.append(tracked(6, 1, motion(16), motion(3) @ motion(16)))
    return recording_of(entries)


def test_motion_against_a_keyframe_grows_with_its_depth(recording, graph):
    before = recording.final(graph)
    graph.correct(torch.stack([s.T_world_cam for s in graph.states.values()]),
                  torch.tensor([0.0, 0.5]))
    after = recording.final(graph)
    assert np.array_equal(after.T_world_cam[:4], before.T_world_cam[:4])
    origin = before.positions[3]
    np.testing.assert_allclose(after.positions[4:] - origin,
                               np.exp(0.5) * (before.positions[4:] - origin), rtol=1e-5)
    np.testing.assert_allclose(after.rotations, before.rotations)


def test_frames_follow_the_keyframe_they_were_tracked_against(recording, graph):
    shift = se3.exp(torch.tensor([1.0, 2.0, 3.0, 0.1, 0.2, 0.3]))
    before = recording.final(graph)
    graph.states[1] = replace(graph.states[1], T_world_cam=shift @ motion(3))
    after = recording.final(graph)
    assert len(after) == 6 and after.timestamps == pytest.approx(np.array([0, 1, 2, 3, 4, 6]) / 30)
    # of keyframe 0
    assert np.array_equal(after.T_world_cam[:3], before.T_world_cam[:3])
    # keyframe 1 itself, and the frames tracked against it
    for i in (3, 4, 5):
        np.testing.assert_allclose(after.T_world_cam[i], shift.numpy() @ before.T_world_cam[i],
                                   atol=1e-5)


def test_live_trajectory_keeps_the_poses_of_the_time(recording, graph):
    graph.states[1] = replace(graph.states[1], T_world_cam=torch.eye(4))
    live = recording.live()
    assert len(live) == 6
    np.testing.assert_allclose(live.T_world_cam[3], motion(3).numpy(), atol=1e-6)
    np.testing.assert_allclose(live.T_world_cam[4], (motion(3) @ motion(14)).numpy(), atol=1e-6)


def test_keyframe_takes_its_own_final_pose(recording, graph):
    """It was tracked against keyframe 0, but is one itself now."""
    graph.states[1] = replace(graph.states[1], T_world_cam=torch.eye(4))
    np.testing.assert_allclose(recording.final(graph).T_world_cam[3], np.eye(4), atol=1e-6)


def test_losses_are_spans_of_frames():
    lost = {2, 3, 4, 7, 9, 10}
    T = torch.eye(4)
    recording = recording_of(tracked(i, 0, T, T, i in lost) for i in range(11))
    assert recording.lost_spans() == [[2, 4], [7, 7], [9, 10]]
    assert Recording().lost_spans() == []


def test_frames_of_a_culled_keyframe_hang_on_the_one_that_took_its_place(recording, graph,
                                                                         small_walk):
    """At the unit of that one's depth, which may change later."""
    before = recording.final(graph)
    heir = make_keyframe(small_walk[40], motion(40), graph.keyframes[1].memory)
    graph.add(heir, heir.initial_state())
    graph.rest(1)
    graph.cull(1, heir=2)
    poses = torch.stack([s.T_world_cam for s in graph.states.values()])
    graph.correct(poses, torch.tensor([0.0, 0.3]))
    after = recording.final(graph)
    for i in (0, 1, 2):
        np.testing.assert_array_equal(after.T_world_cam[i], before.T_world_cam[i])
    origin = motion(40).numpy()[:3, 3]
    for i in (4, 5):
        np.testing.assert_allclose(after.positions[i] - origin,
                                   np.exp(0.3) * (before.positions[i] - origin), rtol=1e-4)
        np.testing.assert_allclose(after.rotations[i], before.rotations[i], atol=1e-6)
    for i, entry in ((4, 4), (5, 6)):
        row = recording.tracked[entry]
        T = torch.eye(4)
        T[:3] = torch.from_numpy(row["T_key_cam"])
        single = graph.pose_from_keyframe(int(row["keyframe"]), T, float(row["key_scale"]))
        np.testing.assert_allclose(after.T_world_cam[i], single.numpy(), atol=1e-5)


def test_keyframe_of_an_earlier_source_is_not_taken_for_a_frame_of_the_same_index(recording,
                                                                                 graph):
    before = recording.final(graph)
    graph.keyframes[1] = replace(graph.keyframes[1], timestamp=-7.0)
    after = recording.final(graph)
    T = recording.tracked[3]["T_key_cam"]
    np.testing.assert_allclose(after.T_world_cam[3, :3], T, atol=1e-6)
    np.testing.assert_array_equal(after.T_world_cam[4:], before.T_world_cam[4:])


def test_a_reader_keeps_what_it_read_while_frames_are_added(recording):
    rows = recording.tracked
    before = rows.copy()
    for i in range(7, 300):
        recording.add(tracked(i, 1, motion(i), motion(i)))
    assert np.array_equal(rows, before) and len(recording.tracked) == 300
    assert recording.tracked["frame_index"].tolist() == [*range(300)]


def test_a_frame_takes_little_memory():
    assert FRAME_ROW.itemsize <= 150


def test_no_frames_give_empty_trajectories():
    empty = Recording()
    assert len(empty.live()) == len(empty.final(KeyframeGraph())) == 0
    assert len(empty.true_trajectory()) == empty.frames == 0


def test_truth_is_kept_of_frames_that_could_not_be_used(small_walk):
    recording = Recording()
    for frame in small_walk[:5]:
        recording.note_truth(frame)
    recording.note_truth(replace(small_walk[5], truth=None))
    truth = recording.true_trajectory()
    assert len(truth) == 5
    np.testing.assert_array_equal(truth.T_world_cam[4], small_walk[4].truth.T_world_cam.numpy())
