"""Settings of mapping: the window, its schedule, and landmarks."""

from dataclasses import dataclass
from typing import Literal, get_args

from scenecode.slam.config.loops import LoopClosureConfig
from scenecode.slam.config.residuals import ResidualConfig
from scenecode.slam.config.setting import check_ranges, group, setting

#: What a stage optimises: ``geometry`` poses, depth codes and landmarks, ``semantics`` semantic
#: codes, ``joint`` everything.
StageKind = Literal["geometry", "semantics", "joint"]


@dataclass(frozen=True)
class StageConfig:
    """One entry of a schedule."""

    stage: StageKind
    #: pyramid level of the photometric term, 0 = full resolution
    level: int
    iterations: int

    def __post_init__(self):
        if self.stage not in get_args(StageKind):
            raise ValueError(f"a stage must be {', '.join(get_args(StageKind))}; "
                             f"got '{self.stage}'")
        if self.iterations < 1:
            raise ValueError(f"iterations of a stage must be at least 1, got {self.iterations}")


@dataclass(frozen=True)
class LandmarkConfig:
    """Corners that are tracked between keyframes and have a depth of their own."""

    per_keyframe: int = setting(
        240, "corners in a keyframe, tracked and new ones; 0 maps without landmarks",
        basic=True, minimum=0)
    min_distance: int = setting(7, "distance between corners", unit="pixels", minimum=1)

    def __post_init__(self):
        check_ranges(self, "mapping.landmarks.")


@dataclass(frozen=True)
class MappingConfig:
    """The keyframe graph and the sliding window that is optimised."""

    window: int = setting(
        5, "newest keyframes that are optimised; older ones that overlap with them are fixed",
        basic=True, minimum=1)
    schedule: tuple[StageConfig, ...] = setting((
        StageConfig("geometry", 3, 4), StageConfig("geometry", 2, 5),
        StageConfig("geometry", 1, 4), StageConfig("geometry", 0, 4),
        StageConfig("joint", 0, 3)),
        "stages that optimise the window after every new keyframe, in order: stage (geometry, "
        "semantics or joint), pyramid level of the photometric term (0 = full resolution), "
        "Gauss-Newton iterations", basic=True)
    links: int = setting(
        2, "predecessors to which a new keyframe is linked", minimum=1)
    link_overlap: float = setting(
        0.3, "share of pixels that must be in view for such a link", unit="0-1")
    scale_share: float = setting(
        0.5, "how far a new keyframe's depth is rescaled from the network's scale (0) to that of "
        "the keyframes that it is linked to (1); all of the way where one of these was mapped "
        "long before", unit="0-1")
    reuse_keyframes: bool = setting(
        True, "whether known keyframes that show the place are tracked against again, and "
        "redundant ones culled, instead of making new ones at every visit")
    marginal_priors: bool = setting(
        True, "whether keyframes that leave the window leave a marginal prior on the others; "
        "otherwise, and where the schedule has no joint stage, their images are compared further")
    global_adjustment: bool = setting(
        True, "whether poses and scales of all keyframes are adjusted to all that they see in "
        "common: in spare time, and at the end")
    geometric_level: int = setting(3, "pyramid level of the geometric term")
    semantic_level: int = setting(3, "pyramid level of the semantic term")
    tolerance: float = setting(
        1e-4, "relative decrease of the cost below which a stage ends early", minimum=0)
    residuals: ResidualConfig = group(ResidualConfig, "terms of the cost and their weights")
    landmarks: LandmarkConfig = group(
        LandmarkConfig, "corners that are tracked between keyframes, each with its own depth")
    loops: LoopClosureConfig = group(LoopClosureConfig, "loop closure")

    def __post_init__(self):
        check_ranges(self, "mapping.")

    @property
    def leaves_priors(self) -> bool:
        """Whether marginal priors are used: a prior couples poses with all codes, so that all of
        them have to be optimised together."""
        return self.marginal_priors and any(stage.stage == "joint" for stage in self.schedule)
