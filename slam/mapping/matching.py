"""Sparse correspondences between keyframes: corners, followed from image to image."""

import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.config.slam_config import MatchingConfig
from scenecode.slam.features.klt import corners, epipolar_inliers, follow
from scenecode.slam.features.orb import grey
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.landmarks import Landmarks, Observation, make_landmarks


def match_keyframe(graph: KeyframeGraph, number: int, config: MatchingConfig) -> None:
    """Find the corners of older keyframes in a new one, give it corners of its own where it has
    none, and find those in older ones."""
    images = {}

    def picture(n: int) -> np.ndarray:
        if n not in images:
            images[n] = grey(graph.keyframes[n].pyramid[0])
        return images[n]

    occupied = torch.zeros(0, 2)
    for older in range(max(0, number - config.reach), number):
        seen = _sight(graph, older, number, picture, config)
        occupied = torch.cat([occupied, seen])
    keyframe = graph.keyframes[number]
    pixels = corners(picture(number), occupied, config)
    graph.landmarks[number] = make_landmarks(keyframe, graph.states[number].code_depth, pixels)
    for older in range(max(0, number - config.back), number):
        _sight(graph, number, older, picture, config)


def _sight(graph: KeyframeGraph, a: int, b: int, picture, config: MatchingConfig) -> Tensor:
    """Look for a's points in b and note where; returns those pixels (M, 2)."""
    points = graph.landmarks.get(a)
    observation = None if points is None else _seen(points, graph.relative(a, b), picture(a),
                                                 picture(b), graph.keyframes[b].camera, config)
    if observation is None:
        return torch.zeros(0, 2)
    graph.observations[a, b] = observation
    return observation.pixels


def _seen(points: Landmarks, T_ba: Tensor, image_a: np.ndarray, image_b: np.ndarray,
          camera_b: PinholeCamera, config: MatchingConfig) -> Observation | None:
    """Where another view sees a keyframe's points, if it sees any; ``T_ba`` is a guess."""
    if not len(points.rays):
        return None
    x_b = se3.act(T_ba, points.rays * points.log_depth.exp()[:, None])
    guess, _ = camera_b.project(x_b)
    found, kept = follow(image_a, image_b, points.pixels, guess, config)
    index = kept.nonzero()[:, 0]
    index = index[epipolar_inliers(points.rays[index], found[index], camera_b, config)]
    return Observation(index, found[index]) if len(index) else None
