"""Settings that decide when a frame becomes a keyframe."""

from dataclasses import dataclass

from scenecode.slam.config.setting import check_ranges, setting


@dataclass(frozen=True)
class KeyframeConfig:
    """A new keyframe is requested when any of these limits is exceeded."""

    max_translation: float = setting(
        0.12, "distance from the last keyframe, as a multiple of its median depth", basic=True,
        minimum=0)
    min_overlap: float = setting(
        0.75, "share of the last keyframe's pixels that are in view", unit="0-1", basic=True)
    min_inlier_ratio: float = setting(
        0.7, "share of the pixels in view whose brightness fits", unit="0-1", basic=True)
    min_interval: float = setting(
        0.095, "time between two keyframes", unit="s", basic=True, minimum=0)
    urgency: float = setting(
        1.5, "factor by which a limit must be exceeded for a keyframe within that time: a loss "
        "of tracking is near", minimum=1)

    def __post_init__(self):
        check_ranges(self, "keyframes.")
