"""Keyframes of a camera that moves while its shutter goes down the image."""

from dataclasses import replace

import pytest
import torch
from support.drift import exhaust, position_error
from support.exact import ExactPredictor
from support.rolling_shutter import rolling_walk
from support.walks import small_config

from scenecode.slam.adjustment.global_adjustment import GlobalAdjustment
from scenecode.slam.config.residuals import ResidualConfig
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.sources.rooms import RoomsSource

pytestmark = pytest.mark.slow

READOUT, KEYFRAMES, RATE = 0.045, 8, 5.0


@pytest.fixture(scope="module")
def walk():
    """Keyframes and their motions."""
    return list(rolling_walk(7, KEYFRAMES, 160, 120, readout=READOUT, fps=RATE))


def adjusted(frames, motions):
    """The map, and the milliseconds that the shutter is taken to need across and down."""
    mapper = Mapper(replace(small_config().mapping, reuse_keyframes=False), ExactPredictor(frames))
    for frame, motion in zip(frames, motions, strict=True):
        number = mapper.insert(frame, frame.truth.T_world_cam.float())
        mapper.graph.note_motion(number, motion)
    adjustment = GlobalAdjustment(ResidualConfig())
    exhaust(adjustment.pieces(mapper.graph, by_images=True))
    return mapper.graph, (1e3 * adjustment.adjusted.state.lenses[0, -2:]).tolist()


def test_the_time_of_the_shutter_is_estimated_and_poses_gain_by_it(walk):
    frames, motions = zip(*walk, strict=True)
    graph, (across, down) = adjusted(frames, motions)
    assert down == pytest.approx(1e3 * READOUT, rel=0.15) and abs(across) < 6
    at_rest, _ = adjusted(frames, [torch.zeros(6)] * len(frames))
    assert position_error(graph) < 0.4 * position_error(at_rest)


def test_a_shutter_that_exposes_all_rows_at_once_is_recognised(walk):
    """At the same motions."""
    _, motions = zip(*walk, strict=True)
    source = RoomsSource(7, round(KEYFRAMES * 30 / RATE), 160, 120)
    frames = [source.frame(round(n * 30 / RATE)) for n in range(KEYFRAMES)]
    graph, shutter = adjusted(frames, motions)
    assert max(map(abs, shutter)) < 6 and position_error(graph) < 0.002
