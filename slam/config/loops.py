"""Settings of loop closure."""

from dataclasses import dataclass

from scenecode.slam.config.setting import check_ranges, setting


@dataclass(frozen=True)
class LoopClosureConfig:
    """Which keyframes are candidates for a loop, and which candidates are accepted.

    Needs landmarks (``LandmarkConfig.per_keyframe``); without them nothing is searched.
    """

    enabled: bool = setting(
        True, "whether places that are seen again are searched and loops closed", basic=True)
    min_age: int = setting(
        15, "keyframes that must lie between a new one and a candidate", minimum=1)
    min_votes: int = setting(
        8, "ORB features of a new keyframe that must match a candidate's", minimum=1)
    min_landmarks: int = setting(
        30, "landmarks of the candidate that must be tracked into the new keyframe", minimum=1)
    min_inlier_ratio: float = setting(
        0.8, "share of these landmarks that must reproject where they were tracked", unit="0-1")
    min_overlap: float = setting(
        0.35, "share of the pixels of either keyframe that must be in view of the other",
        unit="0-1")

    def __post_init__(self):
        check_ranges(self, "mapping.loops.")
