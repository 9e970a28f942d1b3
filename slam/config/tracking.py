"""Settings of tracking."""

from dataclasses import dataclass

from scenecode.optim.lucas_kanade import LucasKanadeConfig
from scenecode.slam.config.setting import check_ranges, group, setting


@dataclass(frozen=True)
class RelocalisationConfig:
    """The search for a camera whose alignment failed or is unreliable."""

    max_keyframes: int = setting(
        4, "keyframes that are tried, those most similar to the image", minimum=1)
    min_inlier_ratio: float = setting(
        0.4, "share of the pixels in view whose brightness must fit for a lost camera to be "
        "relocalised without features", unit="0-1")
    verify_below: float = setting(
        0.65, "an alignment with a lower share of inliers is compared with the pose that ORB "
        "features give", unit="0-1")

    def __post_init__(self):
        check_ranges(self, "tracking.relocalisation.")


@dataclass(frozen=True)
class TrackingConfig:
    """Alignment of every frame to a keyframe."""

    max_pixels: int = setting(
        3000, "pixels of a keyframe that are aligned at each pyramid level, those with the "
        "strongest gradient", unit="pixels", basic=True, minimum=1)
    min_overlap: float = setting(
        0.25, "tracking is lost when a smaller share of the keyframe's pixels is in view",
        unit="0-1")
    min_inlier_ratio: float = setting(
        0.25, "or when the brightness of a smaller share of those fits", unit="0-1")
    max_error: float = setting(
        0.12, "or when the mean robust difference of intensity is larger", unit="0-1",
        positive=True)
    give_up_after: int = setting(
        15, "frames that cannot be tracked against the first keyframe, none ever was, before the "
        "map is started again", unit="frames", minimum=1)
    min_contrast: float = setting(
        0.02, "standard deviation of intensity below which an image is not used", unit="0-1",
        basic=True)
    relocalisation: RelocalisationConfig = group(
        RelocalisationConfig, "the search for a camera whose alignment failed or is unreliable")

    def __post_init__(self):
        check_ranges(self, "tracking.")

    @property
    def lucas_kanade(self) -> LucasKanadeConfig:
        """Parameters of the alignment."""
        return LucasKanadeConfig(max_pixels=self.max_pixels)
