"""Camera paths and their files in the TUM format.

Positions are metres, orientations ``T_world_cam``; timestamps are seconds.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from scenecode.core.atomic_write import write_text
from scenecode.core.errors import ResultError
from scenecode.core.text_file import read_text
from scenecode.optim.geometry import se3

#: Two stamps that differ by more (seconds) are not the same moment.
MAX_DIFFERENCE = 0.02
#: How far from 1 the length of a quaternion in a file may be.
QUATERNION_TOLERANCE = 0.02

_HEADER = "# timestamp tx ty tz qx qy qz qw (T_world_cam, seconds and metres)\n"
_LINE = "%.6f" + 7 * " %.9f" + "\n"


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


def write_tum(path: str | Path, trajectory: Trajectory) -> None:
    """Write ``timestamp tx ty tz qx qy qz qw`` lines, atomically: stamps with 6 decimals,
    poses with 9."""
    rotations = torch.from_numpy(np.ascontiguousarray(trajectory.rotations))
    quaternions = se3.quaternion_from_rotation(rotations).numpy()
    rows = np.concatenate([trajectory.timestamps[:, None], trajectory.positions, quaternions], 1)
    # formatted at once: several times as fast as line by line
    text = _LINE * len(rows) % tuple(rows.ravel().tolist())
    write_text(Path(path), _HEADER + text)


def read_tum(path: str | Path) -> Trajectory:
    """Read a TUM trajectory; ``#`` starts a comment, commas count as blanks.

    Raises ``ResultError`` naming file, line and rule.
    """
    try:
        text = read_text(path)
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
