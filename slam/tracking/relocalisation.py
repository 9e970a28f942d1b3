"""Where a lost camera is: keyframes that look alike, or whose features are seen again."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.lucas_kanade import Alignment, align, assess, ncc
from scenecode.slam.config.slam_config import RelocalisationConfig, TrackingConfig
from scenecode.slam.features.orb import (
    AbsolutePose,
    Features,
    Matches,
    detect,
    grey,
    match,
    solve_pnp,
)
from scenecode.slam.tracking.reference import Reference, appearance


def relocalise(pyramid: Sequence[Tensor], known: Sequence[Reference], reference: Reference,
               followed: Alignment | None, config: TrackingConfig
               ) -> tuple[Reference, Alignment, bool]:
    """A keyframe of those ``known``, the image's pose beside it, and whether that is to be
    believed.

    ``pyramid`` is the image's, full resolution first; ``followed`` its alignment to the
    ``reference`` that was followed, where there is one.  A camera that was carried far sees the
    same features elsewhere in its image, and they tell its pose (perspective from points).  A
    blurred image has no features, but may still be like a keyframe's as a whole.
    """
    c = config.relocalisation
    features = detect(grey(pyramid[0]), c.features)
    fits = followed is not None and not is_loss(followed, config)
    seen, clear = _matches(features, reference, config)
    # what explains most of the clear matches, wrong ones included, needs no comparison
    if fits and len(clear) >= c.min_matches and clear.inlier_ratio(followed.T_ba) >= c.min_support:
        return reference, followed, True
    own = _seen_from(seen, reference, config)
    if fits and (own is None or own.inliers.inlier_ratio(followed.T_ba) >= c.min_support):
        return reference, followed, True
    tried = candidates(pyramid[-1], known, reference, c.trials)
    told = [(reference, own), *((one, _seen_from(_matches(features, one, config)[0], one, config))
                                for one in tried if one.keyframe != reference.keyframe)]
    found = _by_features(pyramid, told, followed if fits else None, config)
    if found is not None:
        return *found, True
    if followed is not None:
        # as long as it is the same picture on the whole, mapping can put it right
        poses = [followed, _by_alignment(pyramid, [reference], config)[1]]
        alike = [_ncc(pyramid, reference, pose, config) for pose in poses]
        if max(alike) >= c.min_ncc:
            return reference, poses[alike.index(max(alike))], True
    one, alignment = _by_alignment(pyramid, tried, config)
    return one, alignment, is_found(alignment, config)


def is_loss(a: Alignment, config: TrackingConfig) -> bool:
    """Whether an alignment is none."""
    # written so that a NaN counts as lost; a black image fits anything at gain zero
    return not (a.overlap >= config.lost_overlap and a.inliers >= config.lost_inliers
                and a.error <= config.lost_error
                and 1 / config.lost_gain <= a.gain <= config.lost_gain
                and bool(a.T_ba.isfinite().all()))


def is_found(a: Alignment, config: TrackingConfig) -> bool:
    """Whether an alignment that nothing spoke for before is one."""
    return not is_loss(a, config) and a.inliers >= config.relocalisation.min_inliers


def candidates(image: Tensor, known: Sequence[Reference], followed: Reference,
               trials: int) -> list[Reference]:
    """The keyframe that was followed and the newest one, and those ``trials`` that look most
    like the coarsest level of an image."""
    alike = torch.stack([k.appearance for k in known]) @ appearance(image)
    order = alike.topk(min(trials, len(known))).indices.tolist()
    chosen = [followed, known[-1]] + [known[n] for n in order]
    return list({reference.keyframe: reference for reference in chosen}.values())


def _by_features(pyramid: Sequence[Tensor], told: Sequence[tuple[Reference, AbsolutePose | None]],
                 followed: Alignment | None, config: TrackingConfig
                 ) -> tuple[Reference, Alignment] | None:
    """Of the poses that features tell beside each keyframe, refined where the whole image bears
    them out, and the one that was followed beside the first: the one that most speaks for; None
    when features tell none."""
    c = config.relocalisation
    poses = [(one, _refined(found, one, pyramid, config), found) for one, found in told
             if found is not None]
    if not poses:
        return None
    if followed is not None:
        reference, own = told[0]
        poses.append((reference, followed, own))

    def evidence(one: Reference, pose: Alignment, found: AbsolutePose | None) -> float:
        inliers = 0.0 if found is None else \
            len(found.inliers) * found.inliers.inlier_ratio(pose.T_ba)
        return _ncc(pyramid, one, pose, config) \
            + c.trust * min(inliers / c.certain_matches, 1.0)

    best = max(poses, key=lambda entry: evidence(*entry))
    return best[:2]


def _ncc(pyramid: Sequence[Tensor], reference: Reference, pose: Alignment,
              config: TrackingConfig) -> float:
    level = config.relocalisation.judged
    return ncc(reference.levels[level], pyramid[level], pose.T_ba, config.lucas_kanade)


def _refined(told: AbsolutePose, reference: Reference, pyramid: Sequence[Tensor],
             config: TrackingConfig) -> Alignment:
    """The alignment that begins where features are seen from."""
    c, fine = config.relocalisation, config.lucas_kanade
    # a guess as good as this one only gets lost on coarse levels
    found = align(list(reference.levels[:c.refined]), pyramid[:c.refined], told.T, fine)
    if not is_loss(found, config) and told.inliers.inlier_ratio(found.T_ba) >= c.min_support:
        return found
    # depth that errs puts no pose right for all pixels; mapping will improve on both
    return assess(reference.levels[0], pyramid[0], told.T, fine)


def _matches(features: Features, reference: Reference,
             config: TrackingConfig) -> tuple[Matches, Matches]:
    """Where a keyframe's features seem to be, and those of which that is clear."""
    c = config.relocalisation
    theirs, ours, ratio = match(reference.features.descriptors, features.descriptors, c.max_ratio)
    seen = Matches(reference.points[torch.from_numpy(theirs)],
                   torch.from_numpy(features.pixels[ours]).to(reference.points),
                   reference.levels[0].camera, c.ransac_pixels)
    return seen, seen.only(ratio < c.clear_ratio)


def _seen_from(seen: Matches, reference: Reference, config: TrackingConfig) -> AbsolutePose | None:
    """The pose, at a possible distance, from which a keyframe's features are seen."""
    c = config.relocalisation
    found = solve_pnp(seen, c.min_matches)
    # from far away everything is within the tolerance of everything
    near = found is not None \
        and float(found.T[:3, 3].norm()) <= c.max_motion * reference.median_depth
    return found if near else None


def _by_alignment(pyramid: Sequence[Tensor], tried: Sequence[Reference],
                 config: TrackingConfig) -> tuple[Reference, Alignment]:
    """Try all on the coarse levels, each from the turn at which it fits best, then the best ones
    on all, until one fits; the best."""
    c, fine = config.relocalisation, config.lucas_kanade
    start = len(pyramid) - c.levels
    coarse = replace(fine, iterations=fine.iterations[start:])
    trials = []
    for reference in tried:
        turns = (assess(reference.levels[-1], pyramid[-1], T, coarse)
                 for T in _rotation_hypotheses(reference.levels[-1].camera, c).to(pyramid[0]))
        begin = min(turns, key=_error_per_overlap)
        found = align(list(reference.levels[start:]), pyramid[start:], begin.T_ba, coarse)
        trials.append((reference, found))
    trials.sort(key=lambda trial: _error_per_overlap(trial[1]))
    best = None
    for reference, found in trials[:c.candidates]:
        found = align(list(reference.levels), pyramid, found.T_ba, fine, found.gain, found.offset)
        if is_found(found, config):
            return reference, found
        if best is None or found.error < best[1].error:
            best = reference, found
    return best


def _error_per_overlap(a: Alignment) -> float:
    return a.error / max(a.overlap, 0.05)


def _rotation_hypotheses(camera: PinholeCamera, c: RelocalisationConfig) -> Tensor:
    """(N, 4, 4) a camera that looked the same way, and one that turned left, right, up or down
    by some pixels of its own image."""
    steps = c.turn_step * torch.arange(-c.turns, c.turns + 1, dtype=torch.float64)
    down, right = torch.meshgrid(steps / camera.fy, steps / camera.fx, indexing="ij")
    nothing = torch.zeros_like(right).flatten()
    return se3.exp(torch.stack([nothing] * 3 + [down.flatten(), right.flatten(), nothing], 1))
