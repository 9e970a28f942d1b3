"""Bundle adjustment of short segments of a video that share one lens.

Every segment has its own world frame, poses and points; poses and points are eliminated (Schur
complement, Triggs et al. 2000, section 6), and what remains is the lens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from scenecode.slam.calibration.lens import ACROSS, PARAMETERS, Lens

#: Regularisation of the directions that images do not determine (frame and scale of a segment,
#: the length of rays where the camera does not translate), relative to the mean diagonal.
_GAUGE = 1e-9
#: Levenberg-Marquardt's damping at first, and its factors after a step that decreased the cost
#: and after one that did not.
_FIRST_DAMPING, _DAMPING_AFTER_SUCCESS, _DAMPING_AFTER_FAILURE = 1e-3, 0.2, 6.0
_LARGEST_DAMPING = 1e6
#: By how much the lens' parameters may change in one iteration.
_LARGEST_STEP = np.array([0.2, 50.0, 50.0, 0.2, 0.2, 0.02, 0.02])
#: Parameters of the lens.
_LENS = len(PARAMETERS)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Views and points; a point x of the segment's frame is at ``R x + t`` in a view's camera."""

    #: (M,) numbers of the keyframes that the views are
    keyframes: ndarray
    #: rotation vectors (M, 3) as one ``Rotation``, and translations (M, 3)
    R: Rotation
    t: ndarray
    #: (N, 3)
    points: ndarray
    #: (O,) which view sees which point, and where (O, 2)
    view: ndarray
    point: ndarray
    pixels: ndarray
    #: (O, 2, 2) pixels that an observation is moved by for each second that the shutter takes
    #: across and down the image
    shifts: ndarray
    #: whether the camera only turns: all t are 0, and points are directions
    only_rotates: bool = False

    def residuals(self, lens: Lens) -> ndarray:
        """(O, 2) pixels."""
        return lens.project(self._in_camera())[0] + self.shifts @ lens.shutter - self.pixels

    def cost(self, lens: Lens, scale: float) -> float:
        """Cauchy's loss of all residuals."""
        squares = np.square(self.residuals(lens)).sum(1)
        behind = self._in_camera()[:, 2] <= 0
        return float(np.log1p(np.where(behind, 1e6, squares) / scale ** 2).sum())

    def without(self, wrong: ndarray, min_views: int = 2) -> "Segment":
        """Without the observations of a mask (O,), and without points that have fewer than
        ``min_views`` left."""
        kept = ~wrong
        counts = np.bincount(self.point[kept], minlength=len(self.points))
        kept &= counts[self.point] >= min_views
        remaining = np.flatnonzero(counts >= min_views)
        number = np.full(len(self.points), -1)
        number[remaining] = np.arange(len(remaining))
        return replace(self, points=self.points[remaining], view=self.view[kept],
                       point=number[self.point[kept]], pixels=self.pixels[kept],
                       shifts=self.shifts[kept])

    def with_longest(self, count: int) -> "Segment":
        """With the ``count`` points that most views see, at most."""
        views = np.bincount(self.point, minlength=len(self.points))
        left_out = np.argsort(-views, kind="stable")[count:]
        return self.without(np.isin(self.point, left_out))

    @property
    def thickness(self) -> float:
        """Median distance of the points from their plane, over that from their centre."""
        x = self.points - np.median(self.points, 0)
        weight = np.ones(len(x))
        for _ in range(5):
            normal = np.linalg.svd((x * weight[:, None]).T @ x)[0][:, 2]
            off = np.abs(x @ normal)
            weight = 1 / (1 + np.square(off / max(float(np.median(off)), 1e-12)))
        return float(np.median(off) / max(np.median(np.linalg.norm(x, axis=1)), 1e-12))

    def _in_camera(self) -> ndarray:
        R = self.R.as_matrix()[self.view]
        return np.einsum("oij,oj->oi", R, self.points[self.point]) + self.t[self.view]

    def reduced(self, lens: Lens, scale: float, damping: float) -> "ReducedSegment":
        """The normal equations of the lens once poses and points are eliminated."""
        x = self._in_camera()
        predicted, pixels_J_x, J_lens = lens.project(x)
        r = predicted + self.shifts @ lens.shutter - self.pixels
        J_lens[:, :, ACROSS:] = self.shifts
        weight = 1 / (scale ** 2 + np.square(r).sum(1))
        weight[x[:, 2] <= 0] = 0
        M, N, size = len(self.t), len(self.points), 6 * len(self.t) + _LENS
        J_view = np.concatenate([-pixels_J_x @ _cross_matrices(x), pixels_J_x, J_lens], 2)
        if self.only_rotates:
            J_view[:, :, 3:6] = 0
        J_point = pixels_J_x @ self.R.as_matrix()[self.view]
        weighted = J_view * weight[:, None, None]
        by_view, by_point = _summing(self.view, M), _summing(self.point, N)
        blocks = by_view(weighted.transpose(0, 2, 1) @ J_view)
        V = by_point((J_point * weight[:, None, None]).transpose(0, 2, 1) @ J_point)
        W_obs = weighted.transpose(0, 2, 1) @ J_point
        W = np.zeros((N, size, 3))
        # a view sees a point once
        W[self.point[:, None], 6 * self.view[:, None] + np.arange(6)] = W_obs[:, :6]
        W[:, -_LENS:] = by_point(W_obs[:, 6:])
        g_view = by_view(np.einsum("oij,oi->oj", weighted, r))
        g_point = by_point(np.einsum("oij,oi->oj", J_point, r * weight[:, None]))
        U, g = np.zeros((size, size)), np.zeros(size)
        for m in range(M):
            at = slice(6 * m, 6 * m + 6)
            U[at, at] = blocks[m, :6, :6]
            U[at, -_LENS:] = blocks[m, :6, 6:]
            U[-_LENS:, at] = blocks[m, 6:, :6]
            g[at] = g_view[m, :6]
        U[-_LENS:, -_LENS:], g[-_LENS:] = blocks[:, 6:, 6:].sum(0), g_view[:, 6:].sum(0)
        diagonal = np.einsum("nii->ni", V)
        diagonal += damping * diagonal + _GAUGE * diagonal.mean(1, keepdims=True) + 1e-12
        V_inverse = np.linalg.inv(V)
        WV = W @ V_inverse
        flat = WV.transpose(1, 0, 2).reshape(size, -1)
        S = U - flat @ W.transpose(1, 0, 2).reshape(size, -1).T
        b = g - np.einsum("nij,nj->i", WV, g_point)
        pose = np.arange(size - _LENS)
        by_pose = np.diag(U)[:-_LENS]
        S[pose, pose] += damping * by_pose + _GAUGE * by_pose.mean() + 1e-12
        poses, of_lens = slice(0, size - _LENS), slice(size - _LENS, size)
        solved = np.linalg.solve(S[poses, poses], np.column_stack([S[poses, of_lens], b[poses]]))
        H = S[of_lens, of_lens] - S[of_lens, poses] @ solved[:, :_LENS]
        g = b[of_lens] - S[of_lens, poses] @ solved[:, _LENS]
        return ReducedSegment(H=0.5 * (H + H.T), g=g, solved=solved, V_inverse=V_inverse, W=W,
                              g_point=g_point)

    def moved(self, reduced: "ReducedSegment", lens_step: ndarray) -> "Segment":
        """With poses and points changed as belongs to a step (7,) of the lens."""
        poses = -reduced.solved[:, _LENS] - reduced.solved[:, :_LENS] @ lens_step
        full = np.concatenate([poses, lens_step])
        points = -np.einsum("nij,nj->ni", reduced.V_inverse, reduced.g_point
                            + np.einsum("nij,i->nj", reduced.W, full))
        step = poses.reshape(-1, 6)
        turn = Rotation.from_rotvec(step[:, :3])
        t = self.t if self.only_rotates else turn.apply(self.t) + step[:, 3:]
        points = self.points + points
        if self.only_rotates:
            points = points / np.linalg.norm(points, axis=1, keepdims=True)
        return replace(self, R=turn * self.R, t=t, points=points)


@dataclass(frozen=True, kw_only=True)
class ReducedSegment:
    """Normal equations of the lens alone, and what the steps of poses and points follow from."""

    #: (7, 7) and (7,)
    H: ndarray
    g: ndarray
    #: (6M, 8) poses by lens, and their own step
    solved: ndarray
    #: (N, 3, 3), (N, 6M + 7, 3), (N, 3)
    V_inverse: ndarray
    W: ndarray
    g_point: ndarray


@dataclass(frozen=True, kw_only=True)
class LensPrior:
    """Independent normal distributions of the lens' parameters: means and standard deviations
    (7,); a parameter of standard deviation 0 is fixed."""

    mean: ndarray
    sigma: ndarray

    @property
    def free(self) -> ndarray:
        """(F,) numbers of the parameters that are estimated."""
        return np.flatnonzero(self.sigma > 0)

    @property
    def information(self) -> ndarray:
        """(7, 7), 0 for those that are fixed."""
        return np.diag(np.where(self.sigma > 0, 1 / np.maximum(self.sigma, 1e-12) ** 2, 0.0))

    def cost(self, lens: Lens, noise: float) -> float:
        """In units of the residuals' cost, for observations of standard deviation ``noise``."""
        d = lens.vector - self.mean
        return float(d @ self.information @ d) * noise


def adjust(segments: Sequence[Segment], lens: Lens, prior: LensPrior, scale: float,
           iterations: int, tolerance: float = 1e-6) -> tuple[list[Segment], Lens, float]:
    """Levenberg-Marquardt on all poses, all points and the lens; returns them and the cost.

    Cauchy's loss of ``scale`` pixels: a small residual r costs (r / scale)^2, so that the prior,
    stated in standard deviations, counts as the residuals do whose deviation is ``scale``.
    """
    segments, free = list(segments), prior.free

    def total(candidates: Sequence[Segment], at: Lens) -> float:
        return sum(s.cost(at, scale) for s in candidates) + prior.cost(at, 1.0)

    cost, damping = total(segments, lens), _FIRST_DAMPING
    for _ in range(iterations):
        reduced = [s.reduced(lens, scale, damping) for s in segments]
        H = sum((r.H for r in reduced), prior.information)
        g = sum((r.g for r in reduced), prior.information @ (lens.vector - prior.mean))
        step = np.zeros(_LENS)
        if len(free):
            at = np.ix_(free, free)
            step[free] = -np.linalg.solve(H[at] + damping * np.diag(np.diag(H)[free]), g[free])
        moved_lens = Lens(lens.vector + np.clip(step, -_LARGEST_STEP, _LARGEST_STEP))
        moved = [s.moved(r, moved_lens.vector - lens.vector) for s, r in zip(segments, reduced)]
        new_cost = total(moved, moved_lens)
        if new_cost < cost:
            has_converged = cost - new_cost < tolerance * cost
            segments, lens, cost = moved, moved_lens, new_cost
            damping *= _DAMPING_AFTER_SUCCESS
            if has_converged:
                break
        else:
            damping *= _DAMPING_AFTER_FAILURE
            if damping > _LARGEST_DAMPING:
                break
    return segments, lens, cost


def _summing(index: ndarray, count: int) -> Callable[[ndarray], ndarray]:
    """A function that sums the rows (O, ...) of one index (O,) each: (count, ...)."""
    ones = np.ones(len(index))
    matrix = csr_matrix((ones, (index, np.arange(len(index)))), shape=(count, len(index)))
    return lambda rows: (matrix @ rows.reshape(len(rows), -1)).reshape(count, *rows.shape[1:])


def _cross_matrices(x: ndarray) -> ndarray:
    """(N, 3) to (N, 3, 3) with ``[x]_x y = x cross y``."""
    zero = np.zeros(len(x))
    return np.stack([zero, -x[:, 2], x[:, 1], x[:, 2], zero, -x[:, 0], -x[:, 1], x[:, 0], zero],
                    1).reshape(-1, 3, 3)
