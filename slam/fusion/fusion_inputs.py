"""What the fused result of a keyframe depends on, and by how much that may change before the
result of a resting keyframe is made again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import exp, radians, sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scenecode.slam.map.graph import KeyframeGraph

#: Largest change of a code's entry, whose prior has the standard deviation 1.
CODE_TOLERANCE = 0.05
#: Largest change of a neighbour's relative pose: translation over median depth, and angle.
TRANSLATION_TOLERANCE, ANGLE_TOLERANCE = 0.005, radians(0.25)
#: Largest change of ln of a neighbour's scale over the keyframe's own.
LOG_SCALE_TOLERANCE = 0.005
_LEAST_DEPTH = 1e-9


@dataclass(frozen=True, eq=False)
class RelativeViews:
    """Poses and scales of other keyframes relative to one: what does not change when the map is
    moved, turned or scaled as a whole."""

    #: M numbers
    numbers: tuple[int, ...]
    #: (M, 4, 4) T_key_view, translations over the keyframe's median depth
    T_key_view: np.ndarray
    #: (M,) scales over the keyframe's own
    scales: np.ndarray

    @staticmethod
    def of(graph: KeyframeGraph, number: int, views: tuple[int, ...],
           poses: Mapping[int, np.ndarray]) -> "RelativeViews":
        """At the present states of a graph, whose ``poses`` are (4, 4) T_world_cam by number."""
        own = np.linalg.inv(poses[number])
        T = np.array([own @ poses[n] for n in views]).reshape(-1, 4, 4)
        T[:, :3, 3] /= max(graph.median_depth(number), _LEAST_DEPTH)
        scales = np.array([graph.keyframes[n].scale for n in views])
        return RelativeViews(numbers=views, T_key_view=T,
                             scales=scales / graph.keyframes[number].scale)

    def is_near(self, other: "RelativeViews") -> bool:
        """Whether what was computed with one will do for the other."""
        if self.numbers != other.numbers:
            return False
        a, b = self.T_key_view, other.T_key_view
        # the Frobenius norm of the difference of rotations by a small angle is sqrt(2) times it
        turned = np.linalg.norm(a[:, :3, :3] - b[:, :3, :3], axis=(1, 2)) / sqrt(2)
        moved = np.linalg.norm(a[:, :3, 3] - b[:, :3, 3], axis=1)
        factor = exp(LOG_SCALE_TOLERANCE)
        return bool((moved <= TRANSLATION_TOLERANCE).all()
                    and (turned <= ANGLE_TOLERANCE).all()
                    and (self.scales <= factor * other.scales).all()
                    and (other.scales <= factor * self.scales).all())


@dataclass(frozen=True, eq=False)
class FusionInputs:
    """Codes of a keyframe and of the neighbours that it is fused with, and where these are."""

    neighbours: RelativeViews
    #: depth and semantic codes, the keyframe's own first
    codes: tuple[Tensor, ...]

    @staticmethod
    def of(graph: KeyframeGraph, number: int, neighbours: tuple[int, ...],
           poses: Mapping[int, np.ndarray]) -> "FusionInputs":
        """At the present states of a graph, whose ``poses`` are (4, 4) T_world_cam by number."""
        states = [graph.states[n] for n in (number, *neighbours)]
        return FusionInputs(
            neighbours=RelativeViews.of(graph, number, neighbours, poses),
            codes=tuple(code for state in states
                        for code in (state.code_depth, state.code_semantic)))

    @property
    def own_depth_code(self) -> Tensor:
        """(Kd,)"""
        return self.codes[0]

    def is_near(self, other: "FusionInputs") -> bool:
        """Whether a result for one will do for the other."""
        return self.neighbours.is_near(other.neighbours) \
            and all(map(are_similar, self.codes, other.codes))


def sources_of(graph: KeyframeGraph, number: int,
               neighbours: tuple[int, ...]) -> tuple[Any, ...]:
    """The objects that the inputs of a keyframe are computed from: where none of them was
    replaced, nothing changed."""
    numbers = (number, *neighbours)
    return (*numbers, *(graph.states[n] for n in numbers),
            *(graph.keyframes[n].scale for n in numbers))


def same_objects(a: Collection[Any], b: Collection[Any]) -> bool:
    """Whether two tuples hold the same objects, or equal numbers."""
    return len(a) == len(b) and all(
        x is y or (isinstance(x, (int, float)) and x == y) for x, y in zip(a, b))


def are_similar(a: Tensor, b: Tensor) -> bool:
    """Whether two codes (K,) differ by the tolerance at most."""
    return a is b or not len(a) \
        or float(torch.max((a - b).abs())) <= CODE_TOLERANCE
