"""A camera that only turns tells nothing about depth."""

from dataclasses import replace

import pytest
import torch
from support.exact import ExactPredictor
from support.walks import small_config, turn

from scenecode.slam.bundle.window import Window
from scenecode.slam.config.mapping import StageConfig
from scenecode.slam.mapping.mapper import Mapper

CONFIG = replace(small_config().mapping, geometric_level=2, reuse_keyframes=False)


@pytest.fixture(scope="module")
def turned():
    return turn(9, [6.0 * n for n in range(6)], 256, 192)


def with_keyframes(frames, shift=0.0):
    """A mapper after each of the frames, which it takes to be ``shift`` metres apart more than
    they are."""
    mapper = Mapper(CONFIG, ExactPredictor(frames))
    for frame in frames:
        T_world_cam = frame.truth.T_world_cam.float().clone()
        T_world_cam[0, 3] += shift * frame.index
        mapper.insert(frame, T_world_cam)
        yield mapper


def information(mapper, term):
    """Of each entry of the depth codes, by one term of the window and by landmarks."""
    config = replace(CONFIG, residuals=replace(CONFIG.residuals, terms=(term,)))
    window = Window(mapper.graph, config, StageConfig("joint", 1, 1))
    start = window.start()
    equations, pose = window.linearise(start), 6
    columns = torch.cat([window.columns_of(n)[pose:pose + start.depth.shape[1]]
                         for n in mapper.graph.keyframes])
    return equations.H.diagonal()[columns], equations.E[:, :pose]


@pytest.mark.parametrize("term", ["photometric", "semantic"])
def test_images_inform_depth_where_there_is_parallax(turned, small_walk, term):
    # at some 3 metres, a centimetre is a fifth of a degree
    for frames, shift, informed in ((turned[:2], 0.0, False), (turned[:2], 0.01, False),
                                    (small_walk[:16:15], 0.0, True)):
        *_, mapper = with_keyframes(frames, shift)
        mapper.graph.landmarks.clear()
        mapper.graph.observations.clear()
        by_codes, _ = information(mapper, term)
        assert bool((by_codes > 0).all()) == bool((by_codes > 0).any()) == informed


def test_landmarks_couple_depth_and_poses_where_there_is_parallax(turned, small_walk):
    for frames, coupled in ((turned[:2], False), (small_walk[:16:15], True)):
        *_, mapper = with_keyframes(frames)
        _, by_poses = information(mapper, "code")
        assert len(by_poses) and bool(by_poses.any()) == coupled


def test_a_camera_that_turns_stays_where_it_is(turned):
    for mapper in with_keyframes(turned, shift=0.01):
        for _ in iter(mapper.step, None):
            pass
    places = torch.stack([s.T_world_cam[:3, 3] for s in mapper.graph.states.values()])
    assert float((places - places[0]).norm(dim=1).max()) < 0.01
