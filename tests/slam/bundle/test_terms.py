"""Terms of the window's cost: each can be left out, with all of its residuals."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from support.exact import ExactPredictor
from support.walks import small_config

from scenecode.core.errors import ConfigError
from scenecode.core.strict_config import override
from scenecode.slam.bundle.window import STAGE_TERMS, Window
from scenecode.slam.config.mapping import LandmarkConfig, StageConfig
from scenecode.slam.config.residuals import Term
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.mapping.mapper import Mapper

TERMS = get_args(Term)


@pytest.fixture(scope="module")
def graph(small_walk):
    """Two keyframes without landmarks, away from the optimum."""
    config = small_config().mapping
    mapper = Mapper(replace(config, landmarks=replace(config.landmarks, per_keyframe=0)),
                    ExactPredictor(small_walk[:16:15]))
    for frame in small_walk[:16:15]:
        number = mapper.insert(frame, frame.truth.T_world_cam.float())
        state = mapper.graph.states[number]
        mapper.graph.states[number] = replace(state, code_depth=state.code_depth + 0.1,
                                              code_semantic=state.code_semantic - 0.1)
    return mapper.graph


def equations(graph, stage, terms):
    config = small_config().mapping
    config = replace(config, residuals=replace(config.residuals, terms=terms))
    window = Window(graph, config, StageConfig(stage, 1, 1))
    return window.linearise(window.start())


@pytest.mark.parametrize("stage", STAGE_TERMS)
def test_normal_equations_are_the_sum_of_those_of_the_terms(graph, stage):
    whole = equations(graph, stage, TERMS)
    for left_out in TERMS:
        alone = equations(graph, stage, (left_out,))
        rest = equations(graph, stage, tuple(term for term in TERMS if term != left_out))
        torch.testing.assert_close(rest.H + alone.H, whole.H)
        torch.testing.assert_close(rest.g + alone.g, whole.g)
        assert rest.cost + alone.cost == pytest.approx(whole.cost)
        assert bool(alone.H.any()) == (left_out in STAGE_TERMS[stage]) == (alone.cost > 0)


def test_images_of_different_scenes_have_no_photometric_residuals(small_walk):
    first, second = small_walk[:16:15]
    size = tuple(second.image.shape[-2:])
    tiles = torch.randint(2, (1, 1, 6, 8), generator=torch.Generator().manual_seed(0)).float()
    elsewhere = replace(second, image=F.interpolate(tiles, size)[0].expand(3, *size))
    config = replace(small_config().mapping, landmarks=LandmarkConfig(per_keyframe=0))
    pull = {}
    for name, frames in (("same", (first, second)), ("elsewhere", (first, elsewhere))):
        mapper = Mapper(config, ExactPredictor(frames))
        for frame in frames:
            mapper.insert(frame, frame.truth.T_world_cam.float())
        pull[name] = equations(mapper.graph, "geometry", ("photometric",))
    assert bool(pull["same"].H.any())
    assert not pull["elsewhere"].H.any() and pull["elsewhere"].cost == 0


def test_an_unknown_term_is_refused():
    with pytest.raises(ConfigError, match=r"terms\[0\]' must be one of photometric, geometric"):
        override(SlamConfig(), "mapping.residuals.terms=[depth]")
