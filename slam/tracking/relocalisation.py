"""Relocalisation: the pose of a camera whose alignment failed or is unreliable, against keyframes
that look like the image or share ORB features with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.lucas_kanade import Alignment, align, assess, ncc
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.features.orb import (
    AbsolutePose,
    Features,
    Matches,
    detect,
    grey,
    match,
    solve_pnp,
)
from scenecode.slam.tracking.reference import Reference, thumbnail

#: An alignment whose brightness changed by more than this factor either way is lost.
_MAX_GAIN = 3.0
#: Lowe's ratio below which ORB features match, and below which a match is distinctive.
_MAX_RATIO, _DISTINCTIVE_RATIO = 0.9, 0.8
#: Largest reprojection error in pixels of an inlier, and inliers that a pose needs.
_RANSAC_PIXELS, _MIN_MATCHES = 3.0, 10
#: Largest distance of the camera from a keyframe, over the keyframe's median depth.
_MAX_TRANSLATION = 1.0
#: Inlier ratio of matches at which they agree with a pose that does not come from them.
_MIN_AGREEMENT = 0.6
#: Finest pyramid levels on which a pose from features is refined.
_REFINEMENT_LEVELS = 2
#: Poses are compared by the normalised cross-correlation (NCC) of the images on this pyramid
#: level, and by this much for inliers of their matches, all of it for so many of them.
_NCC_LEVEL, _INLIER_SCORE, _FULL_SCORE_INLIERS = 2, 0.5, 40
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


@dataclass(frozen=True)
class _PoseHypothesis:
    """A pose against a keyframe, and the one that matched features give there, if any."""

    reference: Reference
    alignment: Alignment
    from_features: AbsolutePose | None

    def score(self, pyramid: Sequence[Tensor], config: TrackingConfig) -> float:
        """NCC of the images, and inliers of the matches."""
        found = self.from_features
        inliers = 0.0 if found is None else \
            len(found.inliers) * found.inliers.inlier_ratio(self.alignment.T_ba)
        return _ncc(pyramid, self.reference, self.alignment, config) \
            + _INLIER_SCORE * min(inliers / _FULL_SCORE_INLIERS, 1.0)


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
    matches, distinctive = _match(features, reference)
    # agreement with most of the distinctive matches, outliers included, needs no PnP
    if valid is not None and len(distinctive) >= _MIN_MATCHES \
            and distinctive.inlier_ratio(valid.T_ba) >= _MIN_AGREEMENT:
        return Relocalisation(reference, valid, is_found=True)
    own = _pose_from_matches(matches, reference)
    if valid is not None and (own is None
                              or own.inliers.inlier_ratio(valid.T_ba) >= _MIN_AGREEMENT):
        return Relocalisation(reference, valid, is_found=True)
    tried = candidates(pyramid[-1], known, reference, config.relocalisation.max_keyframes)
    poses = [(reference, own), *((one, _pose_from_matches(_match(features, one)[0], one))
                                 for one in tried if one.keyframe != reference.keyframe)]
    hypotheses = [_PoseHypothesis(one, _refined(found, one, pyramid, config), found)
                  for one, found in poses if found is not None]
    if hypotheses:
        if valid is not None:
            hypotheses.append(_PoseHypothesis(reference, valid, own))
        best = max(hypotheses, key=lambda hypothesis: hypothesis.score(pyramid, config))
        return Relocalisation(best.reference, best.alignment, is_found=True)
    if tracked is not None:
        # while the images are similar on the whole, mapping can correct the pose
        alignments = [tracked, _align_coarse_to_fine(pyramid, [reference], config)[1]]
        scores = [_ncc(pyramid, reference, alignment, config) for alignment in alignments]
        if max(scores) >= _MIN_NCC:
            return Relocalisation(reference, alignments[scores.index(max(scores))],
                                  is_found=True)
    one, alignment = _align_coarse_to_fine(pyramid, tried, config)
    return Relocalisation(one, alignment, is_reliable(alignment, config))


def is_loss(a: Alignment, config: TrackingConfig) -> bool:
    """Whether an alignment has failed."""
    # written so that a NaN counts as lost; a black image fits anything at gain zero
    return not (a.overlap >= config.min_overlap and a.inlier_ratio >= config.min_inlier_ratio
                and a.error <= config.max_error
                and 1 / _MAX_GAIN <= a.gain <= _MAX_GAIN
                and bool(a.T_ba.isfinite().all()))


def is_reliable(a: Alignment, config: TrackingConfig) -> bool:
    """Whether an alignment of a lost camera is accepted without features."""
    return not is_loss(a, config) and a.inlier_ratio >= config.relocalisation.min_inlier_ratio


def candidates(image: Tensor, known: Sequence[Reference], tracked_against: Reference,
               max_keyframes: int) -> list[Reference]:
    """The keyframe that was tracked against, the newest one, and the ``max_keyframes`` most
    similar to the coarsest level of an image."""
    similarity = torch.stack([k.thumbnail for k in known]) @ thumbnail(image)
    order = similarity.topk(min(max_keyframes, len(known))).indices.tolist()
    chosen = [tracked_against, known[-1]] + [known[n] for n in order]
    return list({reference.keyframe: reference for reference in chosen}.values())


def _ncc(pyramid: Sequence[Tensor], reference: Reference, pose: Alignment,
         config: TrackingConfig) -> float:
    return ncc(reference.levels[_NCC_LEVEL], pyramid[_NCC_LEVEL], pose.T_ba, config.lucas_kanade)


def _refined(pose: AbsolutePose, reference: Reference, pyramid: Sequence[Tensor],
             config: TrackingConfig) -> Alignment:
    """The alignment that starts at a pose from features, or that pose where they disagree."""
    fine = config.lucas_kanade
    # coarse levels would only lose a guess as good as this one
    found = align(reference.levels[:_REFINEMENT_LEVELS], pyramid[:_REFINEMENT_LEVELS], pose.T,
                  fine)
    if not is_loss(found, config) and pose.inliers.inlier_ratio(found.T_ba) >= _MIN_AGREEMENT:
        return found
    # with wrong depth no pose fits all pixels; mapping will improve both
    return assess(reference.levels[0], pyramid[0], pose.T, fine)


def _match(features: Features, reference: Reference) -> tuple[Matches, Matches]:
    """Matches of a keyframe's points with an image's features, and the distinctive ones."""
    of_keyframe, of_image, ratio = match(reference.features.descriptors, features.descriptors,
                                         _MAX_RATIO)
    matches = Matches(points=reference.points[torch.from_numpy(of_keyframe)],
                      pixels=torch.from_numpy(features.pixels[of_image]).to(reference.points),
                      camera=reference.levels[0].camera, tolerance=_RANSAC_PIXELS)
    return matches, matches.select(ratio < _DISTINCTIVE_RATIO)


def _pose_from_matches(matches: Matches, reference: Reference) -> AbsolutePose | None:
    """The camera's pose by PnP, at a plausible distance from the keyframe."""
    found = solve_pnp(matches, _MIN_MATCHES)
    # from far away everything is within the tolerance of everything
    near = found is not None \
        and float(found.T[:3, 3].norm()) <= _MAX_TRANSLATION * reference.median_depth
    return found if near else None


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
