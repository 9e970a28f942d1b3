"""Triangulated landmarks correct the depth around them, and only there."""

from dataclasses import replace
from math import log

import pytest
import torch

from scenecode.networks.classes import NYU13
from scenecode.networks.prediction import Prediction
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import proximity_from_depth
from scenecode.slam.config.fusion import FusionConfig, RefinementConfig
from scenecode.slam.fusion import depth_refinement
from scenecode.slam.fusion.depth_refinement import (
    landmark_depths,
    log_depth_corrections,
    refined_depth,
)
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.landmarks import Observation, make_landmarks
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.records.frame import Frame

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
CONFIG = RefinementConfig()
#: A wall, and a box in front of its left half which the network sees too far away.
WALL, BOX, PREDICTED = 3.0, 1.5, 1.65


def graph_of(distance=0.3):
    """Three keyframes so far apart; the network is wrong about the box, in all."""
    depth = torch.full((48, 64), WALL)
    depth[:, :32] = PREDICTED
    prox = proximity_from_depth(depth, 2.0)
    prediction = Prediction(prox_zero=prox, prox_J_code=prox.new_zeros(0, 48, 64),
                            prox_b=torch.full_like(prox, 0.02),
                            logits_zero=torch.zeros(len(NYU13), 48, 64),
                            logits_J_code=prox.new_zeros(len(NYU13), 0, 48, 64), classes=NYU13,
                            average_depth=2.0)

    class Known:
        @staticmethod
        def predict(image, camera):
            return prediction

    graph = KeyframeGraph()
    for n in range(3):
        T = se3.identity()
        T[0, 3] = n * distance
        picture = torch.full((3, 48, 64), 0.25)
        keyframe = make_keyframe(Frame(index=n, timestamp=n / 30, image=picture,
                                       camera=CAMERA), T, WorkingMemory(Known))
        graph.add(keyframe, keyframe.initial_state())
    return graph


def landmarks_on_the_box(graph, log_depth=log(BOX)):
    """A grid of landmarks of the first keyframe, observed by the others."""
    v, u = torch.meshgrid(torch.arange(6.0, 44, 8), torch.arange(5.0, 30, 8), indexing="ij")
    pixels = torch.stack([u, v], -1).reshape(-1, 2)
    points = make_landmarks(graph.keyframes[0], graph.states[0].code_depth, pixels)
    graph.landmarks[0] = replace(points, log_depth=torch.full((len(pixels),), log_depth))
    shift = torch.tensor([60 * 0.3 / BOX, 0.0])
    for n in (1, 2):
        graph.observations[0, n] = Observation(torch.arange(len(pixels)), pixels - n * shift)
    return graph


def depth_of(graph, number=0, config=CONFIG):
    keyframe, state = graph.keyframes[number], graph.states[number]
    return refined_depth(keyframe, state.code_depth,
                         log_depth_corrections(graph, number, config))


def test_a_surface_with_landmarks_is_corrected_and_the_one_behind_it_is_not():
    depth = depth_of(landmarks_on_the_box(graph_of()))
    assert depth[:, :31] == pytest.approx(BOX, rel=0.03)
    assert depth[:, 33:] == pytest.approx(WALL, rel=0.01)


def test_landmarks_of_another_keyframe_count_where_they_are_observed():
    graph = landmarks_on_the_box(graph_of())
    seen = landmark_depths(graph, 1)
    assert torch.equal(seen.pixels, graph.observations[0, 1].pixels)
    assert seen.log_depth.exp() == pytest.approx(BOX)
    assert depth_of(graph, 1)[10:40, 2:14] == pytest.approx(BOX, rel=0.03)


def test_one_wrong_landmark_among_many_hardly_matters():
    graph = landmarks_on_the_box(graph_of())
    wrong = graph.landmarks[0].log_depth.clone()
    wrong[9] += 1.0
    graph.landmarks[0] = replace(graph.landmarks[0], log_depth=wrong)
    error = (depth_of(graph)[:, :31] / BOX - 1).abs()
    assert error.median() < 0.03 and error.max() < 0.15, "the outlier is 1.7"


@pytest.mark.parametrize("why", ["no landmarks", "no parallax", "one view", "switched off"])
def test_without_reliable_landmarks_nothing_is_corrected(why):
    graph = graph_of(distance=0.01) if why == "no parallax" else graph_of()
    if why != "no landmarks":
        landmarks_on_the_box(graph)
    if why == "one view":
        del graph.observations[0, 2]
    config = replace(CONFIG, method="none" if why == "switched off" else "landmarks")
    assert torch.equal(log_depth_corrections(graph, 0, config), torch.zeros(48, 64))


def test_stronger_smoothness_reaches_further(monkeypatch):
    """One landmark differs, among others that do not: how far around it is depth corrected?"""
    monkeypatch.setattr(depth_refinement, "CAUCHY_SCALE", 100.0)    # or it counts as an outlier
    graph = landmarks_on_the_box(graph_of(), log(PREDICTED))
    one = graph.landmarks[0].log_depth.clone()
    one[8] = log(BOX)
    graph.landmarks[0] = replace(graph.landmarks[0], log_depth=one)
    u, v = graph.landmarks[0].pixels[8].long().tolist()

    def reach(smoothness):
        field = log_depth_corrections(graph, 0, replace(CONFIG, smoothness=smoothness))
        return float(field[v, u + 3] / field[v, u])

    assert 0 < reach(1.0) < reach(100.0) - 0.1


def test_the_map_shows_corrected_depth():
    graph = landmarks_on_the_box(graph_of())
    shown, plain = Fusion(FusionConfig()), \
        Fusion(FusionConfig(refinement=replace(CONFIG, method="none")))
    for fusion in (shown, plain):
        fusion.update(graph.frozen())
    assert shown.keyframe_views()[0].depth[:, :31] == pytest.approx(BOX, rel=0.03)
    assert plain.keyframe_views()[0].depth[:, :31] == pytest.approx(PREDICTED, rel=1e-3)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="must be positive"):
        RefinementConfig(smoothness=0.0)
