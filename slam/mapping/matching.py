"""Landmarks of a new keyframe: those of older keyframes are tracked into it, new ones detected."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.slam.config.mapping import LandmarkConfig
from scenecode.slam.features.klt import KltConfig, epipolar_inliers, track_corners
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe, at_pixels
from scenecode.slam.map.landmarks import (
    Landmarks,
    Observation,
    keyframe_corners,
    make_landmarks,
)

#: Older keyframes whose landmarks are tracked into a new one, and those into which the new one's
#: are tracked back.
_FORWARD, _BACKWARD = 4, 2


def match_keyframe(graph: KeyframeGraph, number: int, earlier: Sequence[int],
                   config: LandmarkConfig) -> None:
    """Track the landmarks of ``earlier`` keyframes, the last ones at the end, into a new one,
    detect corners where it has none, and track those into earlier keyframes."""
    klt = KltConfig(max_corners=config.per_keyframe, min_distance=config.min_distance)
    images = _Images(graph)
    occupied = torch.zeros(0, 2)
    for older in earlier[-_FORWARD:]:
        occupied = torch.cat([occupied, _observe(graph, older, number, images, klt)])
    keyframe = graph.keyframes[number]
    pixels = keyframe_corners(keyframe, occupied, klt)
    graph.landmarks[number] = make_landmarks(keyframe, graph.states[number].code_depth, pixels)
    for older in earlier[-_BACKWARD:]:
        _observe(graph, number, older, images, klt)


def match_pair(graph: KeyframeGraph, a: int, b: int, config: LandmarkConfig) -> None:
    """Track the landmarks of two keyframes into each other, as far as that was not done."""
    klt = KltConfig(max_corners=config.per_keyframe, min_distance=config.min_distance)
    images = _Images(graph)
    for one, other in ((a, b), (b, a)):
        if (one, other) not in graph.observations:
            _observe(graph, one, other, images, klt)


class _Images:
    """Images of keyframes as OpenCV takes them."""

    def __init__(self, graph: KeyframeGraph):
        self._graph = graph
        self._images: dict[int, np.ndarray] = {}

    def of(self, number: int) -> np.ndarray:
        """(H, W) uint8."""
        if number not in self._images:
            self._images[number] = self._graph.keyframes[number].grey
        return self._images[number]


def _observe(graph: KeyframeGraph, a: int, b: int, images: _Images,
             config: KltConfig) -> Tensor:
    """Track a's landmarks into b and keep the observation; returns its pixels (M, 2)."""
    landmarks = graph.landmarks.get(a)
    observation = None if landmarks is None else _tracked(
        landmarks, graph.relative(a, b), images.of(a), images.of(b), graph.keyframes[b], config)
    if observation is None:
        return torch.zeros(0, 2)
    graph.observations[a, b] = observation
    return observation.pixels


def _tracked(landmarks: Landmarks, T_ba: Tensor, image_a: np.ndarray, image_b: np.ndarray,
             keyframe_b: Keyframe, config: KltConfig) -> Observation | None:
    """Observation of a keyframe's landmarks in another one, if any; ``T_ba`` predicts where."""
    if not len(landmarks.rays):
        return None
    camera_b, moving = keyframe_b.camera, keyframe_b.moving()
    x_b = se3.act(T_ba, landmarks.rays * landmarks.log_depth.exp()[:, None])
    guess, _ = camera_b.project(x_b)
    found, kept = track_corners(image_a, image_b, landmarks.pixels, guess, config)
    index = kept.nonzero()[:, 0]
    if moving is not None:
        index = index[torch.from_numpy(~at_pixels(moving, found[index].numpy()))]
    index = index[epipolar_inliers(landmarks.rays[index], found[index], camera_b, config)]
    return Observation(index, found[index]) if len(index) else None
