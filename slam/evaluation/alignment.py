"""Two trajectories of one camera: poses of the same moment, and the similarity between them."""

from dataclasses import dataclass

import numpy as np

from scenecode.core.errors import ResultError
from scenecode.slam.records.trajectory import MAX_DIFFERENCE, Trajectory, nearest_stamps

#: Fewest matched poses that determine a similarity.
MIN_MATCHES = 3


@dataclass(frozen=True)
class Similarity:
    """``x_gt = scale * rotation @ x_est + translation``."""

    scale: float
    #: (3, 3)
    rotation: np.ndarray
    #: (3,)
    translation: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) transformed."""
        return self.scale * points @ self.rotation.T + self.translation


def associate(gt: Trajectory, est: Trajectory,
              max_difference: float = MAX_DIFFERENCE) -> tuple[np.ndarray, np.ndarray]:
    """Indices (M,) into ``gt`` and into ``est`` of poses of the same moment, one to one.

    Every estimated pose is assigned to the nearest truth within ``max_difference`` seconds; a
    truth with several poses assigned keeps the nearest of them.
    """
    if not len(gt) or not len(est):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    chosen = nearest_stamps(gt.timestamps, est.timestamps)
    distance = np.abs(gt.timestamps[chosen] - est.timestamps)
    # sorted by truth, then by distance: the first of each truth is its best
    order = np.lexsort((distance, chosen))
    order = order[distance[order] <= max_difference]
    gt_indices, first = np.unique(chosen[order], return_index=True)
    return gt_indices, order[first]


def align(gt: np.ndarray, est: np.ndarray, with_scale: bool = True) -> Similarity:
    """Least-squares similarity (Sim(3), or SE(3) without scale) from ``est`` (N, 3) to
    ``gt`` (N, 3): Umeyama 1991, equations 40 to 42.  Points that all coincide keep scale 1."""
    mean_gt, mean_est = gt.mean(0), est.mean(0)
    a, b = gt - mean_gt, est - mean_est
    U, S, Vt = np.linalg.svd(a.T @ b / len(gt))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = (U * sign) @ Vt
    variance = (b * b).sum() / len(est)
    scale = float((S * sign).sum() / variance) if with_scale and variance > 0 else 1.0
    return Similarity(scale, R, mean_gt - scale * R @ mean_est)


def matched_poses(gt: Trajectory, est: Trajectory,
                  max_difference: float = MAX_DIFFERENCE) -> tuple[Trajectory, Trajectory]:
    """The poses of both that ``associate`` matches, in the same order.

    Raises ``ResultError`` when fewer than ``MIN_MATCHES`` match.
    """
    i, j = associate(gt, est, max_difference)
    if len(i) < MIN_MATCHES:
        raise ResultError(_too_few_message(gt, est, len(i), max_difference))
    return gt.at(i), est.at(j)


def _too_few_message(gt: Trajectory, est: Trajectory, count: int, max_difference: float) -> str:
    spans = " and ".join(
        f"{name} has {len(t)} poses" + (f" from {t.timestamps[0]:.3f} to {t.timestamps[-1]:.3f} s"
                                        if len(t) else "")
        for name, t in (("the truth", gt), ("the estimate", est)))
    return (f"only {count} poses match within {max_difference:g} s, at least {MIN_MATCHES} are "
            f"needed; {spans}; check that both use the same clock")
