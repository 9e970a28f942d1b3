"""Images with a rolling shutter as if they had been exposed at once."""

from dataclasses import replace

import pytest
import torch
from support.exact import ExactPredictor
from support.rolling_shutter import BANDS, rolling_walk
from support.walks import small_config

from scenecode.optim.imaging import image as imaging
from scenecode.slam.dense.shutter import exposed_at_once
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.sources.rooms import RoomsSource

SIZE, READOUT, RATE, INDEX = (192, 144), 0.09, 2.0, 5


@pytest.fixture(scope="module")
def taken():
    """A map of one keyframe, its image, and the same exposed at once."""
    *_, (frame, motion) = rolling_walk(7, INDEX + 1, *SIZE, readout=READOUT, fps=RATE)
    every = round(BANDS / READOUT / RATE)
    source = RoomsSource(7, (INDEX + 1) * every, *SIZE, fps=BANDS / READOUT)
    still = source.frame(INDEX * every + BANDS // 2)
    torch.testing.assert_close(still.truth.T_world_cam, frame.truth.T_world_cam)
    mapper = Mapper(small_config().mapping, ExactPredictor([frame]))
    number = mapper.insert(frame, frame.truth.T_world_cam.float())
    mapper.graph.note_motion(number, motion)
    return mapper.graph, *(imaging.intensity(f.image).numpy() for f in (frame, still))


def inner(image):
    """Without the border, where something may be seen that was not taken."""
    return image[8:-8, 8:-8]


def test_rows_are_put_where_the_middle_one_would_have_seen_them(taken):
    graph, rolling, still = taken
    graph.shutters[graph.keyframes[0].camera] = (0.0, READOUT)
    mended = exposed_at_once(rolling, graph, 0)
    before, after = (abs(inner(image - still)).mean() for image in (rolling, mended))
    assert after < 0.65 * before
    graph.shutters[graph.keyframes[0].camera] = (0.0, -READOUT)
    assert abs(inner(exposed_at_once(rolling, graph, 0) - still)).mean() > 1.4 * before


def test_without_a_motion_or_a_shutter_an_image_stays_as_it_is(taken):
    graph, rolling, _ = taken
    graph.shutters.clear()
    assert exposed_at_once(rolling, graph, 0) is rolling
    graph.shutters[graph.keyframes[0].camera] = (0.0, READOUT)
    graph.keyframes[0] = replace(graph.keyframes[0], motion_at_scale_1=None)
    assert exposed_at_once(rolling, graph, 0) is rolling
