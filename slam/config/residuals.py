"""Settings of the residuals that mapping minimises."""

from dataclasses import dataclass
from typing import Literal, get_args

from scenecode.slam.config.setting import setting

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
        get_args(Term), "terms of the cost beside the landmarks': photometric, geometric, "
        "semantic, code (the prior on codes)")
    visibility_weights: bool = setting(
        True, "whether slanted surfaces, occluding edges and occluded points weigh less")
    effective_pixels: float = setting(
        200.0, "independent measurements that a pair of keyframes counts as, in each term",
        unit="pixels")
    photometric_pixels: int = setting(
        1200, "pixels of a keyframe that the photometric term warps, those with the strongest "
        "gradient", unit="pixels", basic=True)
    photometric_sigma: float = setting(
        0.03, "standard deviation of intensity", unit="0-1")
    geometric_sigma: float = setting(
        0.3, "standard deviation of depth over depth")
    geometric_stride: int = setting(
        2, "one pixel in so many of the geometric term's pyramid level is warped",
        unit="pixels")
    semantic_sigma: float = setting(
        1.7, "standard deviation of class probability")
    semantic_stride: int = setting(
        4, "one pixel in so many of the semantic term's pyramid level is warped", unit="pixels")
    code_sigma: float = setting(
        1.0, "standard deviation of the prior on codes")
    reprojection_sigma: float = setting(
        0.3, "standard deviation of a landmark's observation", unit="pixels")
    landmark_depth_sigma: float = setting(
        1.5, "standard deviation of a landmark's depth from its keyframe's, as a multiple of that "
        "predicted by the network")

    def __post_init__(self):
        sigmas = {name: getattr(self, name) for name in (
            "effective_pixels", "photometric_sigma", "geometric_sigma", "semantic_sigma",
            "code_sigma", "reprojection_sigma", "landmark_depth_sigma")}
        for name, value in sigmas.items():
            if not value > 0:
                raise ValueError(f"mapping.residuals.{name} must be positive, got {value}")
        for name in ("photometric_pixels", "geometric_stride", "semantic_stride"):
            if getattr(self, name) < 1:
                raise ValueError(f"mapping.residuals.{name} must be at least 1, "
                                 f"got {getattr(self, name)}")
