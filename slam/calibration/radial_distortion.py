"""Radial distortion as that under which point matches obey one epipolar geometry a frame pair.

The unknowns are two coefficients of the lens and the relative pose of every pair, five numbers
each; the residuals are Sampson distances (Hartley and Zisserman 2004, section 11.4.3) of the
undistorted points under Cauchy's loss.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray
from scipy.spatial.transform import Rotation

from scenecode.optim.geometry.camera import PinholeCamera

#: Scale of Cauchy's loss in pixels.
_CAUCHY_PIXELS = 0.4
_MAX_ITERATIONS = 20
#: Relative decrease of the cost that ends the iterations.  It ends them before the minimum is
#: reached to all digits: what remains is a fraction of the stated standard deviation.
_TOLERANCE = 1e-5
#: Errors of neighbouring points and of overlapping pairs are correlated: factor on the standard
#: deviation that independent ones would give.
_CORRELATION_FACTOR = 2.0
#: Fixed-point iterations of ``undistort``.
_UNDISTORT_ITERATIONS = 6
#: Step of numerical derivatives, at focal length 1 and in radians.
_DIFFERENCE = 1e-5
#: Levenberg-Marquardt's damping at first, and its factors after a step that decreased the cost
#: and after one that did not.
_FIRST_DAMPING, _DAMPING_AFTER_SUCCESS, _DAMPING_AFTER_FAILURE = 1e-4, 0.25, 8.0


@dataclass(frozen=True)
class MeasuredDistortion:
    """OpenCV's first two radial coefficients, and how well they are known."""

    k1: float
    k2: float
    #: by how many pixels the distortion moves the middle of the left image edge, and the standard
    #: deviation of that
    shift: float
    sigma: float
    #: number of frame pairs
    pairs: int


@dataclass(frozen=True)
class FramePair:
    """Matched points of two frames, (N, 2) each, distorted, at focal length 1; and the relative
    pose ``x_b = R x_a + t`` with t (3,) of length 1."""

    a: ndarray
    b: ndarray
    R: Rotation
    t: ndarray

    def retracted(self, step: ndarray) -> "FramePair":
        """With the pose changed by (5,): a rotation vector, and two numbers that turn t."""
        t = self.t + _perpendicular(self.t) @ step[3:]
        return replace(self, R=self.R * Rotation.from_rotvec(step[:3]), t=t / np.linalg.norm(t))

    def undistorted(self, k: ndarray) -> tuple[ndarray, ndarray]:
        """Rays (N, 3) of both frames through a lens with coefficients k (2,)."""
        return _rays(undistort(self.a, k)), _rays(undistort(self.b, k))

    def residual(self, rays_a: ndarray, rays_b: ndarray) -> ndarray:
        """(N,) Sampson distances of undistorted points from the epipolar geometry."""
        E = np.cross(np.eye(3), self.t) @ self.R.as_matrix()
        lines_b, lines_a = rays_a @ E.T, rays_b @ E
        size = np.sqrt(np.square(lines_b[:, :2]).sum(1) + np.square(lines_a[:, :2]).sum(1))
        return (rays_b * lines_b).sum(1) / np.maximum(size, 1e-9)

    def linearised(self, k: ndarray) -> tuple[ndarray, ndarray]:
        """The residual (N,), and its numerical derivatives (N, 7) by the pose and by k."""
        h, rays = _DIFFERENCE, self.undistorted(k)
        r = self.residual(*rays)
        by_pose = [self.retracted(step).residual(*rays) for step in h * np.eye(5)]
        by_k = [self.residual(*self.undistorted(k + step)) for step in h * np.eye(2)]
        return r, (np.column_stack([*by_pose, *by_k]) - r[:, None]) / h


def undistort(points: ndarray, k: ndarray) -> ndarray:
    """Points (N, 2) at focal length 1, undistorted by radial coefficients k (2,)."""
    ideal = points
    for _ in range(_UNDISTORT_ITERATIONS):
        r2 = np.square(ideal).sum(1, keepdims=True)
        ideal = points / (1 + k[0] * r2 + k[1] * r2 * r2)
    return ideal


def estimate(pairs: list[FramePair], camera: PinholeCamera) -> MeasuredDistortion:
    """Levenberg-Marquardt on the relative pose of every pair and the one distortion, from none.

    The poses are eliminated (Schur complement): two unknowns remain.  ``camera`` is that of the
    frames.
    """
    k, damping = np.zeros(2), _FIRST_DAMPING
    scale = _CAUCHY_PIXELS / camera.focal
    cost = _cost(pairs, k, scale)
    for _ in range(_MAX_ITERATIONS):
        H, g, eliminated = _reduced_equations(pairs, k, scale, damping)
        step = -np.linalg.solve(H, g)
        moved = [pair.retracted(-solved[:, 2] - solved[:, :2] @ step)
                 for pair, solved in zip(pairs, eliminated)]
        new_cost = _cost(moved, k + step, scale)
        if new_cost < cost:
            has_converged = cost - new_cost < _TOLERANCE * cost
            pairs, k, cost = moved, k + step, new_cost
            damping *= _DAMPING_AFTER_SUCCESS
            if has_converged:
                break
        else:
            damping *= _DAMPING_AFTER_FAILURE
    H, _, _ = _reduced_equations(pairs, k, scale, 0.0)
    # at the left edge of the image; hardly any corner is found in the corners of the image
    r = 0.5 * camera.width / camera.fx
    shift_J_k = camera.fx * np.array([r ** 3, r ** 5])
    sigma = _CORRELATION_FACTOR * np.sqrt(shift_J_k @ np.linalg.solve(H, shift_J_k))
    return MeasuredDistortion(k1=float(k[0]), k2=float(k[1]), shift=abs(float(shift_J_k @ k)),
                              sigma=float(sigma), pairs=len(pairs))


def _cost(pairs: list[FramePair], k: ndarray, scale: float) -> float:
    return sum(float(np.log1p(np.square(pair.residual(*pair.undistorted(k)) / scale)).sum())
               for pair in pairs)


def _reduced_equations(pairs: list[FramePair], k: ndarray, scale: float, damping: float
                       ) -> tuple[ndarray, ndarray, list[ndarray]]:
    """Normal equations (2, 2), (2,) of the distortion once the poses are eliminated; and of every
    pair (5, 3), from which its pose's step follows for a step of k."""
    H_all, g_all, eliminated = np.zeros((2, 2)), np.zeros(2), []
    for pair in pairs:
        r, J = pair.linearised(k)
        weighted = J / (scale ** 2 + np.square(r))[:, None]
        H, g = weighted.T @ J, weighted.T @ r
        H_pose = H[:5, :5] + damping * np.diag(np.diag(H)[:5]) + 1e-9 * np.eye(5)
        solved = np.linalg.solve(H_pose, np.column_stack([H[:5, 5:], g[:5]]))
        H_all += H[5:, 5:] - H[5:, :5] @ solved[:, :2]
        g_all += g[5:] - H[5:, :5] @ solved[:, 2]
        eliminated.append(solved)
    return H_all + damping * np.diag(np.diag(H_all)), g_all, eliminated


def _perpendicular(t: ndarray) -> ndarray:
    """(3, 2) two orthonormal directions perpendicular to t (3,)."""
    return np.linalg.svd(t[None])[2][1:].T


def _rays(points: ndarray) -> ndarray:
    return np.column_stack([points, np.ones(len(points))])
