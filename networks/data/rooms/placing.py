"""Where things may stand: upright boxes, whether they overlap, how far a point is from them."""

from dataclasses import dataclass

import numpy as np

from scenecode.networks.data.rendering.faces import Faces, join, yaw_rotation
from scenecode.networks.data.rooms.models.furniture import Item


@dataclass(frozen=True)
class Solid:
    """A box turned about the vertical."""

    #: x, y of its axis and z of its bottom
    position: tuple[float, float, float]
    yaw: float
    #: width, depth, height
    size: tuple[float, float, float]

    def outline(self, margin: float = 0.0) -> np.ndarray:
        """(4, 2) corners of the footprint, grown by ``margin`` metres."""
        half = np.array(self.size[:2]) / 2 + margin
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        return (signs * half) @ yaw_rotation(self.yaw)[:2, :2].T + np.array(self.position[:2])

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Distance (N,) of points (N, 3) to the box, 0 inside."""
        local = (points - np.array(self.position)) @ yaw_rotation(self.yaw)
        local[:, 2] -= self.size[2] / 2
        return np.linalg.norm(np.maximum(np.abs(local) - np.array(self.size) / 2, 0), axis=1)


def overlap(a: Solid, b: Solid, margin: float = 0.01) -> bool:
    """Whether two solids come closer than ``margin`` (separating axes; exact for boxes)."""
    low = max(a.position[2], b.position[2])
    if low >= min(a.position[2] + a.size[2], b.position[2] + b.size[2]) - 1e-6:
        return False
    reach = sum(np.hypot(*s.size[:2]) / 2 for s in (a, b)) + 2 * margin
    if np.hypot(a.position[0] - b.position[0], a.position[1] - b.position[1]) > reach:
        return False
    first, second = a.outline(margin), b.outline()
    for yaw in (a.yaw, b.yaw):
        axes = yaw_rotation(yaw)[:2, :2]
        p, q = first @ axes, second @ axes
        if (p.min(0) > q.max(0)).any() or (q.min(0) > p.max(0)).any():
            return False
    return True


class FloorPlan:
    """Fills a rectangular room [0, w] x [0, d] x [0, h] without interpenetration."""

    def __init__(self, size: tuple[float, float, float]):
        self.size = size
        #: what the camera must keep away from
        self.solids: list[Solid] = []
        self._reserved: list[Solid] = []
        self._parts: list[Faces] = []

    def reserve(self, solid: Solid) -> None:
        """Keeps later items out of a region that is empty."""
        self._reserved.append(solid)

    def place(self, item: Item, position, yaw: float) -> Solid | None:
        """Puts an item somewhere, or returns None where it does not fit."""
        x, y, z = (float(p) for p in position)
        solid = Solid((x, y, z), float(yaw), item.size)
        corners, (w, d, h) = solid.outline(), self.size
        inside = (corners.min() > 0 and (corners < (w, d)).all()
                  and solid.position[2] + item.size[2] < h)
        if not inside or any(overlap(solid, o) for o in self.solids + self._reserved):
            return None
        self.solids.append(solid)
        self._parts.append(item.faces.moved(yaw_rotation(yaw), position))
        return solid

    def along_wall(self, item: Item, rng: np.random.Generator, z: float = 0.0,
                   gap: float = 0.01, tries: int = 30) -> Solid | None:
        """Puts an item with its back to a random wall."""
        w, d, _ = self.size
        for _ in range(tries):
            wall = int(rng.integers(4))
            reach = (w, d)[wall % 2] - item.size[0]
            if reach <= 0.04:
                continue
            at = item.size[0] / 2 + rng.uniform(0.02, reach - 0.02)
            inset = item.size[1] / 2 + gap
            x, y, yaw = ((at, inset, 0.0), (w - inset, at, np.pi / 2), (at, d - inset, np.pi),
                         (inset, at, -np.pi / 2))[wall]
            placed = self.place(item, (x, y, z), yaw)
            if placed is not None:
                return placed
        return None

    def freely(self, item: Item, rng: np.random.Generator, turned: bool = True,
               tries: int = 12) -> Solid | None:
        """Puts an item anywhere on the floor."""
        for _ in range(tries):
            x, y = rng.uniform(0.1, 0.9) * self.size[0], rng.uniform(0.1, 0.9) * self.size[1]
            yaw = rng.uniform(-np.pi, np.pi) if turned else rng.integers(4) * np.pi / 2
            placed = self.place(item, (x, y, 0.0), yaw)
            if placed is not None:
                return placed
        return None

    def add_faces(self, faces: Faces) -> None:
        """Adds faces that nothing collides with (walls, rugs)."""
        self._parts.append(faces)

    def faces(self) -> Faces:
        return join(self._parts)


def on_solid(solid: Solid, x: float, y: float, z: float) -> tuple[float, float, float]:
    """World position of a point given in the frame of an item placed as ``solid``."""
    px, py = yaw_rotation(solid.yaw)[:2, :2] @ np.array([x, y]) + np.array(solid.position[:2])
    return float(px), float(py), solid.position[2] + z
