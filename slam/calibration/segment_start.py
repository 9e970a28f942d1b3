"""First poses and points of a segment, for a lens that is assumed: two views with an essential
matrix, further views by resection; or rotations alone."""

import cv2
import numpy as np
from numpy import ndarray
from scipy.spatial.transform import Rotation

from scenecode.slam.calibration.corner_tracks import CornerTracks
from scenecode.slam.calibration.lens import Lens
from scenecode.slam.calibration.segment import Segment

#: Pixels from the epipolar line or from the projected point that make an outlier, at 640 pixels
#: of width: the lens is not known yet.
_INLIER_PIXELS = 4.0
#: Points that two views must share, and that a view needs to be resected.
_MIN_SHARED, _MIN_RESECTED = 30, 15
#: Views that a corner must be seen in.
MIN_VIEWS = 3
#: Radians between the rays of a point that is triangulated, at least.
_MIN_PARALLAX = 0.01
#: Views that a segment needs.
MIN_SEGMENT = 4
#: Method of the essential matrix, and the probability with which it is to be found.
_RANSAC = (cv2.RANSAC, 0.999)


def start_segment(tracks: CornerTracks, keyframes: ndarray, lens: Lens) -> Segment | None:
    """Poses and points of these keyframes; None where no two views have enough parallax or too
    few of the others can be resected."""
    seen = _Observations(tracks, keyframes, lens)
    pair = _best_pair(seen)
    if pair is None:
        return None
    a, b, R, t = pair
    poses: dict[int, tuple[ndarray, ndarray]] = {a: (np.eye(3), np.zeros(3)), b: (R, t)}
    points = seen.triangulated(poses)
    others = set(range(len(keyframes))) - {a, b}
    for m in sorted(others, key=lambda m: min(abs(m - a), abs(m - b))):
        pose = _resected(seen, m, points, poses)
        if pose is not None:
            poses[m] = pose
            points = seen.triangulated(poses)
    if len(poses) < MIN_SEGMENT:
        return None
    views = sorted(poses)
    return seen.segment(views, np.array([poses[m][0] for m in views]),
                        np.array([poses[m][1] for m in views]), points, only_rotates=False)


def start_rotations(tracks: CornerTracks, keyframes: ndarray, lens: Lens) -> Segment | None:
    """The same for a camera that only turns: every view's rotation from the view before."""
    seen = _Observations(tracks, keyframes, lens)
    R = [np.eye(3)]
    for m in range(1, len(keyframes)):
        a, b = seen.shared(m - 1, m)
        if len(a) < _MIN_RESECTED:
            return None
        R.append(_rotation(a, b) @ R[-1])
    rotations = np.array(R)
    directions = np.full((seen.count, 3), np.nan)
    for m in reversed(range(len(keyframes))):
        corners, ideal = seen.of_view(m)
        directions[corners] = _unit(_rays(ideal)) @ rotations[m]
    return seen.segment(list(range(len(keyframes))), rotations, np.zeros((len(R), 3)), directions,
                        only_rotates=True)


class _Observations:
    """The corners of some keyframes that enough of them see, as ideal image points of a lens."""

    def __init__(self, tracks: CornerTracks, keyframes: ndarray, lens: Lens):
        inside = np.isin(tracks.keyframe, keyframes)
        numbers, corner, counts = np.unique(tracks.corner[inside], return_inverse=True,
                                            return_counts=True)
        kept = counts[corner] >= MIN_VIEWS
        _, self.corner = np.unique(corner[kept], return_inverse=True)
        self.count = int(self.corner.max()) + 1 if len(self.corner) else 0
        self.keyframes = keyframes
        self.view = np.searchsorted(keyframes, tracks.keyframe[inside][kept])
        self.pixels = tracks.pixels[inside][kept]
        self.shifts = tracks.shifts[inside][kept]
        self.ideal = lens.undistorted(self.pixels)
        self.threshold = _INLIER_PIXELS * tracks.size[0] / 640 / lens.focal

    def of_view(self, m: int) -> tuple[ndarray, ndarray]:
        """Corners and ideal points of a view."""
        at = self.view == m
        return self.corner[at], self.ideal[at]

    def shared(self, a: int, b: int) -> tuple[ndarray, ndarray]:
        """Ideal points (N, 2) of the corners that two views share."""
        (corners_a, ideal_a), (corners_b, ideal_b) = self.of_view(a), self.of_view(b)
        _, in_a, in_b = np.intersect1d(corners_a, corners_b, assume_unique=True,
                                       return_indices=True)
        return ideal_a[in_a], ideal_b[in_b]

    def triangulated(self, poses: dict[int, tuple[ndarray, ndarray]]) -> ndarray:
        """Points (count, 3) from all posed views, NaN without parallax or behind a view."""
        A = np.zeros((self.count, 4, 4))
        views, spread = np.zeros(self.count, int), np.zeros(self.count)
        first = np.full((self.count, 3), np.nan)
        for m, (R, t) in poses.items():
            corners, ideal = self.of_view(m)
            P = np.column_stack([R, t])
            rows = ideal[:, :, None] * P[2] - P[:2]
            A[corners] += rows.transpose(0, 2, 1) @ rows
            views[corners] += 1
            rays = _unit(_rays(ideal)) @ R
            new = np.isnan(first[corners, 0])
            first[corners[new]] = rays[new]
            angle = np.linalg.norm(np.cross(first[corners], rays), axis=1)
            spread[corners] = np.maximum(spread[corners], angle)
        _, vectors = np.linalg.eigh(A)
        x = vectors[:, :, 0]
        w = np.where(np.abs(x[:, 3:]) < 1e-9, 1e-9, x[:, 3:])
        points = x[:, :3] / w
        wrong = (views < 2) | (spread < _MIN_PARALLAX)
        for m, (R, t) in poses.items():
            corners, ideal = self.of_view(m)
            in_view = points[corners] @ R.T + t
            depth = np.where(in_view[:, 2] > 1e-6, in_view[:, 2], 1e-6)
            error = np.linalg.norm(in_view[:, :2] / depth[:, None] - ideal, axis=1)
            wrong[corners[(in_view[:, 2] <= 0) | (error > 2 * self.threshold)]] = True
        points[wrong] = np.nan
        return points

    def segment(self, views: list[int], R: ndarray, t: ndarray, points: ndarray,
                only_rotates: bool) -> Segment:
        """Of the posed views and the points that are known."""
        number = np.full(len(self.keyframes), -1)
        number[views] = np.arange(len(views))
        known = ~np.isnan(points[:, 0])
        kept = known[self.corner] & (number[self.view] >= 0)
        segment = Segment(keyframes=self.keyframes[views], R=Rotation.from_matrix(R), t=t,
                          points=np.where(known[:, None], points, 0.0),
                          view=number[self.view][kept], point=self.corner[kept],
                          pixels=self.pixels[kept], shifts=self.shifts[kept],
                          only_rotates=only_rotates)
        return segment.without(np.zeros(len(segment.view), bool), MIN_VIEWS)


def _best_pair(seen: _Observations) -> tuple[int, int, ndarray, ndarray] | None:
    """The two views with most parallax among enough shared corners, and their relative pose."""
    best, best_score = None, 0.0
    last = len(seen.keyframes)
    for a in range(0, last, 2):
        for b in range(a + 2, last, 2):
            p, q = seen.shared(a, b)
            if len(p) < _MIN_SHARED:
                continue
            cv2.setRNGSeed(0)
            E, mask = cv2.findEssentialMat(p, q, np.eye(3), method=_RANSAC[0], prob=_RANSAC[1],
                                           threshold=seen.threshold)
            if E is None or E.shape != (3, 3):
                continue
            count, R, t, _ = cv2.recoverPose(E, p, q, np.eye(3), mask=mask.copy())
            # what a rotation leaves over is parallax
            left = np.linalg.norm(_ideal(_rays(p) @ _rotation(p, q).T) - q, axis=1)
            score = count * min(float(np.median(left)), 0.15)
            if score > best_score:
                best, best_score = (a, b, R, t[:, 0]), score
    return best


def _resected(seen: _Observations, m: int, points: ndarray,
              poses: dict[int, tuple[ndarray, ndarray]]) -> tuple[ndarray, ndarray] | None:
    corners, ideal = seen.of_view(m)
    known = ~np.isnan(points[corners, 0])
    if known.sum() < _MIN_RESECTED:
        return None
    near = min(poses, key=lambda other: abs(other - m))
    guess = cv2.Rodrigues(poses[near][0])[0], poses[near][1][:, None].copy()
    cv2.setRNGSeed(0)
    found, rotation, t, inliers = cv2.solvePnPRansac(
        points[corners[known]], ideal[known], np.eye(3), None, guess[0], guess[1], True, 100,
        2 * seen.threshold, 0.999)
    if not found or inliers is None or len(inliers) < _MIN_RESECTED:
        return None
    return np.asarray(cv2.Rodrigues(rotation)[0]), np.asarray(t)[:, 0]


def _rotation(a: ndarray, b: ndarray) -> ndarray:
    """The rotation that takes most directions a (N, 2) to b, by re-weighted least squares."""
    x, y, weight = _unit(_rays(a)), _unit(_rays(b)), np.ones(len(a))
    R = np.eye(3)
    for _ in range(6):
        u, _, vt = np.linalg.svd((y * weight[:, None]).T @ x)
        R = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
        error = np.linalg.norm(x @ R.T - y, axis=1)
        scale = max(float(np.median(error)), 1e-6)
        weight = 1 / (1 + (error / scale) ** 2)
    return R


def _rays(ideal: ndarray) -> ndarray:
    return np.column_stack([ideal, np.ones(len(ideal))])


def _unit(x: ndarray) -> ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _ideal(x: ndarray) -> ndarray:
    return x[:, :2] / np.where(np.abs(x[:, 2:]) < 1e-6, 1e-6, x[:, 2:])
