"""Maps of any size, without hours of camera: keyframes of other places that rest."""

from dataclasses import replace

import numpy as np
import torch

from scenecode.slam.features.orb import Features
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.stored_image import StoredImage

#: Metres between a place and its next copy.
_SPACING = 50.0
#: Frame index of the first copy, behind those of any walk; all are stamped between the first
#: frame and the next.
_FIRST_INDEX, _FRAME_SECONDS = 1_000_000, 1 / 30


def add_resting_keyframes(graph: KeyframeGraph, template: KeyframeGraph, count: int,
                          seed: int = 0) -> None:
    """Add ``count`` resting keyframes to a map that nobody changes meanwhile.

    They are those of ``template`` again and again, each time at another place, with links,
    landmarks and observations of their own, as much memory as keyframes that were really mapped.
    They have random ORB descriptors: a copy would be recognised as the place that it is a copy of.
    """
    rng = np.random.default_rng(seed)
    first, previous = graph.keyframes[graph.first], graph.first
    numbers = list(template.keyframes)
    copies: dict[int, int] = {}
    for i in range(count):
        if i % len(numbers) == 0:
            copies = {}
        original = numbers[i % len(numbers)]
        number = copies[original] = graph.next_number
        graph.next_number += 1
        keyframe, state = template.keyframes[original], template.states[original]
        T_world_cam = state.T_world_cam.clone()
        T_world_cam[0, 3] += _SPACING * (1 + i // len(numbers))
        features = keyframe.features
        graph.keyframes[number] = replace(
            keyframe, T_world_cam_inserted=T_world_cam, memory=first.memory, stored_truth=None,
            frame_index=_FIRST_INDEX + i,
            timestamp=first.timestamp + _FRAME_SECONDS * (i + 1) / (count + 2),
            image=StoredImage(bytes(bytearray(keyframe.image.jpeg)), keyframe.image.width,
                              keyframe.image.height),
            features=Features(pixels=features.pixels.copy(), descriptors=rng.integers(
                256, size=features.descriptors.shape, dtype=np.uint8)))
        graph.states[number] = replace(state, T_world_cam=T_world_cam,
                                       code_depth=state.code_depth.clone(),
                                       code_semantic=state.code_semantic.clone())
        landmarks = template.landmarks.get(original)
        if landmarks is not None:
            graph.landmarks[number] = replace(
                landmarks, pixels=landmarks.pixels.clone(), rays=landmarks.rays.clone(),
                log_std=landmarks.log_std.clone(), log_depth=landmarks.log_depth.clone())
        _connect(graph, template, copies, original)
        graph.link(previous, number)
        graph.absorbed_links |= {(previous, number), (number, previous)}
        previous = number


def _connect(graph: KeyframeGraph, template: KeyframeGraph, copies: dict[int, int],
             original: int) -> None:
    """Links and observations between a copy and those made before it; none is evaluated again."""
    pairs = [(a, b) for a, b in template.links if original in (a, b) and {a, b} <= copies.keys()]
    links = {(copies[a], copies[b]) for a, b in pairs}
    graph.links |= links
    graph.absorbed_links |= links
    for (a, b), seen in template.observations.items():
        if original in (a, b) and {a, b} <= copies.keys():
            graph.observations[copies[a], copies[b]] = replace(
                seen, index=torch.clone(seen.index), pixels=torch.clone(seen.pixels))
            graph.absorbed_observations.add((copies[a], copies[b]))
