"""Relocalisation: the pose of a camera whose alignment failed or is unreliable, against keyframes
that look like the image or share ORB features with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.lucas_kanade import Alignment, align, assess
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.features.orb import detect, grey
from scenecode.slam.tracking.feature_pose import (
    MIN_AGREEMENT,
    MIN_MATCHES,
    PoseHypothesis,
    image_ncc,
    is_loss,
    match_features,
    pose_from_matches,
    refined,
)
from scenecode.slam.tracking.reference import Reference, thumbnail

#: Score (``PoseHypothesis.score``) that a pose from features needs.  In one of ten images of
#: another place ten matches fit a pose by chance, at scores up to 0.3; images of the same place
#: have 0.7 or more.
_MIN_SCORE = 0.45
#: NCC at which a camera that was tracked in the previous frame is not lost.
_MIN_NCC = 0.7
#: Coarsest pyramid levels on which keyframes are tried without features.
_COARSE_LEVELS = 2
#: Rotations from which that starts: so many steps either way, of so many pixels of the coarsest
#: level.
_ROTATION_STEPS, _ROTATION_STEP_PIXELS = 3, 2.0
#: Keyframes that are then tried at full resolution, best first.
_MAX_FINE_TRIALS = 2
#: Smallest overlap that an error is divided by.
_MIN_OVERLAP = 0.05


@dataclass(frozen=True)
class Relocalisation:
    """The outcome for one image."""

    reference: Reference
    #: of the image to the reference
    alignment: Alignment
    is_found: bool


def relocalise(pyramid: Sequence[Tensor], known: Sequence[Reference], reference: Reference,
               tracked: Alignment | None, config: TrackingConfig) -> Relocalisation:
    """The best pose of an image against one of the keyframes ``known``.

    ``pyramid`` is the image's intensity, full resolution first; ``tracked`` its alignment to the
    ``reference`` that was tracked against, where there is one.  After a large motion matched
    features still give the pose (PnP).  A blurred image has no features, but may be similar to a
    keyframe as a whole.
    """
    features = detect(grey(pyramid[0]))
    valid = None if tracked is None or is_loss(tracked, config) else tracked
    matches, distinctive = match_features(features, reference)
    # agreement with most of the distinctive matches, outliers included, needs no PnP
    if valid is not None and len(distinctive) >= MIN_MATCHES \
            and distinctive.inlier_ratio(valid.T_ba) >= MIN_AGREEMENT:
        return Relocalisation(reference, valid, is_found=True)
    own = pose_from_matches(matches, reference.median_depth)
    if valid is not None and (own is None
                              or own.inliers.inlier_ratio(valid.T_ba) >= MIN_AGREEMENT):
        return Relocalisation(reference, valid, is_found=True)
    tried = candidates(pyramid[-1], known, reference, config.relocalisation.max_keyframes)
    poses = [(reference, own), *(
        (one, pose_from_matches(match_features(features, one)[0], one.median_depth))
        for one in tried if one.keyframe != reference.keyframe)]
    hypotheses = [PoseHypothesis(one, refined(found, one, pyramid, config), found)
                  for one, found in poses if found is not None]
    scores = [hypothesis.score(pyramid, config) for hypothesis in hypotheses]
    if valid is not None:
        hypotheses.append(PoseHypothesis(reference, valid, own))
        # it was reached from the last pose, not found by chance
        scores.append(max(hypotheses[-1].score(pyramid, config), _MIN_SCORE))
    if hypotheses and max(scores) >= _MIN_SCORE:
        best = hypotheses[scores.index(max(scores))]
        return Relocalisation(best.reference, best.alignment, is_found=True)
    if tracked is not None:
        # while the images are similar on the whole, mapping can correct the pose
        alignments = [tracked, _align_coarse_to_fine(pyramid, [reference], config)[1]]
        scores = [image_ncc(pyramid, reference, alignment, config) for alignment in alignments]
        if max(scores) >= _MIN_NCC:
            return Relocalisation(reference, alignments[scores.index(max(scores))],
                                  is_found=True)
    one, alignment = _align_coarse_to_fine(pyramid, tried, config)
    return Relocalisation(one, alignment, is_reliable(alignment, config))


def is_reliable(a: Alignment, config: TrackingConfig) -> bool:
    """Whether an alignment of a lost camera is accepted without features."""
    return not is_loss(a, config) and a.inlier_ratio >= config.relocalisation.min_inlier_ratio


def candidates(image: Tensor, known: Sequence[Reference], tracked_against: Reference,
               max_keyframes: int) -> list[Reference]:
    """The keyframe that was tracked against, the last of those ``known``, and the
    ``max_keyframes`` most similar to the coarsest level of an image."""
    similarity = torch.stack([k.thumbnail for k in known]) @ thumbnail(image)
    order = similarity.topk(min(max_keyframes, len(known))).indices.tolist()
    chosen = [tracked_against, known[-1]] + [known[n] for n in order]
    return list({reference.keyframe: reference for reference in chosen}.values())


def _align_coarse_to_fine(pyramid: Sequence[Tensor], tried: Sequence[Reference],
                          config: TrackingConfig) -> tuple[Reference, Alignment]:
    """Align to all keyframes on the coarse levels, each from the rotation that fits best, then to
    the best ones on all levels until one is reliable; else the one of the smallest error."""
    fine = config.lucas_kanade
    start = len(pyramid) - _COARSE_LEVELS
    coarse = replace(fine, iterations=fine.iterations[start:])
    trials = []
    for reference in tried:
        rotated = (assess(reference.levels[-1], pyramid[-1], T, coarse)
                   for T in _rotation_hypotheses(reference.levels[-1].camera).to(pyramid[0]))
        begin = min(rotated, key=_error_per_overlap)
        trials.append((reference, align(reference.levels[start:], pyramid[start:], begin.T_ba,
                                        coarse)))
    trials.sort(key=lambda trial: _error_per_overlap(trial[1]))
    finished = []
    for reference, found in trials[:_MAX_FINE_TRIALS]:
        found = align(reference.levels, pyramid, found.T_ba, fine, found.gain, found.offset)
        if is_reliable(found, config):
            return reference, found
        finished.append((reference, found))
    return min(finished, key=lambda trial: trial[1].error)


def _error_per_overlap(a: Alignment) -> float:
    return a.error / max(a.overlap, _MIN_OVERLAP)


def _rotation_hypotheses(camera: PinholeCamera) -> Tensor:
    """(N, 4, 4) ``T_ba`` of no rotation, and of rotations left, right, up and down by some pixels
    of a camera's image."""
    steps = _ROTATION_STEP_PIXELS * torch.arange(-_ROTATION_STEPS, _ROTATION_STEPS + 1,
                                                 dtype=torch.float64)
    down, right = torch.meshgrid(steps / camera.fy, steps / camera.fx, indexing="ij")
    zero = torch.zeros_like(right).flatten()
    return se3.exp(torch.stack([zero] * 3 + [down.flatten(), right.flatten(), zero], 1))
