"""Whether an image shows the place of a keyframe: features and pixels have to agree on one
relative pose."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.lucas_kanade import Alignment, align
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.features.orb import Features
from scenecode.slam.records.frame import Frame
from scenecode.slam.tracking.feature_pose import (
    MIN_AGREEMENT,
    PoseHypothesis,
    image_ncc,
    is_loss,
    match_features,
    pose_from_matches,
    refined,
)
from scenecode.slam.tracking.reference import Reference


@dataclass(frozen=True)
class MatchLimits:
    """What a match must fulfil."""

    #: largest distance from the keyframe, over its median depth
    max_translation: float
    #: smallest share of the keyframe's pixels in view, and of those in view whose brightness fits
    min_overlap: float
    min_inlier_ratio: float
    #: smallest normalised cross-correlation of the images where both see the scene
    min_ncc: float
    #: distinctive matches of features that the pose must explain
    min_inliers: int


@dataclass(frozen=True)
class PlaceMatch:
    """A keyframe that shows the same place as a frame, and the frame's pose against it."""

    #: the keyframe's number
    keyframe: int
    #: (4, 4), in the unit of the keyframe's depth
    T_key_frame: Tensor
    #: of the frame to the reference
    alignment: Alignment
    #: the keyframe, prepared for tracking
    reference: Reference
    #: distinctive matches of ORB features that agree with the pose
    num_inliers: int


def confirm(reference: Reference, frame: Frame, features: Features, T_frame_key: Tensor | None,
            limits: MatchLimits, config: TrackingConfig) -> PlaceMatch | None:
    """The match of a frame, whose ``features`` were detected, with a keyframe; None where one of
    the ``limits`` is not met.

    The pose starts from matched features (PnP) and from ``T_frame_key`` (4, 4), where the map
    predicts it, and is refined photometrically.
    """
    # the reference's camera is that of the image that is aligned to it
    levels = [replace(level, camera=frame.camera.resized(level.camera.width, level.camera.height))
              for level in reference.levels]
    reference = replace(reference, levels=tuple(levels))
    matches, distinctive = match_features(features, reference)
    if len(distinctive) < limits.min_inliers:
        return None

    def hypotheses() -> Iterator[PoseHypothesis]:
        found = pose_from_matches(matches, reference)
        if found is not None:
            yield PoseHypothesis(reference, refined(found, reference, frame.pyramid, config),
                                 found)
        if T_frame_key is not None:
            yield PoseHypothesis(reference, align(reference.levels, frame.pyramid, T_frame_key,
                                                  config.lucas_kanade), found)

    best = max(hypotheses(), key=lambda one: one.score(frame.pyramid, config), default=None)
    if best is None or is_loss(best.alignment, config):
        return None
    found = best.alignment
    agreement = distinctive.inlier_ratio(found.T_ba)
    num_inliers = round(agreement * len(distinctive))
    ncc = image_ncc(frame.pyramid, reference, found, config) / found.overlap
    accepted = (agreement >= MIN_AGREEMENT and num_inliers >= limits.min_inliers
                and ncc >= limits.min_ncc
                and found.overlap >= limits.min_overlap
                and found.inlier_ratio >= limits.min_inlier_ratio
                and float(found.T_ba[:3, 3].norm())
                <= limits.max_translation * reference.median_depth)
    return PlaceMatch(keyframe=reference.keyframe, T_key_frame=se3.inverse(found.T_ba),
                      alignment=found, reference=reference,
                      num_inliers=num_inliers) if accepted else None
