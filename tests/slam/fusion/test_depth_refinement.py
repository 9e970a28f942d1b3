"""Corners that know better correct the depth around them, and only there."""

from dataclasses import replace
from math import log

import pytest
import torch

from scenecode.networks.classes import NYU13
from scenecode.networks.prediction import Prediction
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import proximity_from_depth
from scenecode.slam.config.slam_config import FusionConfig, RefinementConfig
from scenecode.slam.fusion.depth_refinement import corrections, refined_depth, seen_corners
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.landmarks import Observation, make_landmarks
from scenecode.slam.records.frame import Frame

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
CONFIG = RefinementConfig()
#: A wall, and a box in front of its left half which the network sees too far away.
WALL, BOX, SAID = 3.0, 1.5, 1.65


def graph_of(distance=0.3):
    """Three keyframes so far apart; the network is wrong about the box, in all."""
    depth = torch.full((48, 64), WALL)
    depth[:, :32] = SAID
    prox = proximity_from_depth(depth, 2.0)
    prediction = Prediction(prox, prox.new_zeros(0, 48, 64), torch.full_like(prox, 0.02),
                            torch.zeros(len(NYU13), 48, 64),
                            prox.new_zeros(len(NYU13), 0, 48, 64), NYU13, 2.0)

    class Known:
        @staticmethod
        def predict(image, camera):
            return prediction

    graph = KeyframeGraph()
    for n in range(3):
        T = se3.identity()
        T[0, 3] = n * distance
        picture = torch.full((3, 48, 64), 0.25)
        keyframe = make_keyframe(Frame(n, n / 30, picture, CAMERA), T, Known)
        graph.add(keyframe, keyframe.initial_state())
    return graph


def corners_on_the_box(graph, log_depth=log(BOX)):
    """A grid of corners of the first keyframe, seen in the others."""
    v, u = torch.meshgrid(torch.arange(6.0, 44, 8), torch.arange(5.0, 30, 8), indexing="ij")
    pixels = torch.stack([u, v], -1).reshape(-1, 2)
    points = make_landmarks(graph.keyframes[0], torch.zeros(0), pixels)
    graph.landmarks[0] = replace(points, log_depth=torch.full((len(pixels),), log_depth))
    shift = torch.tensor([60 * 0.3 / BOX, 0.0])
    for n in (1, 2):
        graph.observations[0, n] = Observation(torch.arange(len(pixels)), pixels - n * shift)
    return graph


def depth_of(graph, number=0, config=CONFIG):
    keyframe, state = graph.keyframes[number], graph.states[number]
    return refined_depth(keyframe, state.code_depth, corrections(graph, number, config))


def test_a_surface_with_corners_is_put_right_and_the_one_behind_it_left_alone():
    depth = depth_of(corners_on_the_box(graph_of()))
    assert depth[:, :31] == pytest.approx(BOX, rel=0.03)
    assert depth[:, 33:] == pytest.approx(WALL, rel=0.01)


def test_corners_of_another_keyframe_count_where_they_are_seen():
    graph = corners_on_the_box(graph_of())
    seen = seen_corners(graph, 1)
    assert torch.equal(seen.pixels, graph.observations[0, 1].pixels)
    assert seen.log_depth.exp() == pytest.approx(BOX)
    assert depth_of(graph, 1)[10:40, 2:14] == pytest.approx(BOX, rel=0.03)


def test_one_wrong_corner_among_many_hardly_matters():
    graph = corners_on_the_box(graph_of())
    wrong = graph.landmarks[0].log_depth.clone()
    wrong[9] += 1.0
    graph.landmarks[0] = replace(graph.landmarks[0], log_depth=wrong)
    error = (depth_of(graph)[:, :31] / BOX - 1).abs()
    assert error.median() < 0.03 and error.max() < 0.15, 'not 1.7, which it says'


@pytest.mark.parametrize("why", ["no corners", "no parallax", "one view", "switched off"])
def test_without_a_reason_nothing_is_corrected(why):
    graph = graph_of(distance=0.01) if why == "no parallax" else graph_of()
    if why != "no corners":
        corners_on_the_box(graph)
    if why == "one view":
        del graph.observations[0, 2]
    config = replace(CONFIG, enabled=why != "switched off")
    assert torch.equal(corrections(graph, 0, config), torch.zeros(48, 64))


def test_stronger_smoothness_reaches_further():
    """One corner is off, among others that are not: how far around is it believed?"""
    graph = corners_on_the_box(graph_of(), log(SAID))
    one = graph.landmarks[0].log_depth.clone()
    one[8] = log(BOX)
    graph.landmarks[0] = replace(graph.landmarks[0], log_depth=one)
    u, v = graph.landmarks[0].pixels[8].long().tolist()

    def reach(smoothness):
        config = replace(CONFIG, smoothness=smoothness, cauchy=100.0)
        field = corrections(graph, 0, config)
        return float(field[v, u + 3] / field[v, u])

    assert 0 < reach(1.0) < reach(100.0) - 0.1


def test_the_map_shows_corrected_depth():
    graph = corners_on_the_box(graph_of())
    view, = Fusion(FusionConfig()).keyframe_views(graph)[:1]
    assert view.depth[:, :31] == pytest.approx(BOX, rel=0.03)
    plain, = Fusion(FusionConfig(refinement=replace(CONFIG, enabled=False))).keyframe_views(
        graph)[:1]
    assert plain.depth[:, :31] == pytest.approx(SAID, rel=1e-4)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="must be positive"):
        RefinementConfig(smoothness=0.0)
