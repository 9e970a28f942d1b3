"""Planes through the disparities of regions of an image.

A plane of space is affine in pixels only as disparity, or inverse depth: ``d = a u + b v + c``,
with (u, v) the pixel's centre at integers.
"""

from dataclasses import dataclass

import numpy as np

from scenecode.optim.segmentation.compiled import compiled

#: Pixels below which a plane is not fitted.
MIN_PIXELS = 6
#: Least variance of the pixels of a region across its narrowest direction, pixels^2: a stripe of
#: one pixel has 0, of two 1/4.
_MIN_VARIANCE = 0.1
_ITERATIONS = 10
#: Pixels of disparity within which a pixel is in the plane of the road, and the share of the
#: road's pixels that must be, for the plane to be used.
ROAD_THRESHOLD, MIN_ROAD = 1.0, 0.3


def fit_planes(index: np.ndarray, count: int, disparity: np.ndarray) -> np.ndarray:
    """(K, 3) float64 a, b, c of each region of ``index`` (H, W), by least squares with Huber's
    weights at 1.345 standard deviations (of the median absolute residual).

    ``disparity`` (H, W): 0 or not finite where unknown.  A region with less than ``MIN_PIXELS``
    known pixels, or in one line, has the median: a = b = 0; without any it has NaN.
    """
    known = np.flatnonzero((disparity.ravel() > 0) & np.isfinite(disparity.ravel()))
    region = index.ravel()[known]
    order = np.argsort(region, kind="stable")
    known = known[order]
    ends = np.cumsum(np.bincount(region, minlength=count))
    v, u = np.divmod(known, index.shape[1])
    return _fit(u.astype(np.float64), v.astype(np.float64),
                disparity.ravel()[known].astype(np.float64), ends)


@dataclass(frozen=True)
class RobustPlane:
    """A plane that most of some pixels lie in."""

    #: a, b, c
    plane: np.ndarray
    #: share of the pixels within the threshold
    inlier_ratio: float


def ransac_plane(u: np.ndarray, v: np.ndarray, disparity: np.ndarray, threshold: float, *,
                 samples: int = 200, seed: int = 0, tested: int = 4000) -> RobustPlane | None:
    """The plane of (N,) pixels that most of them lie in within a ``threshold`` of disparity: the
    best of ``samples`` planes through three pixels, counted on at most ``tested`` of them, then
    least squares on its inliers, twice.  None for less than three pixels, or all in one line."""
    if len(u) < 3:
        return None
    rng = np.random.default_rng(seed)
    design = np.stack([u, v, np.ones(len(u))], 1).astype(np.float64)
    disparity = disparity.astype(np.float64)
    triples = rng.integers(0, len(u), (samples, 3))
    matrices = design[triples]
    is_regular = np.abs(np.linalg.det(matrices)) > 1e-6
    if not is_regular.any():
        return None
    triples = triples[is_regular]
    planes = np.linalg.solve(design[triples], disparity[triples][..., None])[..., 0]
    chosen = rng.permutation(len(u))[:tested]
    errors = np.abs(design[chosen] @ planes.T - disparity[chosen, None])
    plane = planes[np.count_nonzero(errors <= threshold, axis=0).argmax()]
    for _ in range(2):
        inliers = np.abs(design @ plane - disparity) <= threshold
        if np.linalg.matrix_rank(design[inliers]) < 3:
            break
        plane = np.linalg.lstsq(design[inliers], disparity[inliers], rcond=None)[0]
    inliers = np.abs(design @ plane - disparity) <= threshold
    return RobustPlane(plane=plane, inlier_ratio=float(inliers.mean()))


def road_plane(u: np.ndarray, v: np.ndarray, disparity: np.ndarray,
               pixel: float = 1.0) -> np.ndarray | None:
    """(3,) the plane that enough of the road's pixels (N,) lie in, or None; ``pixel`` is a pixel
    of disparity in the unit of ``disparity``."""
    found = ransac_plane(u, v, disparity, ROAD_THRESHOLD * pixel)
    return None if found is None or found.inlier_ratio < MIN_ROAD else found.plane


def plane_values(planes: np.ndarray, index: np.ndarray) -> np.ndarray:
    """(H, W) the plane (K, 3) of each pixel's region ``index`` (H, W) at the pixel."""
    a, b, c = (planes[:, n][index] for n in range(3))
    return a * np.arange(index.shape[1]) + b * np.arange(index.shape[0])[:, None] + c


@compiled
def _fit(u, v, disparity, ends):
    planes = np.full((len(ends), 3), np.nan)
    start = 0
    for k in range(len(ends)):
        end = ends[k]
        if end > start:
            n = end - start
            middle_x = middle_y = 0.0
            for i in range(start, end):
                middle_x += u[i] / n
                middle_y += v[i] / n
            x, y, d = u[start:end] - middle_x, v[start:end] - middle_y, disparity[start:end]
            xx = yy = xy = 0.0
            for i in range(n):
                xx += x[i] * x[i] / n
                yy += y[i] * y[i] / n
                xy += x[i] * y[i] / n
            narrow = 0.5 * (xx + yy - np.sqrt((xx - yy) ** 2 + 4 * xy * xy))
            if n >= MIN_PIXELS and narrow >= _MIN_VARIANCE:
                a, b, c = _robust_plane(x, y, d)
            else:
                a, b, c = 0.0, 0.0, _median(d.copy())
            planes[k, 0], planes[k, 1], planes[k, 2] = a, b, c - a * middle_x - b * middle_y
        start = end
    return planes


@compiled
def _robust_plane(x, y, d):
    """a, b, c of pixels around (0, 0) by iteratively reweighted least squares."""
    n = len(d)
    weights, residuals = np.ones(n), np.empty(n)
    a = b = c = 0.0
    for _ in range(_ITERATIONS):
        w = wx = wy = wd = 0.0
        for i in range(n):
            w += weights[i]
            wx += weights[i] * x[i]
            wy += weights[i] * y[i]
            wd += weights[i] * d[i]
        mx, my, md = wx / w, wy / w, wd / w
        xx = yy = xy = xd = yd = 0.0
        for i in range(n):
            dx, dy, dd = x[i] - mx, y[i] - my, d[i] - md
            xx += weights[i] * dx * dx
            yy += weights[i] * dy * dy
            xy += weights[i] * dx * dy
            xd += weights[i] * dx * dd
            yd += weights[i] * dy * dd
        determinant = xx * yy - xy * xy
        if determinant <= 1e-9 * xx * yy:
            break
        before_a, before_b, before_c = a, b, c
        a = (xd * yy - yd * xy) / determinant
        b = (yd * xx - xd * xy) / determinant
        c = md - a * mx - b * my
        change = 0.0
        for i in range(n):
            fitted = a * x[i] + b * y[i] + c
            residuals[i] = abs(d[i] - fitted)
            change = max(change, abs(fitted - before_a * x[i] - before_b * y[i] - before_c))
        deviation = 1.4826 * _median(residuals.copy())
        if deviation <= 1e-9 * abs(c) or change <= 1e-6 * deviation:
            break
        limit = 1.345 * deviation
        for i in range(n):
            weights[i] = 1.0 if residuals[i] <= limit else limit / residuals[i]
    return a, b, c


@compiled
def _median(values):
    """The median, of an even number the mean of the middle two; changes the order (Hoare)."""
    n = len(values)
    middle, low, high = n // 2, 0, n - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            break
    if n % 2:
        return values[middle]
    below = values[0]
    for i in range(1, middle):
        below = max(below, values[i])
    return 0.5 * (values[middle] + below)
