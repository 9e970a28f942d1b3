"""Tracking: keyframe decisions, losses, relocalisation, and a map that moves."""

from dataclasses import replace
from math import atan

import pytest
import torch
from support.exact import ExactPredictor
from support.trackers import CONFIG, pose_error, poses, reference_of, track, tracker_at
from support.walks import walk, with_image

from scenecode.optim.geometry import se3
from scenecode.slam.config.tracking import RelocalisationConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.tracking.reference import make_reference
from scenecode.slam.tracking.relocalisation import candidates, relocalise
from scenecode.slam.tracking.tracker import CAPACITY, Tracker


@pytest.fixture(scope="module")
def references(small_walk):
    """Frames 0, 25 and 50."""
    return [reference_of(small_walk, 25 * n, n) for n in range(3)]


def test_frames_are_tracked_against_the_keyframe(small_walk, references):
    tracker = tracker_at(references[0])
    for frame in small_walk[:15]:
        tracked = track(tracker, frame)
        assert not tracked.lost and pose_error(tracked, frame) < 0.006
        composed = references[0].T_world_cam @ tracked.T_key_cam
        torch.testing.assert_close(composed, tracked.T_world_cam)


def test_exposure_changes_are_tracked(small_walk, references):
    tracker = tracker_at(references[0])
    for frame in small_walk[:8]:
        gain = 1 - 0.04 * frame.index
        tracked = track(tracker, with_image(frame, frame.image * gain + 0.02))
    assert not tracked.lost and pose_error(tracked, frame) < 0.006
    assert tracked.alignment.gain == pytest.approx(gain, abs=0.05)


def test_keyframe_is_requested_when_the_camera_has_moved(small_walk, references):
    tracker = tracker_at(references[0], min_overlap=0.0, min_inlier_ratio=0.0)
    requested = [t for t in (track(tracker, f) for f in small_walk[:30])
             if t.wants_keyframe]
    limit = CONFIG.keyframes.max_translation * references[0].median_depth
    assert requested
    assert float(requested[0].T_key_cam[:3, 3].norm()) == pytest.approx(limit, rel=0.2)


def test_keyframe_waits_for_the_smallest_gap(small_walk, references):
    tracker = tracker_at(references[0], max_translation=1e-6, min_interval=3.5 / 30,
                         urgency=1e9)
    requested = [track(tracker, f).wants_keyframe for f in small_walk[1:7]]
    assert requested == [False, False, False, True, True, True]


def test_urgent_keyframe_does_not_wait(small_walk, references):
    tracker = tracker_at(references[0], max_translation=0.01, min_overlap=0.0,
                         min_inlier_ratio=0.0, min_interval=10.0)
    first = next(t for t in (track(tracker, f) for f in small_walk) if t.wants_keyframe)
    limit = 0.01 * CONFIG.keyframes.urgency * references[0].median_depth
    assert float(first.T_key_cam[:3, 3].norm()) == pytest.approx(limit, rel=0.35)


@pytest.mark.parametrize("picture", ["black", "white", "noise", "grey noise"])
def test_image_without_the_scene_is_a_loss_and_moves_nothing(small_walk, references, picture):
    g = torch.Generator().manual_seed(1)
    noise = torch.rand(3, *small_walk[0].image.shape[1:], generator=g)
    image = {"black": 0 * noise, "white": 0 * noise + 1, "noise": noise,
             "grey noise": 0.5 + 0.02 * (noise - 0.5)}[picture]
    tracker = tracker_at(references[0])
    for frame in small_walk[:3]:
        before = track(tracker, frame)
    during = track(tracker, with_image(small_walk[3], image))
    assert during.lost and not during.wants_keyframe
    torch.testing.assert_close(during.T_world_cam, before.T_world_cam)
    after = track(tracker, small_walk[4])
    assert not after.lost and pose_error(after, small_walk[4]) < 0.006


def test_lost_camera_is_relocalised_against_the_keyframe_that_sees_it(small_walk, references):
    tracker = tracker_at(*references)
    track(tracker, small_walk[50])
    track(tracker, with_image(small_walk[51], torch.zeros_like(small_walk[51].image)))
    assert tracker.is_lost
    found = track(tracker, small_walk[2])
    assert not found.lost and found.keyframe == 0 and pose_error(found, small_walk[2]) < 0.006


@pytest.fixture(scope="module")
def wrong_depth():
    """Frames of a large walk, and a keyframe of the first whose depth is wrong."""
    frames = walk(3, 111, 256, 192)
    keyframe = make_keyframe(frames[0], frames[0].truth.T_world_cam.float(),
                             WorkingMemory(ExactPredictor(frames[:1], depth_error=0.05)))
    return frames, make_reference(0, keyframe, keyframe.initial_state(), CONFIG.tracking)


@pytest.mark.slow
@pytest.mark.parametrize("index", [100, 110])
def test_large_motion_between_two_frames_is_tracked_by_features(wrong_depth, index):
    """Photometric alignment alone ends up metres away; features give the pose, and a keyframe is
    due at once."""
    frames, reference = wrong_depth
    found = track(tracker_at(reference), frames[index])
    assert not found.lost and found.wants_keyframe
    moved = (frames[index].truth.T_world_cam - frames[0].truth.T_world_cam)[:3, 3].norm()
    assert pose_error(found, frames[index]) < 0.25 * float(moved)


def test_features_of_wrong_depth_do_not_replace_an_alignment_that_they_agree_with(wrong_depth):
    """Perspective from points alone would be far worse here than the aligned image."""
    frames, reference = wrong_depth
    found = track(tracker_at(reference), frames[60])
    assert found.alignment.inlier_ratio < CONFIG.tracking.relocalisation.verify_below
    assert not found.lost and pose_error(found, frames[60]) < 0.1


def test_relocalised_camera_keeps_its_keyframe_until_the_next_one(small_walk, references):
    tracker = tracker_at(*references)
    track(tracker, with_image(small_walk[51], torch.zeros_like(small_walk[51].image)))
    for frame in small_walk[1:6]:
        tracker.set_map(references[2], poses(references))
        tracked = track(tracker, frame)
        assert tracked.keyframe == 0 and pose_error(tracked, frame) < 0.006
    newest = reference_of(small_walk, 5, number=3)
    tracker.set_map(newest, poses([*references, newest]))
    assert track(tracker, small_walk[6]).keyframe == 3


def test_camera_relocalised_at_an_old_keyframe_moves_with_that_one(small_walk, references):
    """Mapping corrected the old keyframe while it was not the newest."""
    tracker = tracker_at(*references)
    track(tracker, with_image(small_walk[51], torch.zeros_like(small_walk[51].image)))
    shift = se3.exp(torch.tensor([0.5, 0.2, -0.3, 0.1, 0.0, 0.4]))
    moved = poses(references)
    moved[0] = shift @ moved[0]
    before = track(tracker, small_walk[2])
    tracker.set_map(references[2], moved)
    after = track(tracker, small_walk[2])
    assert before.keyframe == after.keyframe == 0
    torch.testing.assert_close(after.T_world_cam, shift @ before.T_world_cam, atol=3e-3, rtol=0)


def test_few_of_many_keyframes_are_tried_after_a_loss(small_walk):
    """The cost of a loss must not grow with the map."""
    known = [reference_of(small_walk, n, n) for n in range(0, 60, 4)]
    known = [replace(r, keyframe=n) for n, r in enumerate(known)]
    config = replace(CONFIG.tracking,
                     relocalisation=RelocalisationConfig(max_keyframes=2))
    tracker = Tracker(config, CONFIG.keyframes)
    for n, reference in enumerate(known):
        tracker.set_map(reference, poses(known[:n + 1]))
    track(tracker, with_image(small_walk[59], torch.zeros_like(small_walk[59].image)))
    tried = candidates(small_walk[17].pyramid[-1], known, known[3], max_keyframes=2)
    assert len(tried) <= 4, "the two most similar, the one tracked against, and the newest"
    assert {3, len(known) - 1} <= {reference.keyframe for reference in tried}
    found = track(tracker, small_walk[17])
    assert not found.lost and pose_error(found, small_walk[17]) < 0.006


def test_camera_moves_with_its_keyframe_when_the_map_is_corrected(small_walk, references):
    tracker = tracker_at(references[0])
    before = track(tracker, small_walk[5])
    shift = se3.exp(torch.tensor([0.5, 0.2, -0.3, 0.1, 0.0, 0.4]))
    moved = reference_of(small_walk, 0, 0, shift @ references[0].T_world_cam)
    tracker.set_map(moved, poses([moved]))
    after = track(tracker, small_walk[5])
    assert not after.lost
    torch.testing.assert_close(after.T_key_cam, before.T_key_cam, atol=2e-3, rtol=0)
    torch.testing.assert_close(after.T_world_cam, shift @ before.T_world_cam, atol=3e-3, rtol=0)


def test_pose_follows_the_correction_of_a_new_keyframe(small_walk, references):
    """The new keyframe was tracked at a wrong pose and corrected by mapping: the camera's
    pose must follow, or the next alignment starts from a wrong guess."""
    tracker = tracker_at(references[0], max_translation=1e-6, min_interval=0.0)
    for frame in small_walk[:11]:
        track(tracker, frame)
    shift = se3.exp(torch.tensor([1.0, 0.0, 0.0, 0.0, 0.3, 0.0]))
    T_true = small_walk[10].truth.T_world_cam.float()
    newest = reference_of(small_walk, 10, 1, shift @ T_true)
    tracker.set_map(newest, poses([references[0], newest]))
    tracked = track(tracker, small_walk[11])
    assert not tracked.lost
    expected = shift @ small_walk[11].truth.T_world_cam.float()
    assert float((tracked.T_world_cam - expected)[:3, 3].norm()) < 0.006


def test_known_keyframe_is_tracked_against_when_mapping_names_it(small_walk, references):
    """Instead of a new one; also one that tracking has never had."""
    for known in (references, references[1:]):
        tracker = tracker_at(*known)
        for frame in small_walk[50:53]:
            assert track(tracker, frame).keyframe == 2
        old = reference_of(small_walk, 49, number=0)
        tracker.set_map(old, poses([old, *references[1:]]))
        for frame in small_walk[53:55]:
            tracked = track(tracker, frame)
            assert tracked.keyframe == 0 and pose_error(tracked, frame) < 0.006
        # named again: no new keyframe
        tracker.set_map(old, poses([old, *references[1:]]))
        assert track(tracker, small_walk[55]).keyframe == 0


def test_keyframe_that_mapping_culled_is_left(small_walk, references):
    tracker = tracker_at(*references)
    track(tracker, with_image(small_walk[51], torch.zeros_like(small_walk[51].image)))
    assert track(tracker, small_walk[2]).keyframe == 0
    remaining = reference_of(small_walk, 5, number=1)
    tracker.set_map(remaining, poses([remaining, references[2]]))
    tracked = track(tracker, small_walk[3])
    assert tracked.keyframe == 1 and pose_error(tracked, small_walk[3]) < 0.006


def test_memory_does_not_grow_with_the_map(small_walk, references):
    """Only keyframes that were used lately are kept, the one tracked against among them."""
    tracker = tracker_at(*references)
    track(tracker, with_image(small_walk[51], torch.zeros_like(small_walk[51].image)))
    assert track(tracker, small_walk[2]).keyframe == 0
    known = [*references, *(replace(references[2], keyframe=n) for n in range(3, 100))]
    for n in range(3, 100):
        tracker.set_map(known[n], poses(known[:n + 1]))
        assert not track(tracker, small_walk[50]).lost
    assert len(tracker._known) == CAPACITY and 99 in tracker._known and 0 not in tracker._known


def test_another_map_is_begun_with_nothing_of_the_one_before(small_walk, references):
    """As it is when all numbers or the frame of a number are others."""
    for number in (0, 7):
        tracker = tracker_at(references[0])
        track(tracker, small_walk[3])
        away = se3.exp(torch.tensor([5.0, 0.0, 0.0, 0.0, 2.0, 0.0]))
        other = reference_of(small_walk, 30, number, away)
        tracker.set_map(other, poses([other]))
        tracked = track(tracker, small_walk[31])
        assert not tracked.lost and tracked.keyframe == number
        assert float((tracked.T_world_cam - away)[:3, 3].norm()) < 0.1


@pytest.mark.parametrize("turn, expected", [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0), (-2.0, 0.0)])
def test_overlap_of_keyframes_is_the_share_in_view(small_walk, turn, expected):
    """``turn`` in horizontal fields of view."""
    camera = small_walk[0].camera
    angle = turn * 2 * atan(0.5 * camera.width / camera.fx)
    keyframe = make_keyframe(small_walk[0], torch.eye(4),
                             WorkingMemory(ExactPredictor(small_walk[:1], depth_error=0.0)))
    graph = KeyframeGraph()
    graph.add(keyframe, keyframe.initial_state())
    T = se3.exp(torch.tensor([0.0, 0.0, 0.0, 0.0, angle, 0.0]))
    graph.add(keyframe, replace(keyframe.initial_state(), T_world_cam=T))
    assert graph.overlap(0, 1, 0) == pytest.approx(expected, abs=0.1)


@pytest.mark.slow
def test_matches_that_fit_by_chance_do_not_place_the_camera_in_another_room():
    """In each of these pairs ten ORB matches or more fit one pose."""
    for known, shown in ((16, 14), (21, 1), (22, 17)):
        [there], [here] = walk(known, 1, 256, 192), walk(shown, 1, 256, 192)
        reference = reference_of([there], 0)
        found = [relocalise(frame.pyramid, [reference], reference, None, CONFIG.tracking).is_found
                 for frame in (here, there)]
        assert found == [False, True]
