"""Settings of the fused map that files and viewers show."""

from dataclasses import dataclass
from typing import Literal

from scenecode.slam.config.setting import check_ranges, group, setting


@dataclass(frozen=True)
class RefinementConfig:
    """Corrections of depth by other keyframes' images and by triangulated landmarks."""

    method: Literal["images", "landmarks", "none"] = setting(
        "images", "what corrects depth: images of other keyframes, matched densely where the "
        "camera moved; landmarks, around them; or none", basic=True)
    min_parallax: float = setting(
        3.0, "parallax without which a landmark is not used", unit="pixels", minimum=0)
    min_views: int = setting(
        2, "keyframes other than its own that must observe a landmark: along the epipolar line "
        "of a single one its match may have slipped", minimum=0)
    smoothness: float = setting(
        100.0, "weight of differences of the correction between neighbouring pixels",
        positive=True)

    def __post_init__(self):
        check_ranges(self, "fusion.refinement.")


@dataclass(frozen=True)
class FusionConfig:
    """One labelled cloud of points out of all keyframes."""

    level: int = setting(
        1, "pyramid level at which points are made, 0 = full resolution", basic=True)
    voxel: float = setting(
        0.01, "edge of the cells of which one point is kept, as a multiple of the median depth",
        basic=True, positive=True)
    labels: Literal["none", "multiplication", "average", "average_along_surfaces", "code",
                    "code_alone"] = setting(
        "average_along_surfaces",
        "how the labels of a keyframe and its neighbours are fused: none keeps each keyframe's "
        "own, multiplication or average of probabilities, the average smoothed along surfaces, "
        "code optimises semantic codes to follow that, code_alone to agree with each other",
        basic=True)
    depth_tolerance: float = setting(
        0.1, "relative difference of depth below which two views agree", positive=True)
    min_views: int = setting(
        1, "other views that must agree with a point, where there are so many", minimum=0)
    max_relative_std: float = setting(
        0.5, "predicted standard deviation of depth over depth above which a point is left out",
        positive=True)
    refinement: RefinementConfig = group(
        RefinementConfig, "corrections of depth by other keyframes' images and by landmarks")

    def __post_init__(self):
        check_ranges(self, "fusion.")
