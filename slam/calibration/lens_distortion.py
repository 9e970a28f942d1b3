"""How a lens bends straight lines, from nothing but a moving picture.

Uncorrected radial distortion looks much like the second-order flow that tells a turning camera
from a moving one, so that little of it turns rotation into translation, and depth follows.
Corners are followed over pairs of frames; the distortion is what makes most of them obey one
epipolar geometry a pair, whatever the scene.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy import ndarray
from scipy.spatial.transform import Rotation

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging import image as imaging
from scenecode.slam.config.slam_config import MatchingConfig
from scenecode.slam.features.klt import corners, follow
from scenecode.slam.features.orb import grey
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources import Source, SourceOptions, open_source

_log = logging.getLogger(__name__)

#: Every how many-th frame of a recording is looked at, so many at most, and at most so wide.
STEP, FRAMES, WIDTH = 3, 170, 640


@dataclass(frozen=True)
class LensConfig:
    matching: MatchingConfig = MatchingConfig(points=300, quality=0.005, distance=12, window=21,
                                              levels=4)
    #: every how many-th frame begins a pair
    every: int = 3
    #: a pair ends when its corners have moved by this share of the width, and comes to nothing
    #: when so many frames are not enough
    baseline: float = 0.15
    longest: int = 20
    #: corners that a pair needs, and pairs that are needed
    min_corners: int = 40
    min_pairs: int = 8
    #: pixels of RANSAC, and scale of Cauchy's loss
    ransac_pixels: float = 4.0
    cauchy_pixels: float = 0.4
    iterations: int = 20
    #: neighbouring corners and pairs do not err independently: factor on the deviation
    dependence: float = 2.0
    #: relative fall of the cost that ends the search
    tolerance: float = 1e-5
    #: a shift at the image's edge below so many deviations, or below this share of the width, is
    #: none; and one above that is a mistake
    significance: float = 2.0
    smallest: float = 1e-3
    largest: float = 0.1


@dataclass(frozen=True)
class Distortion:
    """OpenCV's first two radial coefficients, and what is known of them."""

    k1: float
    k2: float
    #: the largest shift of a pixel of the image, in pixels, and its standard deviation
    shift: float
    sigma: float
    #: pairs of frames that it rests on
    pairs: int


@dataclass(frozen=True)
class Pair:
    """Corners of two frames, (N, 2) each, at focal length 1, as the lens shows them."""

    a: ndarray
    b: ndarray
    R: Rotation
    #: (3,) of length 1
    t: ndarray

    def moved(self, step: ndarray) -> "Pair":
        """By a step (5,): three of rotation, two of the direction of translation."""
        t = self.t + _across(self.t) @ step[3:]
        return replace(self, R=self.R * Rotation.from_rotvec(step[:3]), t=t / np.linalg.norm(t))

    def ideal(self, k: ndarray) -> tuple[ndarray, ndarray]:
        """Both, (N, 3), as a lens without the distortion k (2,) would show them."""
        return tuple(np.column_stack([undistorted(p, k), np.ones(len(p))])
                     for p in (self.a, self.b))

    def residual(self, a: ndarray, b: ndarray) -> ndarray:
        """(N,) Sampson's distances of ideal points from the epipolar geometry."""
        E = np.cross(np.eye(3), self.t) @ self.R.as_matrix()
        along_b, along_a = a @ E.T, b @ E
        size = np.sqrt(np.square(along_b[:, :2]).sum(1) + np.square(along_a[:, :2]).sum(1))
        return (b * along_b).sum(1) / np.maximum(size, 1e-9)

    def linearised(self, k: ndarray) -> tuple[ndarray, ndarray]:
        """The residual (N,), and its derivatives (N, 7) by a step and by k, by differences."""
        h, here = 1e-5, self.ideal(k)
        r = self.residual(*here)
        moved = [self.moved(step).residual(*here) for step in h * np.eye(5)]
        bent = [self.residual(*self.ideal(k + step)) for step in h * np.eye(2)]
        return r, (np.column_stack([*moved, *bent]) - r[:, None]) / h


def open_undistorted(spec: str, options: SourceOptions) -> Source:
    """``open_source``, with the distortion of a recording's lens measured and undone where no
    calibration says what it is."""
    source = open_source(spec, options)
    original = source.original
    known = options.calib is not None or len(options.intrinsics or ()) > 4
    if original is None or original.is_distorted or known or not options.measure_lens:
        return source
    frames = min(FRAMES, -(-(options.max_frames or STEP * FRAMES) // STEP))
    pinhole = (original.fx, original.fy, original.cx, original.cy)
    # corners are the sharper the larger the image, and the slower to follow
    shrink = min(1.0, WIDTH / original.width)
    full = replace(options, intrinsics=pinhole, calib=None, stride=STEP * options.stride,
                   width=round(shrink * original.width), height=round(shrink * original.height),
                   max_frames=frames)
    with closing(open_source(spec, full)) as recording:
        found = measure_distortion(recording)
    if found is None:
        return source
    _log.warning("%s: the lens bends straight lines by %.1f +- %.1f pixels at the edge of %d "
                 "(k1 %.3f, k2 %.3f, from %d pairs of frames); undoing that. Where you know "
                 "better, give all of --intrinsics fx,fy,cx,cy,k1,k2,p1,p2", source.name,
                 found.shift, found.sigma, full.width, found.k1, found.k2, found.pairs)
    source.close()
    return open_source(spec, replace(options, intrinsics=(*pinhole, found.k1, found.k2, 0.0, 0.0)))


def measure_distortion(frames: Iterable[Frame],
                       config: LensConfig = LensConfig()) -> Distortion | None:
    """The distortion of frames that were taken for undistorted; None where there is none to speak
    of, or too little motion to tell."""
    pairs, camera = _pairs(frames, config)
    if len(pairs) < config.min_pairs:
        return None
    found = solve(pairs, camera, config)
    sure = found.shift > max(config.significance * found.sigma, config.smallest * camera.width)
    return found if sure and found.shift < config.largest * camera.width else None


def undistorted(points: ndarray, k: ndarray) -> ndarray:
    """Landmarks (N, 2) at focal length 1 as an ideal lens would show them, by radial coefficients
    k (2,)."""
    ideal = points
    for _ in range(6):
        r2 = np.square(ideal).sum(1, keepdims=True)
        ideal = points / (1 + k[0] * r2 + k[1] * r2 * r2)
    return ideal


def _across(t: ndarray) -> ndarray:
    """(3, 2) two directions across one."""
    return np.linalg.svd(t[None])[2][1:].T


@dataclass(frozen=True)
class _Track:
    """Corners that are being followed from one frame on."""

    first: ndarray
    #: (N, 2) there, and where they are now
    start: torch.Tensor
    here: torch.Tensor
    #: frames ago
    age: int = 0

    def followed(self, last: ndarray, picture: ndarray, config: LensConfig) -> "_Track":
        here, kept = follow(last, picture, self.here, self.here, config.matching)
        return _Track(self.first, self.start[kept], here[kept], self.age + 1)

    def goes_on(self, config: LensConfig) -> bool:
        return len(self.start) >= config.min_corners and self.age < config.longest

    @property
    def distance(self) -> float:
        """Pixels that the median corner has moved."""
        return float((self.here - self.start).norm(dim=1).median())


def _pairs(frames: Iterable[Frame],
           config: LensConfig) -> tuple[list[Pair], PinholeCamera | None]:
    """Frames that are far enough apart, with the corners that lead from one to the other."""
    found: list[Pair] = []
    tracks: list[_Track] = []
    camera = last = None
    for n, frame in enumerate(frames):
        picture, camera = grey(imaging.intensity(frame.image)), frame.camera
        tracks = [track.followed(last, picture, config) for track in tracks]
        tracks = [track for track in tracks if track.goes_on(config)]
        enough = config.baseline * camera.width
        for track in tracks:
            if track.distance >= enough:
                found += _matched(track, picture, camera, config)
        tracks = [track for track in tracks if track.distance < enough]
        if n % config.every == 0:
            start = corners(picture, torch.zeros(0, 2), config.matching)
            tracks.append(_Track(picture, start, start))
        last = picture
    return found, camera


def _matched(track: _Track, picture: ndarray, camera: PinholeCamera,
             config: LensConfig) -> list[Pair]:
    """The pair, if its corners lead straight there too and one motion explains most."""
    here, kept = follow(track.first, picture, track.start, track.here, config.matching)
    a, b = (camera.rays(p[kept])[:, :2].double().numpy() for p in (track.start, here))
    if len(a) < config.min_corners:
        return []
    cv2.setRNGSeed(0)
    E, mask = cv2.findEssentialMat(a, b, np.eye(3), method=cv2.RANSAC, prob=0.999,
                                   threshold=config.ransac_pixels / camera.focal)
    if E is None or E.shape != (3, 3):
        return []
    _, R, t, _ = cv2.recoverPose(E, a, b, np.eye(3), mask=mask.copy())
    chosen = mask[:, 0] > 0
    if chosen.sum() < config.min_corners:
        return []
    return [Pair(a[chosen], b[chosen], Rotation.from_matrix(R), t[:, 0])]


def solve(pairs: list[Pair], camera: PinholeCamera, config: LensConfig) -> Distortion:
    """Robust Gauss-Newton on the motion of every pair and the one distortion.

    Every motion is eliminated: what remains are two numbers.  ``camera`` is that of the frames.
    """
    k, damping = np.zeros(2), 1e-4
    scale = config.cauchy_pixels / camera.focal
    cost = _cost(pairs, k, scale)
    for _ in range(config.iterations):
        H, g, back = _eliminated(pairs, k, scale, damping)
        step = -np.linalg.solve(H, g)
        moved = [pair.moved(own(step)) for pair, own in zip(pairs, back)]
        new = _cost(moved, k + step, scale)
        if new < cost:
            done = cost - new < config.tolerance * cost
            pairs, k, cost, damping = moved, k + step, new, damping / 4
            if done:
                break
        else:
            damping *= 8
    H, _, _ = _eliminated(pairs, k, scale, 0.0)
    # of the pixel at the left edge: corners of the image hardly show corners
    r = 0.5 * camera.width / camera.fx
    bend = camera.fx * np.array([r ** 3, r ** 5])
    sigma = config.dependence * np.sqrt(bend @ np.linalg.solve(H, bend))
    return Distortion(float(k[0]), float(k[1]), abs(float(bend @ k)), float(sigma), len(pairs))


def _cost(pairs: list[Pair], k: ndarray, scale: float) -> float:
    return sum(float(np.log1p(np.square(pair.residual(*pair.ideal(k)) / scale)).sum())
               for pair in pairs)


def _eliminated(pairs: list[Pair], k: ndarray, scale: float, damping: float
                ) -> tuple[ndarray, ndarray, list[Callable[[ndarray], ndarray]]]:
    """Normal equations (2, 2), (2,) of the distortion, and what every motion does after its
    step."""
    H_all, g_all, back = np.zeros((2, 2)), np.zeros(2), []
    for pair in pairs:
        r, J = pair.linearised(k)
        weighted = J / (scale ** 2 + np.square(r))[:, None]
        H, g = weighted.T @ J, weighted.T @ r
        own = H[:5, :5] + damping * np.diag(np.diag(H)[:5]) + 1e-9 * np.eye(5)
        solved = np.linalg.solve(own, np.column_stack([H[:5, 5:], g[:5]]))
        H_all += H[5:, 5:] - H[5:, :5] @ solved[:, :2]
        g_all += g[5:] - H[5:, :5] @ solved[:, 2]
        back.append(lambda step, solved=solved: -solved[:, 2] - solved[:, :2] @ step)
    return H_all + damping * np.diag(np.diag(H_all)), g_all, back
