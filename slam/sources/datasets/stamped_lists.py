"""Lists of files and of poses with time stamps, as data sets bring them.

Lines that cannot be used are left out with one warning for each list: they cost the frames that
they are about, not the run.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scenecode.core.errors import SourceError
from scenecode.core.text_file import read_text
from scenecode.optim.geometry import se3
from scenecode.slam.records.trajectory import (
    MAX_DIFFERENCE,
    QUATERNION_TOLERANCE,
    Trajectory,
    nearest_stamps,
)
from scenecode.slam.sources.base.limited_warnings import LimitedWarnings
from scenecode.slam.sources.base.options import DEFAULT_FPS
from scenecode.slam.sources.base.timestamps import (
    SECONDS,
    StampUnit,
    is_dated,
    parse_stamp,
    recognised_unit,
    seconds_from,
)

_COMMENT = re.compile(r"(?:^|\s)#.*")
_SEPARATOR = re.compile(r"[\s,]+")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StampedFiles:
    """Files in time order, each at a time of its own."""

    #: (N,) float64 seconds, strictly increasing
    stamps: np.ndarray
    files: tuple[Path, ...]
    #: (N,) which entry of the list each one is, from 0
    entries: np.ndarray
    #: entries of the list
    listed: int
    unit: StampUnit = SECONDS


def content_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and content of the lines that are not empty, comments left out; names in them may
    be in the encoding of the file system.

    Raises ``SourceError`` for a file that cannot be read as text.
    """
    try:
        text = read_text(path, errors="surrogateescape")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read {path}: {error}; fetch it again") from error
    for number, line in enumerate(text.splitlines(), 1):
        content = _COMMENT.sub("", line).strip()
        if content:
            yield number, content


def words(line: str, at_most: int = 0) -> list[str]:
    """Parts of a line between blanks or commas; the last one of ``at_most`` is taken whole."""
    return _SEPARATOR.split(line.strip(" \t,"), max(at_most - 1, 0))


def read_stamped_files(path: Path, folder: Path | None = None, suffix: str = "",
                       unit: StampUnit | None = None) -> StampedFiles:
    """Lines ``timestamp filename`` (or with a comma), names relative to ``folder`` (default: that
    of the list); a name without an ending gets ``suffix``.  Stamps are in ``unit``, by default
    the recognised one.

    Lines are put in time order; of several at one time the first is taken, with a warning.
    Raises ``SourceError`` for a line that is something else, naming file and line.
    """
    folder = path.parent if folder is None else folder
    stamps: list[int | float] = []
    files: list[Path] = []
    numbers: list[int] = []
    for number, line in content_lines(path):
        try:
            stamp, name = words(line, at_most=2)
            stamps.append(parse_stamp(stamp))
        except ValueError as error:
            raise SourceError(f"{path}, line {number}: must be 'timestamp filename', got "
                              f"'{line}'") from error
        files.append(folder / (name if Path(name).suffix else name + suffix))
        numbers.append(number)
    return stamped_files(str(path), stamps, files, numbers, unit)


def stamped_files(name: str, stamps: Sequence[int | float], files: Sequence[Path],
                  lines: Sequence[int] | None = None,
                  unit: StampUnit | None = None) -> StampedFiles:
    """Stamps in ``unit``, by default the recognised one, and their files, in time order; of
    several at one time the first."""
    order = sorted(range(len(stamps)), key=lambda i: stamps[i])
    if order != sorted(order):
        _log.warning("%s: its lines are not in time order; taking them in time order", name)
    doubles = LimitedWarnings(_log, 1, f"{name}: %d entries have the time of another one")
    kept: list[int] = []
    for i in order:
        if kept and stamps[i] == stamps[kept[-1]]:
            where = "" if lines is None else f", line {lines[i]}"
            doubles.warn("%s%s: '%s' has the time of '%s' (%s) and is left out; give each its own",
                         name, where, files[i].name, files[kept[-1]].name, stamps[i])
        else:
            kept.append(i)
    doubles.finish()
    return StampedFiles(stamps=seconds_from([stamps[i] for i in kept], name, unit),
                        files=tuple(files[i] for i in kept),
                        entries=np.array(kept, np.intp), listed=len(stamps),
                        unit=recognised_unit(stamps) if unit is None else unit)


def read_stamped_poses(path: Path, images: StampedFiles,
                       scalar_first: bool = False) -> Trajectory:
    """Lines ``timestamp tx ty tz qx qy qz qw`` (``scalar_first``: ``qw qx qy qz``), further
    columns left out, as ``T_world_cam``; stamps in a unit of their own, or that of ``images``.

    Flawed lines, and those at the time of another, are left out with a warning.
    """
    flaws = LimitedWarnings(_log, 1, f"{path}: %d lines are flawed and left out")
    stamps: list[int | float] = []
    rows: list[list[float]] = []
    for number, line in content_lines(path):
        parts = words(line)
        try:
            stamp, row = parse_stamp(parts[0]), pose_row(parts[1:8], scalar_first)
        except ValueError as error:
            flaws.warn("%s, line %d: %s; left out", path, number, error)
            continue
        stamps.append(stamp)
        rows.append(row)
    order = sorted(range(len(stamps)), key=lambda i: stamps[i])
    kept: list[int] = []
    for i in order:
        if kept and stamps[i] == stamps[kept[-1]]:
            flaws.warn("%s: two poses at the time %s; taking the first", path, stamps[i])
        else:
            kept.append(i)
    flaws.finish()
    unit = recognised_unit(stamps)
    if not is_dated([stamps[i] for i in kept[:1]], unit):
        # samples of motion capture are too dense to tell
        unit = images.unit
    return Trajectory(seconds_from([stamps[i] for i in kept], str(path), unit),
                      poses_from_rows([rows[i] for i in kept]))


def pose_row(parts: Sequence[str], scalar_first: bool = False) -> list[float]:
    """``tx ty tz qx qy qz qw`` of seven words; ``ValueError`` that says what is wrong."""
    if len(parts) != 7:
        raise ValueError(f"{len(parts)} numbers; a pose must be seven, 'tx ty tz qx qy qz qw'")
    row = [float(part) for part in parts]
    if scalar_first:
        row = [*row[:3], *row[4:], row[3]]
    if not np.isfinite(row).all():
        raise ValueError("a number is not finite")
    if abs(np.linalg.norm(row[3:]) - 1) > QUATERNION_TOLERANCE:
        raise ValueError(f"must have a unit quaternion, its length is "
                         f"{np.linalg.norm(row[3:]):.4f}")
    return row


def poses_from_rows(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """(N, 4, 4) from N rows ``tx ty tz qx qy qz qw``."""
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 7)
    rotation = se3.rotation_from_quaternion(table[:, 3:])
    return se3.from_rotation_translation(rotation, table[:, :3]).numpy()


def at_stamps(truth: Trajectory, stamps: np.ndarray) -> list[np.ndarray | None]:
    """The true pose nearest to each stamp, None where there is none within 0.02 s."""
    return [None if i is None else truth.T_world_cam[i]
            for i in nearest_within(truth.timestamps, stamps, MAX_DIFFERENCE)]


def nearest_within(times: np.ndarray, stamps: np.ndarray, limit: float) -> list[int | None]:
    """For each stamp the index of the nearest of the rising ``times``, None when it is further
    away than ``limit`` seconds."""
    if not len(times):
        return [None] * len(stamps)
    nearest = nearest_stamps(times, stamps)
    near = np.abs(times[nearest] - stamps) <= limit
    return [int(i) if ok else None for i, ok in zip(nearest, near)]


def existing(files: Sequence[Path | None], name: str,
             kind: str = "depth") -> list[Path | None]:
    """``files``, None in place of those that are not there, which one warning counts."""
    there = [path if path is None or path.is_file() else None for path in files]
    absent = [path for path, found in zip(files, there) if path is not None and found is None]
    if absent:
        _log.warning("%s: %d of its %d %s images are not there (%s ...); these frames go "
                     "without true %s", name, len(absent),
                     sum(path is not None for path in files), kind, absent[0], kind)
    return there


def rate_of(stamps: np.ndarray) -> float:
    """Frames per second, from the median distance of the stamps."""
    return float(1 / np.median(np.diff(stamps))) if len(stamps) > 1 else DEFAULT_FPS
