"""The map as mapping hands it to tracking."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.tracking.reference import Reference, make_reference


@dataclass(frozen=True)
class PublishedMap:
    """A copy of the map that no longer changes, with what tracking needs of it."""

    graph: KeyframeGraph
    #: the newest keyframe
    reference: Reference
    #: (K, 4, 4)
    T_world_keyframes: Tensor

    @property
    def first_frame_index(self) -> int:
        """Index of the frame of the first keyframe: it identifies a map among those of a run."""
        return self.graph.keyframes[0].frame.index


def publish(graph: KeyframeGraph, config: TrackingConfig) -> PublishedMap:
    """A copy of a graph with at least one keyframe, the newest one prepared for tracking."""
    graph = graph.frozen()
    newest = len(graph) - 1
    return PublishedMap(
        graph=graph,
        reference=make_reference(newest, graph.keyframes[newest], graph.states[newest], config),
        T_world_keyframes=torch.stack([state.T_world_cam for state in graph.states]))
