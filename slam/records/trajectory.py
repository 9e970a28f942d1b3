"""Camera paths: the TUM file format, association in time, alignment, and errors against truth.

Positions are metres, orientations ``T_world_cam``; timestamps are seconds.
"""

from dataclasses import dataclass, field
from math import degrees
from pathlib import Path

import numpy as np
import torch

from scenecode.core.atomic_write import write_text
from scenecode.core.errors import ResultError
from scenecode.optim.geometry import se3

#: Two stamps that differ by more (seconds) are not the same moment.
MAX_DIFFERENCE = 0.02
#: Fewest matched poses that determine a similarity.
MIN_MATCHES = 3
#: How far from 1 the length of a quaternion in a file may be.
QUATERNION_TOLERANCE = 0.02

_HEADER = "# timestamp tx ty tz qx qy qz qw (T_world_cam, seconds and metres)\n"


@dataclass(frozen=True)
class Trajectory:
    """Poses in time order.

    Raises ``ResultError`` when shapes disagree, a number is not finite, or time does
    not increase.
    """

    #: (N,) float64 seconds, strictly increasing
    timestamps: np.ndarray = field(default_factory=lambda: np.zeros(0))
    #: (N, 4, 4) float64
    T_world_cam: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 4)))

    def __post_init__(self):
        stamps = np.asarray(self.timestamps, np.float64)
        poses = np.asarray(self.T_world_cam, np.float64)
        object.__setattr__(self, "timestamps", stamps)
        object.__setattr__(self, "T_world_cam", poses)
        if stamps.ndim != 1 or poses.shape != (len(stamps), 4, 4):
            raise ResultError(f"a trajectory needs (N,) stamps and (N, 4, 4) poses, got "
                              f"{stamps.shape} and {poses.shape}")
        if not np.isfinite(stamps).all() or not np.isfinite(poses).all():
            raise ResultError("a trajectory must hold finite numbers only; leave out the frames "
                              "whose pose is unknown")
        if (np.diff(stamps) <= 0).any():
            where = int(np.argmax(np.diff(stamps) <= 0)) + 1
            raise ResultError(f"stamps must increase, but pose {where} ({stamps[where]:.6f} s) is "
                              f"not after the one before it ({stamps[where - 1]:.6f} s)")

    def __len__(self) -> int:
        return len(self.timestamps)

    @property
    def positions(self) -> np.ndarray:
        """(N, 3) camera centres in the world."""
        return self.T_world_cam[:, :3, 3]

    @property
    def rotations(self) -> np.ndarray:
        """(N, 3, 3) orientations, world from camera."""
        return self.T_world_cam[:, :3, :3]

    def at(self, indices: np.ndarray) -> "Trajectory":
        """The poses at increasing ``indices``."""
        return Trajectory(self.timestamps[indices], self.T_world_cam[indices])


@dataclass(frozen=True)
class Similarity:
    """``x_gt = scale * rotation @ x_est + translation``."""

    scale: float
    #: (3, 3)
    rotation: np.ndarray
    #: (3,)
    translation: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Landmarks (N, 3) moved."""
        return self.scale * points @ self.rotation.T + self.translation


def write_tum(path: str | Path, trajectory: Trajectory) -> None:
    """Write ``timestamp tx ty tz qx qy qz qw`` lines, atomically: stamps with 6 decimals,
    poses with 9."""
    rotations = torch.from_numpy(np.ascontiguousarray(trajectory.rotations))
    quaternions = se3.quaternion_from_rotation(rotations).numpy()
    rows = np.concatenate([trajectory.positions, quaternions], 1)
    lines = [f"{stamp:.6f} " + " ".join(f"{v:.9f}" for v in row) + "\n"
             for stamp, row in zip(trajectory.timestamps, rows)]
    write_text(Path(path), _HEADER + "".join(lines))


def read_tum(path: str | Path) -> Trajectory:
    """Read a TUM trajectory; ``#`` starts a comment, commas count as blanks.

    Raises ``ResultError`` naming file, line and rule.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"cannot read the trajectory {path}: {error}") from error
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.split("#")[0].replace(",", " ").split()
        if content:
            previous = rows[-1][0] if rows else -np.inf
            rows.append(_parse_row(content, previous, f"{path}, line {number}"))
    table = np.array(rows, np.float64).reshape(-1, 8)
    rotation = se3.rotation_from_quaternion(torch.from_numpy(table[:, 4:].copy()))
    T = se3.from_rotation_translation(rotation, torch.from_numpy(table[:, 1:4].copy()))
    return Trajectory(table[:, 0], T.numpy())


def _parse_row(content: list[str], previous: float, where: str) -> list[float]:
    try:
        row = [float(v) for v in content]
    except ValueError as error:
        raise ResultError(f"{where}: {error}; a line must be eight numbers, "
                          "'timestamp tx ty tz qx qy qz qw'") from error
    if len(row) != 8:
        raise ResultError(f"{where}: {len(row)} numbers; a line must be eight, "
                          "'timestamp tx ty tz qx qy qz qw'")
    if not np.isfinite(row).all():
        raise ResultError(f"{where}: a number is not finite; leave out frames without a pose")
    if abs(np.linalg.norm(row[4:]) - 1) > QUATERNION_TOLERANCE:
        raise ResultError(f"{where}: the quaternion has length {np.linalg.norm(row[4:]):.4f}; "
                          "it must be 1, in the order qx qy qz qw")
    if row[0] <= previous:
        raise ResultError(f"{where}: time {row[0]:.6f} is not after {previous:.6f} of the line "
                          "before; sort the file by time and drop doubles")
    return row


def nearest_stamps(stamps: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """For each of ``wanted`` (M,), the index of the nearest of ``stamps`` (N,), which increase
    and are at least one."""
    right = np.searchsorted(stamps, wanted).clip(1, max(len(stamps) - 1, 1))
    left = right - 1
    right = right.clip(max=len(stamps) - 1)
    return np.where(wanted - stamps[left] <= stamps[right] - wanted, left, right)


def associate(gt: Trajectory, est: Trajectory,
              max_difference: float = MAX_DIFFERENCE) -> tuple[np.ndarray, np.ndarray]:
    """Indices (M,) into ``gt`` and into ``est`` of poses of the same moment, one to one.

    Every estimated pose looks for the nearest truth within ``max_difference`` seconds; a
    truth that several choose goes to the nearest of them.
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
    ``gt`` (N, 3): Umeyama 1991, equations 40 to 42.  Landmarks that never move keep scale 1."""
    mean_gt, mean_est = gt.mean(0), est.mean(0)
    a, b = gt - mean_gt, est - mean_est
    U, S, Vt = np.linalg.svd(a.T @ b / len(gt))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = (U * sign) @ Vt
    variance = (b * b).sum() / len(est)
    scale = float((S * sign).sum() / variance) if with_scale and variance > 0 else 1.0
    return Similarity(scale, R, mean_gt - scale * R @ mean_est)


def trajectory_errors(gt: Trajectory, est: Trajectory,
                      max_difference: float = MAX_DIFFERENCE) -> dict[str, float]:
    """Errors of ``est`` against ``gt``, over the poses that ``associate`` matches.

    * ``ate_m``: RMSE of positions after the best similarity (Sim(3)).
    * ``rotation_deg``: RMSE of orientation errors after the best constant rotation of the
      world (chordal mean).  It is fitted to the orientations, because the rotation that
      fits the positions is undetermined on a straight path.
    * ``rpe_m``: RMSE of the translation between neighbouring matched poses (frame to frame),
      after scaling.
    * ``coverage``: fraction of the true poses that have an estimate.
    * ``zero_motion_ate_m``: ``ate_m`` of a camera that never moves: the spread of the true
      positions about their mean.
    * ``path_length_m``: length of the true path through the matched poses.
    * ``scale``: of the similarity, true metres per estimated metre.

    Raises ``ResultError`` when fewer than ``MIN_MATCHES`` poses match.
    """
    i, j = associate(gt, est, max_difference)
    if len(i) < MIN_MATCHES:
        raise ResultError(_too_few_message(gt, est, len(i), max_difference))
    true, ours = gt.at(i), est.at(j)
    similarity = align(true.positions, ours.positions)
    error = similarity.apply(ours.positions) - true.positions
    spread = true.positions - true.positions.mean(0)
    steps = np.diff(true.positions, axis=0)
    return {
        "ate_m": _rms(error),
        "rotation_deg": _rotation_rmse_deg(true.rotations, ours.rotations),
        "rpe_m": _relative_error(true, ours, similarity.scale),
        "coverage": len(i) / len(gt),
        "zero_motion_ate_m": _rms(spread),
        "path_length_m": float(np.linalg.norm(steps, axis=1).sum()),
        "scale": similarity.scale,
    }


def _rms(vectors: np.ndarray) -> float:
    """Root of the mean squared length of (N, 3)."""
    return float(np.sqrt((vectors * vectors).sum(-1).mean()))


def _rotation_rmse_deg(gt: np.ndarray, est: np.ndarray) -> float:
    """RMSE angle between (N, 3, 3) after the best constant rotation on the world's side."""
    U, _, Vt = np.linalg.svd(np.einsum("nij,nkj->ik", gt, est))
    best = (U * [1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))]) @ Vt
    T = np.tile(np.eye(4), (len(gt), 1, 1))
    T[:, :3, :3] = np.einsum("nji,jk,nkl->nil", gt, best, est)
    angles = se3.rotation_angle(torch.from_numpy(T)).numpy()
    return degrees(np.sqrt((angles * angles).mean()))


def _relative_error(gt: Trajectory, est: Trajectory, scale: float) -> float:
    """RMSE of the translation by which relative motions differ (Sturm et al. 2012, eq. 2)."""
    true, ours = _relative_motions(gt.T_world_cam, 1.0), _relative_motions(est.T_world_cam, scale)
    return _rms((np.linalg.inv(true) @ ours)[:, :3, 3])


def _relative_motions(T_world_cam: np.ndarray, scale: float) -> np.ndarray:
    """(N - 1, 4, 4) from each pose to the next, positions scaled."""
    T = T_world_cam.copy()
    T[:, :3, 3] *= scale
    return np.linalg.inv(T[:-1]) @ T[1:]


def _too_few_message(gt: Trajectory, est: Trajectory, count: int, max_difference: float) -> str:
    spans = " and ".join(
        f"{name} has {len(t)} poses" + (f" from {t.timestamps[0]:.3f} to {t.timestamps[-1]:.3f} s"
                                        if len(t) else "")
        for name, t in (("the truth", gt), ("the estimate", est)))
    return (f"only {count} poses match within {max_difference:g} s, at least {MIN_MATCHES} are "
            f"needed; {spans}; check that both use the same clock")
