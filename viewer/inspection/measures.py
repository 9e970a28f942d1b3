"""Lengths, heights and areas that a user measures on a map."""

from collections.abc import Callable, Sequence

import numpy as np

from scenecode.core.errors import ScenecodeError


def distance(points: np.ndarray) -> float:
    """Length in metres of the line through points (N, 3), N >= 2."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def height(points: np.ndarray) -> float:
    """Difference of height in metres between the lowest and the highest of points (N, 3) in the
    ground frame; of a single point its height over the floor."""
    z = points[:, 2]
    return float(z[0]) if len(points) == 1 else float(z.max() - z.min())


def area(points: np.ndarray) -> float:
    """Area in m2 of the polygon of corners (N, 3), N >= 3, as seen along its normal (Newell)."""
    normal = np.cross(points, np.roll(points, -1, axis=0)).sum(0)
    return float(np.linalg.norm(normal) / 2)


#: Function, least number of points and unit of each kind.
KINDS: dict[str, tuple[Callable[[np.ndarray], float], int, str]] = {
    "distance": (distance, 2, "m"), "height": (height, 1, "m"), "area": (area, 3, "m2")}


def measure(kind: str, points: Sequence[Sequence[float]]) -> tuple[float, str]:
    """Value and unit of a measure of points (N, 3) in the ground frame.  Raises ``ScenecodeError``
    for an unknown kind and for too few points."""
    if kind not in KINDS:
        raise ScenecodeError(f"there is no measure {kind!r}; choose one of {', '.join(KINDS)}")
    function, least, unit = KINDS[kind]
    corners = np.asarray(points, np.float64).reshape(-1, 3)
    if len(corners) < least or not np.isfinite(corners).all():
        raise ScenecodeError(f"{kind} needs {least} or more points; click further ones")
    return function(corners), unit
