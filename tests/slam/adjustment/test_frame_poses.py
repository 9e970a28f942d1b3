"""Poses of frames between keyframes, from the landmarks of an adjusted map."""

from dataclasses import replace

import pytest
import torch
from support.drift import exhaust
from support.exact import ExactPredictor
from support.walks import SMALL, small_config, walk

from scenecode.optim.geometry import se3
from scenecode.slam.adjustment.frame_poses import FramePoses
from scenecode.slam.adjustment.global_adjustment import GlobalAdjustment
from scenecode.slam.config.residuals import ResidualConfig
from scenecode.slam.mapping.mapper import Mapper

pytestmark = pytest.mark.slow

AT_REST = torch.zeros(6, dtype=torch.float64)
KEYFRAMES = range(0, 40, 5)
#: Poses are found near one that is wrong by this much: metres and radians.
WRONG = torch.tensor([0.01, -0.008, 0.012, 0.004, -0.003, 0.005], dtype=torch.float64)


@pytest.fixture(scope="module")
def adjusted():
    """Frames, the map of every fifth of them, and poses in it."""
    frames = walk(1, 40, 2 * SMALL[0], 2 * SMALL[1])
    mapped = [frames[i] for i in KEYFRAMES]
    mapper = Mapper(replace(small_config().mapping, reuse_keyframes=False), ExactPredictor(mapped))
    for frame in mapped:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    adjustment = GlobalAdjustment(ResidualConfig())
    exhaust(adjustment.pieces(mapper.graph, by_images=True))
    return frames, mapper.graph, FramePoses(mapper.graph, adjustment.adjusted)


def missed(graph, frame, T_world_cam):
    """Metres from the true place, against the keyframe before, and radians."""
    before = max(n for n, k in graph.keyframes.items() if k.frame_index <= frame.index)
    true = se3.inverse(graph.keyframes[before].truth.T_world_cam) @ frame.truth.T_world_cam
    ours = se3.inverse(graph.states[before].T_world_cam.double()) @ T_world_cam
    error = se3.inverse(true) @ ours
    return float(error[:3, 3].norm()), float(se3.rotation_angle(error))


@pytest.mark.parametrize("index", [2, 13, 22, 34])
def test_a_frame_is_placed_by_landmarks_from_a_pose_that_is_wrong(adjusted, index):
    frames, graph, poses = adjusted
    frame = frames[index]
    guess = se3.retract(frame.truth.T_world_cam, WRONG)
    found = poses.pose(frame, guess, AT_REST)
    keyframe = graph.keyframes[found.keyframe]
    assert abs(keyframe.frame_index - index) <= 5 and found.key_scale == keyframe.scale
    T = graph.states[found.keyframe].T_world_cam.double() @ found.T_key_cam
    shift, turn = missed(graph, frame, T)
    assert shift < 0.004 and turn < 0.002
    assert shift < 0.3 * missed(graph, frame, guess)[0]


def test_a_frame_of_another_place_or_without_detail_is_not_placed(adjusted):
    frames, _, poses = adjusted
    frame = frames[12]
    away = se3.retract(frame.truth.T_world_cam,
                       torch.tensor([2.0, 0, 0, 0, 1.5, 0], dtype=torch.float64))
    assert poses.pose(frame, away, AT_REST) is None
    grey = replace(frame, image=torch.full_like(frame.image, 0.5))
    assert poses.pose(grey, frame.truth.T_world_cam, AT_REST) is None


def test_keyframes_whose_depth_images_do_not_show_are_not_used(adjusted):
    frames, graph, _ = adjusted
    adjustment = GlobalAdjustment(ResidualConfig())
    exhaust(adjustment.pieces(graph.frozen()))
    poses = FramePoses(graph, adjustment.adjusted)
    assert len(poses) == 0
    assert poses.pose(frames[2], frames[2].truth.T_world_cam, AT_REST) is None
