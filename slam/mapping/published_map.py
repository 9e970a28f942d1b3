"""The map as mapping hands it to tracking."""

from dataclasses import dataclass

from torch import Tensor

from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.tracking.reference import Reference, make_reference


@dataclass(frozen=True)
class PublishedMap:
    """A copy of the map that no longer changes, with what tracking needs of it."""

    graph: KeyframeGraph
    #: the keyframe to track against
    reference: Reference
    #: requests for keyframes that were answered so far
    answered: int

    @property
    def poses(self) -> dict[int, Tensor]:
        """(4, 4) T_world_cam of every keyframe, by number."""
        return {n: state.T_world_cam for n, state in self.graph.states.items()}

    @property
    def first_frame_index(self) -> int:
        """Index of the frame of the first keyframe of the part that the camera is in: it
        identifies a map among those of a run."""
        return self.graph.keyframes[min(self._part)].frame_index

    @property
    def num_keyframes(self) -> int:
        """Keyframes of the part of the map that the camera is in."""
        return len(self._part)

    @property
    def _part(self) -> set[int]:
        part = self.graph.part(self.reference.keyframe)
        return self.graph.keyframes.keys() - self.graph.outside(part)


def publish(graph: KeyframeGraph, reference: int, answered: int,
            config: TrackingConfig) -> PublishedMap:
    """A copy of a graph with at least one keyframe; number ``reference`` prepared for tracking."""
    graph = graph.frozen()
    return PublishedMap(
        graph=graph, answered=answered,
        reference=make_reference(reference, graph.keyframes[reference], graph.states[reference],
                                 config))
