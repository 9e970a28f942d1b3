"""Which point of a map a user points at, among those that are shown."""

from dataclasses import dataclass

import numpy as np

#: Points this share of the distance behind the nearest one in the cone compete with it: the one
#: nearest to the middle of the cone wins.
DEPTH_TOLERANCE = 0.02
#: Points nearer to the eye than this are not picked, metres.
NEAR = 0.02


@dataclass(frozen=True)
class Ray:
    """A half line in the world frame."""

    #: (3,) metres
    origin: np.ndarray
    #: (3,) unit vector
    direction: np.ndarray


@dataclass(frozen=True)
class Filter:
    """What of a map is shown."""

    #: class ids
    hidden: frozenset[int] = frozenset()
    min_confidence: float = 0.0
    #: (3,) corners of the clipping box in the ground frame, metres
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    def shown(self, points: np.ndarray, labels: np.ndarray, confidence: np.ndarray,
              T_ground_world: np.ndarray) -> np.ndarray:
        """(N,) bool: which of points (N, 3) in the world frame, with class ids (N,) and
        confidence (N,), pass."""
        keep = confidence >= self.min_confidence
        if self.hidden:
            keep &= ~np.isin(labels, list(self.hidden))
        if self.low is not None or self.high is not None:
            in_ground = points @ T_ground_world[:3, :3].T + T_ground_world[:3, 3]
            if self.low is not None:
                keep &= (in_ground >= self.low).all(1)
            if self.high is not None:
                keep &= (in_ground <= self.high).all(1)
        return keep


def pick(points: np.ndarray, ray: Ray, tolerance: float,
         shown: np.ndarray | None = None) -> int | None:
    """Index of the point (N, 3) that a ray hits, None where it hits none.

    ``tolerance`` is the half angle, in radians, of the cone around the ray in which a point counts
    as hit; ``shown`` (N,) bool leaves others out.
    """
    offsets = points - np.asarray(ray.origin, points.dtype)
    along = offsets @ np.asarray(ray.direction, points.dtype)
    candidates = along > NEAR
    if shown is not None:
        candidates &= shown
    index = np.flatnonzero(candidates)
    along, offsets = along[index], offsets[index]
    across = np.linalg.norm(offsets - along[:, None] * ray.direction, axis=1)
    hit = across < along * np.tan(tolerance)
    if not hit.any():
        return None
    index, along, across = index[hit], along[hit], across[hit]
    front = along <= along.min() * (1 + DEPTH_TOLERANCE)
    return int(index[front][(across[front] / along[front]).argmin()])
