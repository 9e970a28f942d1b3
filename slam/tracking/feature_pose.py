"""The pose of an image against a keyframe by matched ORB features, refined photometrically."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.lucas_kanade import Alignment, align, assess, ncc
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.features.orb import AbsolutePose, Features, Matches, match, solve_pnp
from scenecode.slam.tracking.reference import Reference

#: Inliers that a pose from features needs.
MIN_MATCHES = 10
#: Inlier ratio of matches at which they agree with a pose that does not come from them.
MIN_AGREEMENT = 0.6
#: Lowe's ratio below which ORB features match, and below which a match is distinctive.
_MAX_RATIO, _DISTINCTIVE_RATIO = 0.9, 0.8
#: Largest reprojection error in pixels of an inlier.
_RANSAC_PIXELS = 3.0
#: Largest distance of the camera from a keyframe, over the keyframe's median depth.
_MAX_TRANSLATION = 1.0
#: Finest pyramid levels on which a pose from features is refined.
_REFINEMENT_LEVELS = 2
#: Poses are compared by the normalised cross-correlation (NCC) of the images on this pyramid
#: level, and by this much for inliers of their matches, all of it for so many of them.
_NCC_LEVEL, _INLIER_SCORE, _FULL_SCORE_INLIERS = 2, 0.5, 40
#: An alignment whose brightness changed by more than this factor either way is lost.
_MAX_GAIN = 3.0


@dataclass(frozen=True)
class PoseHypothesis:
    """A pose against a keyframe, and the one that matched features give there, if any."""

    reference: Reference
    alignment: Alignment
    from_features: AbsolutePose | None

    def score(self, pyramid: Sequence[Tensor], config: TrackingConfig) -> float:
        """NCC of the images, and inliers of the matches."""
        found = self.from_features
        inliers = 0.0 if found is None else \
            len(found.inliers) * found.inliers.inlier_ratio(self.alignment.T_ba)
        return image_ncc(pyramid, self.reference, self.alignment, config) \
            + _INLIER_SCORE * min(inliers / _FULL_SCORE_INLIERS, 1.0)


def is_loss(a: Alignment, config: TrackingConfig) -> bool:
    """Whether an alignment has failed."""
    # written so that a NaN counts as lost; a black image fits anything at gain zero
    return not (a.overlap >= config.min_overlap and a.inlier_ratio >= config.min_inlier_ratio
                and a.error <= config.max_error
                and 1 / _MAX_GAIN <= a.gain <= _MAX_GAIN
                and bool(a.T_ba.isfinite().all()))


def image_ncc(pyramid: Sequence[Tensor], reference: Reference, pose: Alignment,
              config: TrackingConfig) -> float:
    """Normalised cross-correlation of an image, given by its intensity ``pyramid``, with a
    keyframe's, times the share of the keyframe that is in view; -1 to 1."""
    return ncc(reference.levels[_NCC_LEVEL], pyramid[_NCC_LEVEL], pose.T_ba, config.lucas_kanade)


def match_features(features: Features, reference: Reference) -> tuple[Matches, Matches]:
    """Matches of a keyframe's points with an image's features, and the distinctive ones."""
    return match_points(features, reference.features, reference.points,
                        reference.levels[0].camera)


def match_points(features: Features, known: Features, points: Tensor,
                 camera: PinholeCamera) -> tuple[Matches, Matches]:
    """Matches of ``known`` features, those of the ``points`` (M, 3), with the features of an image
    that a camera took, and the distinctive ones among them."""
    of_keyframe, of_image, ratio = match(known.descriptors, features.descriptors, _MAX_RATIO)
    matches = Matches(points=points[torch.from_numpy(of_keyframe)],
                      pixels=torch.from_numpy(features.pixels[of_image]).to(points),
                      camera=camera, tolerance=_RANSAC_PIXELS)
    return matches, matches.select(ratio < _DISTINCTIVE_RATIO)


def pose_from_matches(matches: Matches, median_depth: float) -> AbsolutePose | None:
    """The camera's pose by PnP, at a plausible distance from a keyframe of that median depth."""
    found = solve_pnp(matches, MIN_MATCHES)
    # from far away everything is within the tolerance of everything
    near = found is not None \
        and float(found.T[:3, 3].norm()) <= _MAX_TRANSLATION * median_depth
    return found if near else None


def refined(pose: AbsolutePose, reference: Reference, pyramid: Sequence[Tensor],
            config: TrackingConfig) -> Alignment:
    """The alignment that starts at a pose from features, or that pose where they disagree."""
    fine = config.lucas_kanade
    # coarse levels would only lose a guess as good as this one
    found = align(reference.levels[:_REFINEMENT_LEVELS], pyramid[:_REFINEMENT_LEVELS], pose.T,
                  fine)
    if not is_loss(found, config) and pose.inliers.inlier_ratio(found.T_ba) >= MIN_AGREEMENT:
        return found
    # with wrong depth no pose fits all pixels; mapping will improve both
    return assess(reference.levels[0], pyramid[0], pose.T, fine)
