"""Focal length and distortion of a video's camera from its motion (self-calibration).

The video is cut into short segments.  Those with most motion are reconstructed for several
assumed focal lengths, each followed by bundle adjustment with the lens free; the best one starts
an adjustment of all segments, which share the lens.  With what that finds, corners are located
again, and adjusted to the end.  A camera that only turns is
calibrated by its rotations (Hartley 1997).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from threadpoolctl import threadpool_limits

from scenecode.core.errors import CalibrationError
from scenecode.slam.calibration.corner_tracks import CornerTracks
from scenecode.slam.calibration.lens import ACROSS, CX, K1, LOG_F, PARAMETERS, Lens
from scenecode.slam.calibration.located_corners import located_again
from scenecode.slam.calibration.segment import LensPrior, Segment, adjust
from scenecode.slam.calibration.segment_start import MIN_SEGMENT, start_rotations, start_segment

#: Keyframes of a segment, and segments that are tried with every assumed focal length.
_SEGMENT, _TRIED = 20, 3
#: Points of a segment at most, those that most views see: at the end, and while they are tried.
_POINTS, _TRIED_POINTS = 500, 120
#: Assumed focal lengths, in image widths.
_HYPOTHESES = (0.55, 0.8, 1.1, 1.6)
#: Points that a segment needs.
_MIN_POINTS = 15
#: Keyframes that a measurement needs, and the motion in all, in image widths.
_MIN_KEYFRAMES, _MIN_MOTION = 6, 0.15
#: Scale of Cauchy's loss in pixels at 640 pixels of width, while the lens is found and at the
#: end.
_COARSE_PIXELS, _FINE_PIXELS = 2.0, 0.5
#: The same for corners that were located again.
_LOCATED_PIXELS = 0.15
#: Observations further off than so many times the scale are left out of the last adjustment.
_OUTLIER = 6.0
#: Standard deviations of the prior: focal length about one image width (relative), principal point
#: (fraction of the width), k1 and k2, and seconds of the shutter.
_PRIOR_LOG_F, _PRIOR_CENTRE, _PRIOR_K1, _PRIOR_K2 = 0.7, 0.012, 0.3, 0.3
_PRIOR_SHUTTER = 0.02
#: Relative standard deviation of a focal length that is stated without distortion: such numbers
#: are those of a product, or were fitted together with the distortion that they leave out.
_STATED_LOG_F = 0.02
#: Errors of one track, and of tracks of one part of the video, are correlated (drift):
#: factor on the standard deviation that independent ones would give.
_CORRELATION_FACTOR = 3.0
#: Relative error of the focal length by what the model leaves out (non-square pixels, tangential
#: distortion): standard deviation, added to the rest.
_MODEL_ERROR = 0.005
#: A camera only turns when translations leave errors larger than this part of those that
#: rotations leave.
_ROTATION_RATIO = 0.8
#: Thickness of the cloud of points, relative to its width, below which the scene is a plane.
_PLANE = 0.03
#: Starts whose errors are larger than the best by less than the first factor are adjusted to the
#: end; those by less than the second then explain the video equally well.
_NEARLY_GOOD, _EQUALLY_GOOD = 1.06, 1.01
#: Largest relative standard deviation of the focal length that is still a measurement.
LARGEST_SIGMA = 0.15
#: Root mean square error in pixels, at 640 pixels of width, above which nothing fits.
_LARGEST_RMS = 2.0


@dataclass(frozen=True, kw_only=True)
class SelfCalibration:
    """The lens, how well it is known, and what it follows from."""

    lens: Lens
    #: (7, 7) covariance, in the order of the lens' vector
    covariance: ndarray
    #: root mean square reprojection error in pixels
    rms: float
    segments: tuple[Segment, ...]
    only_rotates: bool
    tracks: CornerTracks

    @property
    def sigma(self) -> ndarray:
        """(7,) standard deviations."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def relative_sigma(self) -> float:
        """Of the focal length."""
        return float(self.sigma[LOG_F])

    @property
    def edge_sigma(self) -> float:
        """Standard deviation, in pixels, of the shift by distortion at the left image edge."""
        r = 0.5 * self.tracks.size[0] / self.lens.focal
        by_k = self.lens.focal * np.array([r ** 3, r ** 5])
        return float(np.sqrt(by_k @ self.covariance[K1:ACROSS, K1:ACROSS] @ by_k))

    def observations(self) -> tuple[ndarray, ndarray]:
        """All pixels (O, 2) and their residuals (O, 2)."""
        return (np.concatenate([s.pixels for s in self.segments]),
                np.concatenate([s.residuals(self.lens) for s in self.segments]))


@dataclass(frozen=True, kw_only=True)
class _Start:
    """What an assumed focal length led to, on the segments with most motion."""

    lens: Lens
    segments: list[Segment]
    only_rotates: bool
    #: pixels
    error: float

    @property
    def score(self) -> float:
        """The error; larger where few observations were reached, which explains little."""
        return self.error * (1 + 200 / sum(len(s.view) for s in self.segments))


# matrices are small: threads of a BLAS wait for each other longer than they compute
@threadpool_limits.wrap(limits=1, user_api="blas")
def self_calibrate(tracks: CornerTracks, advance: Callable[[str], None] = lambda step: None,
                   stated: Lens | None = None) -> SelfCalibration:
    """The lens of a video from the corners tracked in it.  Where a focal length and principal
    point are ``stated``, the focal length stays within the tolerance of such statements, and the
    principal point as it is.

    ``advance`` is called with what is done next.  Raises ``CalibrationError`` with the reason
    where motion does not tell: too few frames, a still camera, a scene without corners, one
    plane, or hardly any parallax or rotation.
    """
    width, height = tracks.size
    _check_motion(tracks)
    scale = width / 640
    parts = _parts(tracks)
    largest = sorted(parts, key=lambda part: -_connected(tracks, part))[:_TRIED]
    centre = Lens.ideal(width, width, height) if stated is None else stated
    sigma_log_f = _PRIOR_LOG_F if stated is None else _STATED_LOG_F
    fixed = _prior(centre, width, sigma_log_f, free_centre=False)
    candidates: list[_Start] = []
    starts = [Lens.ideal(factor * width, width, height) for factor in _HYPOTHESES] \
        if stated is None else [stated]
    for start in starts:
        advance(f"trying a focal length of {start.focal:.0f} pixels")
        for turning in (False, True):
            found = _reconstructed(tracks, largest, start, turning, _TRIED_POINTS)
            if not found:
                continue
            segments, lens, _ = adjust(found, start, fixed, _COARSE_PIXELS * scale, 20, 1e-3)
            segments, lens, _ = adjust(segments, lens, fixed, _FINE_PIXELS * scale, 10, 1e-3)
            candidates.append(_Start(lens=lens, segments=segments, only_rotates=turning,
                                     error=_median_error(segments, lens)))
    if not candidates:
        raise CalibrationError("no part of the video can be reconstructed, whatever the focal "
                               "length; the images must be sharp, show a scene at rest with "
                               "corners, and come from a camera that moves sideways")
    best = _choose(candidates)
    lens, only_rotates = best.lens, best.only_rotates
    spread = _spread_of_equals(best, candidates, fixed, _FINE_PIXELS * scale)
    advance("bundle adjustment")
    segments = _reconstructed(tracks, parts, lens, only_rotates, _POINTS)
    prior = _prior(centre, width, sigma_log_f, free_centre=stated is None)
    segments, lens, _ = adjust(segments, lens, fixed, _COARSE_PIXELS * scale, 20, 1e-5)
    fine = _FINE_PIXELS * scale
    segments = _without_outliers(segments, lens, 4 * _OUTLIER * fine)
    segments, lens, _ = adjust(segments, lens, fixed, fine, 30)
    segments = _large(_without_outliers(segments, lens, _OUTLIER * fine))
    if segments and tracks.images:
        advance("locating corners again")
        segments, lens, _ = adjust(segments, lens, fixed, fine, 20)
        fine = _LOCATED_PIXELS * scale
        segments = _large([located_again(s, lens, tracks.images) for s in segments])
        segments, lens, _ = adjust(segments, lens, fixed, fine, 30)
        segments = _large(_without_outliers(segments, lens, _OUTLIER * fine))
    if segments and np.median([s.thickness for s in segments]) < _PLANE and not only_rotates:
        raise CalibrationError("all that is seen lies in one plane, which does not tell the focal "
                               "length; show things at different distances")
    if not segments:
        raise CalibrationError("no focal length explains how the corners move; the scene must be "
                               "at rest and the images sharp")
    segments, lens, _ = adjust(segments, lens, fixed, fine, 20)
    free_segments, free_lens, _ = adjust(segments, lens, prior, fine, 30)
    covariance = _covariance(free_segments, free_lens, prior, fine)
    covariance[LOG_F, LOG_F] += spread ** 2
    sigma = np.sqrt(np.diag(covariance))
    if stated is None and (sigma[CX:K1] < 0.5 * prior.sigma[CX:K1]).all():
        segments, lens = free_segments, free_lens
    residuals = np.concatenate([s.residuals(lens) for s in segments])
    rms = float(np.sqrt(np.square(residuals).sum(1).mean()))
    if rms > _LARGEST_RMS * scale:
        raise CalibrationError(f"no focal length explains how the corners move: {rms:.1f} pixels "
                               "remain; the scene must be at rest and the images sharp")
    return SelfCalibration(lens=lens, covariance=covariance, rms=rms, segments=tuple(segments),
                           only_rotates=only_rotates, tracks=tracks)


def _without_outliers(segments: Sequence[Segment], lens: Lens, pixels: float) -> list[Segment]:
    """Without the observations that are further off."""
    return [s.without(np.linalg.norm(s.residuals(lens), axis=1) > pixels) for s in segments]


def _large(segments: Sequence[Segment]) -> list[Segment]:
    """Those with enough points."""
    return [s for s in segments if len(s.points) >= _MIN_POINTS]


def _check_motion(tracks: CornerTracks) -> None:
    if tracks.frame_count < _MIN_KEYFRAMES:
        raise CalibrationError(f"{tracks.frame_count} frames are too few to calibrate from; give "
                               "some seconds of video")
    if len(tracks.frames) < _MIN_KEYFRAMES or tracks.motion < _MIN_MOTION * tracks.size[0]:
        raise CalibrationError(
            f"the camera hardly moves: corners move by {tracks.motion:.0f} pixels in "
            f"{tracks.frame_count} frames; walk sideways past things at different distances, and "
            "turn the camera")


def _prior(centre: Lens, width: int, sigma_log_f: float, free_centre: bool) -> LensPrior:
    off = _PRIOR_CENTRE * width if free_centre else 0.0
    return LensPrior(mean=centre.vector,
                     sigma=np.array([sigma_log_f, off, off, _PRIOR_K1, _PRIOR_K2,
                                     _PRIOR_SHUTTER, _PRIOR_SHUTTER]))


def _parts(tracks: CornerTracks) -> list[ndarray]:
    """The keyframes in runs of about ``_SEGMENT``."""
    count = len(tracks.frames)
    return [part for part in np.array_split(np.arange(count), max(1, round(count / _SEGMENT)))
            if len(part) >= MIN_SEGMENT]


def _connected(tracks: CornerTracks, part: ndarray) -> int:
    """Observations of corners that are seen in half of a segment's keyframes."""
    inside = np.isin(tracks.keyframe, part)
    counts = np.unique(tracks.corner[inside], return_counts=True)[1]
    return int(counts[counts >= len(part) / 2].sum())


def _reconstructed(tracks: CornerTracks, parts: Sequence[ndarray], lens: Lens, turning: bool,
                   points: int) -> list[Segment]:
    start = start_rotations if turning else start_segment
    found = [start(tracks, part, lens) for part in parts]
    return [s.with_longest(points) for s in _large([s for s in found if s is not None])]


def _median_error(segments: Sequence[Segment], lens: Lens) -> float:
    """Pixels, as noise would have that has two degrees of freedom an observation."""
    squares = np.concatenate([np.square(s.residuals(lens)).sum(1) for s in segments])
    unknowns = sum(3 * len(s.points) * (2 / 3 if s.only_rotates else 1) + 6 * len(s.t)
                   for s in segments)
    freedom = max(1 - unknowns / (2 * len(squares)), 0.05)
    return float(np.sqrt(np.median(squares) / (1.386 * freedom)))


def _choose(candidates: Sequence[_Start]) -> _Start:
    """The start with the smallest error; rotations where translations are hardly better."""
    moving = [c for c in candidates if not c.only_rotates]
    turning = [c for c in candidates if c.only_rotates]
    if not moving or not turning:
        return min(moving or turning, key=lambda c: c.score)
    best, best_turning = min(moving, key=lambda c: c.score), min(turning, key=lambda c: c.score)
    return best_turning if best.error > _ROTATION_RATIO * best_turning.error else best


def _spread_of_equals(best: _Start, candidates: Sequence[_Start], prior: LensPrior, scale: float
                      ) -> float:
    """Standard deviation of log f over the starts that, adjusted to the end, explain the video as
    well as the best one."""
    found = []
    for start in candidates:
        if start.only_rotates == best.only_rotates and start.error < _NEARLY_GOOD * best.error:
            segments, lens, _ = adjust(start.segments, start.lens, prior, scale, 60)
            found.append((_median_error(segments, lens), lens.vector[LOG_F]))
    least = min(error for error, _ in found)
    return float(np.std([log_f for error, log_f in found if error < _EQUALLY_GOOD * least]))


def _covariance(segments: Sequence[Segment], lens: Lens, prior: LensPrior, scale: float
                ) -> ndarray:
    """(7, 7) covariance of the lens: from the information matrix with the noise that the
    residuals show, or from how much the segments disagree, whichever is larger."""
    none = np.zeros((len(PARAMETERS), len(PARAMETERS)))
    reduced = [s.reduced(lens, scale, 0.0) for s in segments]
    squares = np.concatenate([np.square(s.residuals(lens)).sum(1) for s in segments])
    # score variance over information per observation: Huber 1981, M-estimators
    weight = 1 / (scale ** 2 + squares)
    unknowns = sum(3 * len(s.points) + 6 * len(s.t) for s in segments)
    freedom = max(1 - unknowns / (2 * len(squares)), 0.05)
    noise = float((weight ** 2 * squares).sum() / (2 * weight.sum()) / freedom)
    free = prior.free
    at = np.ix_(free, free)
    inflation = noise * _CORRELATION_FACTOR ** 2
    information = sum((r.H for r in reduced), none) / inflation + prior.information
    covariance = np.linalg.inv(information[at])
    if len(segments) >= 4:
        scores = sum((np.outer(r.g, r.g) for r in reduced), none) / inflation ** 2
        spread = covariance @ (scores[at] * len(segments) / (len(segments) - 1)) @ covariance
        covariance = covariance * max(1.0, float(spread[0, 0] / covariance[0, 0]))
    full = none.copy()
    full[at] = covariance
    if LOG_F in free:
        full[LOG_F, LOG_F] += _MODEL_ERROR ** 2
    return full
