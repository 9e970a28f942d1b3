"""The work that mapping has pending, and the result of one step of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from scenecode.optim.solvers.gauss_newton import Solution
from scenecode.slam.config.mapping import StageConfig


@dataclass(frozen=True)
class OptimiseStage:
    """To run one stage of the schedule on the window; one step."""

    stage: StageConfig


@dataclass(frozen=True)
class SearchLoops:
    """To find and close the loop that ends at a keyframe; a step for each of its ``pieces``."""

    keyframe: int
    pieces: Iterator[None]


@dataclass(frozen=True)
class PlacePart:
    """To find the place of a keyframe of an unplaced part in the map; a step for each of its
    ``pieces``."""

    keyframe: int
    #: that it is of
    part: int
    pieces: Iterator[None]


Work = OptimiseStage | SearchLoops | PlacePart


@dataclass(frozen=True)
class StageOptimised:
    """A stage was run."""

    stage: StageConfig
    solution: Solution

    @property
    def changed_map(self) -> bool:
        """Whether poses, codes or landmarks may have moved."""
        return True


@dataclass(frozen=True)
class LoopsSearched:
    """A piece of the search for loops was done."""

    keyframe: int
    #: number of loops that it closed
    closed: int

    @property
    def changed_map(self) -> bool:
        """Whether poses, codes or landmarks may have moved."""
        return self.closed > 0


@dataclass(frozen=True)
class PlaceSearched:
    """A piece of the search for the place of an unplaced part was done."""

    keyframe: int
    #: whether the part was joined with another, or loops between both closed
    changed_map: bool


StepResult = StageOptimised | LoopsSearched | PlaceSearched


@dataclass(frozen=True)
class KeyframeAnswer:
    """What became of a request for a keyframe."""

    #: what tracking is to go on against
    keyframe: int
    #: whether it was made, or was known and shows the same place
    is_new: bool
