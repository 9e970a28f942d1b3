"""Settings of the residuals that mapping minimises."""

from dataclasses import dataclass
from typing import Literal

from scenecode.slam.config.setting import check_ranges, setting

#: Terms of mapping's cost that can be left out; ``code`` is the zero-code prior.
Term = Literal["photometric", "geometric", "semantic", "code"]


@dataclass(frozen=True)
class ResidualConfig:
    """Terms of the cost and their weights.

    Each pair of keyframes counts as ``effective_pixels`` independent measurements, because
    neighbouring pixels of an image have correlated errors.  Landmarks' terms are left out by
    ``LandmarkConfig.per_keyframe`` of 0.
    """

    terms: tuple[Term, ...] = setting(
        ("photometric", "geometric", "code"), "terms of the cost in addition to the landmarks': "
        "photometric, geometric, semantic, code (the prior on codes); --config paper has all")
    visibility_weights: bool = setting(
        True, "whether slanted surfaces, occluding edges and occluded points weigh less")
    effective_pixels: float = setting(
        200.0, "independent measurements that a pair of keyframes counts as, in each term",
        unit="pixels", positive=True)
    photometric_pixels: int = setting(
        1200, "pixels of a keyframe that the photometric term warps, those with the strongest "
        "gradient", unit="pixels", basic=True, minimum=1)
    photometric_sigma: float = setting(
        0.03, "standard deviation of intensity", unit="0-1", positive=True)
    geometric_sigma: float = setting(
        0.3, "standard deviation of depth over depth", positive=True)
    geometric_stride: int = setting(
        2, "one pixel in so many of the geometric term's pyramid level is warped",
        unit="pixels", minimum=1)
    semantic_sigma: float = setting(
        1.7, "standard deviation of class probability", positive=True)
    semantic_stride: int = setting(
        4, "one pixel in so many of the semantic term's pyramid level is warped", unit="pixels",
        minimum=1)
    code_sigma: float = setting(
        1.0, "standard deviation of the prior on codes", positive=True)
    reprojection_sigma: float = setting(
        0.3, "standard deviation of a landmark's observation", unit="pixels", positive=True)
    landmark_depth_sigma: float = setting(
        1.5, "standard deviation of a landmark's depth from its keyframe's, as a multiple of that "
        "predicted by the network", positive=True)

    def __post_init__(self):
        check_ranges(self, "mapping.residuals.")
