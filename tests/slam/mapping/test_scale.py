"""Scale of new keyframes: one map has one scale, though a network estimates it for every image."""

from dataclasses import replace
from math import log

import pytest
import torch
from support.exact import ExactPredictor
from support.walks import Playback, small_config

from scenecode.optim.geometry import se3
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.mapping.scale import log_scale_to_neighbours
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.system import System

LEVELS = 4


class Unsure(ExactPredictor):
    """Exact up to a scale for each image, and to what codes can correct."""

    def __init__(self, frames, factors, **errors):
        super().__init__(frames, **errors)
        self._factors = {f.index: factor for f, factor in zip(frames, factors, strict=True)}

    def predict(self, image, camera):
        found = super().predict(image, camera)
        factor = self._factors[self.frame_of(image).index]
        return replace(found, average_depth=found.average_depth * factor)


def mapper_of(frames, factors, share=1.0):
    config = replace(small_config().mapping, scale_share=share)
    mapper = Mapper(config, Unsure(frames, factors, depth_error=0.0))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    return mapper


def ratios(graph):
    """Of every keyframe, the median of its depth over the truth."""
    return [float((keyframe.depth(state.code_depth) / keyframe.truth.depth).median())
            for keyframe, state in zip(graph.keyframes.values(), graph.states.values())]


def test_new_keyframe_takes_the_scale_of_the_one_before(small_walk):
    # moving along with depth that is 0.8 of what it is, a camera goes 0.8 of its way
    frames = small_walk[0:45:15]
    frames = [replace(f, truth=replace(f.truth, T_world_cam=scaled(f.truth.T_world_cam, 0.8)))
              for f in frames]
    found = ratios(mapper_of(frames, (0.8, 1.1, 0.95)).graph)
    assert found == pytest.approx([0.8, 0.8, 0.8], rel=0.02)


def scaled(T, factor):
    T = T.clone()
    T[:3, 3] *= factor
    return T


def test_scale_of_the_network_is_kept_at_share_zero_or_without_overlap(small_walk):
    frames = small_walk[0:30:15]
    assert ratios(mapper_of(frames, (1.0, 1.2), share=0.0).graph) == pytest.approx([1, 1.2], 0.01)
    turned = se3.exp(torch.tensor([0, 0, 0, 0, 2.5, 0], dtype=torch.float64))
    away = replace(frames[1], truth=replace(frames[1].truth,
                                            T_world_cam=frames[1].truth.T_world_cam @ turned))
    assert ratios(mapper_of([frames[0], away], (1.0, 1.2)).graph) == pytest.approx([1, 1.2], 0.01)


def test_share_of_a_half_is_half_of_the_log_factor(small_walk):
    frames = small_walk[0:30:15]
    graph = mapper_of(frames, (1.0, 1.44), share=0.0).graph
    assert log_scale_to_neighbours(graph, 1, 1, 0.3) == pytest.approx(-log(1.44), abs=0.02)
    halfway = ratios(mapper_of(frames, (1.0, 1.44), share=0.5).graph)
    assert halfway == pytest.approx([1.0, 1.2], rel=0.01)


@pytest.mark.slow
def test_map_of_images_of_different_scales_has_one_scale(small_walk):
    """Poses are tracked, and codes cannot correct the scale here."""
    frames = small_walk[:60]
    g = torch.Generator().manual_seed(5)
    factors = (0.2 * torch.randn(len(frames), generator=g)).exp().tolist()

    def spread(share):
        config = small_config()
        config = replace(config, mapping=replace(
            config.mapping, scale_share=share, global_adjustment=False))
        system = System(config, Unsure(frames, factors, depth_error=0.0),
                        output=NoOutput(Unsure.classes))
        system.run(Playback(frames))
        assert len(system.graph) >= 3
        return float(torch.tensor(ratios(system.graph)).log().std())

    together, alone = spread(1.0), spread(0.0)
    assert together < 0.5 * alone
    assert together < 0.06
