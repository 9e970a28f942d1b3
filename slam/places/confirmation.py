"""Whether an image shows the place of a keyframe: features and pixels have to agree on one
relative pose."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.lucas_kanade import Alignment, align
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.features.orb import Features, detect, grey
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.records.frame import Frame
from scenecode.slam.tracking.feature_pose import (
    MIN_AGREEMENT,
    PoseHypothesis,
    image_ncc,
    is_loss,
    match_points,
    pose_from_matches,
    refined,
)
from scenecode.slam.tracking.reference import Reference, make_reference


@dataclass(frozen=True)
class ImageQuery:
    """An image whose place is looked for."""

    #: intensity, as ``Frame.pyramid``
    pyramid: tuple[Tensor, ...]
    camera: PinholeCamera
    features: Features

    @staticmethod
    def of_frame(frame: Frame) -> "ImageQuery":
        """Detects the frame's features."""
        return ImageQuery(pyramid=frame.pyramid, camera=frame.camera,
                          features=detect(grey(frame.pyramid[0])))

    @staticmethod
    def of_keyframe(keyframe: Keyframe) -> "ImageQuery":
        """The image of a keyframe of another map, or of another part of this one."""
        return ImageQuery(pyramid=keyframe.pyramid, camera=keyframe.camera,
                          features=keyframe.features)


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


def confirm(graph: KeyframeGraph, number: int, query: ImageQuery, T_query_key: Tensor | None,
            limits: MatchLimits, config: TrackingConfig) -> PlaceMatch | None:
    """The match of an image with a keyframe; None where one of the ``limits`` is not met.

    The pose starts from matched features (PnP) and from ``T_query_key`` (4, 4), where the map
    predicts it, and is refined photometrically.
    """
    keyframe, geometry = graph.keyframes[number], graph.geometry(number)
    pixels = torch.from_numpy(keyframe.features.pixels).to(geometry.feature_depths)
    points, _ = keyframe.camera.backproject(pixels, geometry.feature_depths)
    matches, distinctive = match_points(query.features, keyframe.features, points, query.camera)
    if len(distinctive) < limits.min_inliers:
        return None
    by_features = pose_from_matches(matches, geometry.median_depth)
    # before anything needs the keyframe's prediction, which may have to be computed
    if T_query_key is None and (by_features is None
                                or len(by_features.inliers) < limits.min_inliers):
        return None
    reference = _reference_for(graph, number, query.camera, config)
    hypotheses = []
    if by_features is not None:
        refined_pose = refined(by_features, reference, query.pyramid, config)
        hypotheses.append(PoseHypothesis(reference, refined_pose, by_features))
    if T_query_key is not None:
        predicted = align(reference.levels, query.pyramid, T_query_key, config.lucas_kanade)
        hypotheses.append(PoseHypothesis(reference, predicted, by_features))
    found = max(hypotheses, key=lambda one: one.score(query.pyramid, config)).alignment
    if is_loss(found, config):
        return None
    agreement = distinctive.inlier_ratio(found.T_ba)
    num_inliers = round(agreement * len(distinctive))
    ncc = image_ncc(query.pyramid, reference, found, config) / found.overlap
    accepted = (agreement >= MIN_AGREEMENT and num_inliers >= limits.min_inliers
                and ncc >= limits.min_ncc
                and found.overlap >= limits.min_overlap
                and found.inlier_ratio >= limits.min_inlier_ratio
                and float(found.T_ba[:3, 3].norm())
                <= limits.max_translation * reference.median_depth)
    return PlaceMatch(keyframe=number, T_key_frame=se3.inverse(found.T_ba), alignment=found,
                      reference=reference, num_inliers=num_inliers) if accepted else None


def _reference_for(graph: KeyframeGraph, number: int, camera: PinholeCamera,
                   config: TrackingConfig) -> Reference:
    """A keyframe, prepared for the alignment of images that a camera took."""
    reference = make_reference(number, graph.keyframes[number], graph.states[number], config)
    # a level's camera is that of the image that is aligned to it
    levels = [replace(level, camera=camera.resized(level.camera.width, level.camera.height))
              for level in reference.levels]
    return replace(reference, levels=tuple(levels))
