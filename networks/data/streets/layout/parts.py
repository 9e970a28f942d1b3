"""The things that a piece of a town consists of, so that those in view can be picked."""

import math
from dataclasses import dataclass

import numpy as np

from scenecode.networks.data.rendering.faces import Faces, join
from scenecode.networks.data.streets.models.shapes import Model

#: things are drawn up to this many times their radius away, within these limits in metres
_TIMES, _LEAST, _MOST = 100.0, 40.0, 280.0


@dataclass(frozen=True)
class Parts:
    """I things made of F faces, casting the shadows of B blockers."""

    faces: Faces
    thing: np.ndarray           # (F,) int32, to which thing a face belongs
    blockers: Faces
    blocking: np.ndarray        # (B,) int32, to which thing a blocker belongs
    centre: np.ndarray          # (I, 3)
    radius: np.ndarray          # (I,)
    distance: np.ndarray        # (I, 2) metres from and up to which a thing is drawn
    casts: np.ndarray           # (I,) bool, whether it casts a shadow
    moving: np.ndarray          # (I,) bool

    def __len__(self) -> int:
        return len(self.centre)


class Collector:
    """Gathers things."""

    def __init__(self) -> None:
        self._faces: list[Faces] = []
        self._blockers: list[Faces] = []
        self._counts: list[tuple[int, int]] = []
        self._rows: list[tuple[float, ...]] = []

    def add(self, faces: Faces, blockers: Faces | None = None, nearest: float = 0.0,
            farthest: float | None = None, moving: bool = False) -> None:
        """A thing in world coordinates; without ``blockers`` it casts no shadow."""
        points = faces.corners.reshape(-1, 3)
        low, high = points.min(0), points.max(0)
        self._append(faces, blockers, (low + high) / 2, float(np.linalg.norm(high - low)) / 2,
                     nearest, farthest, moving)

    def _append(self, faces: Faces, blockers: Faces | None, centre: np.ndarray, radius: float,
                nearest: float, farthest: float | None, moving: bool) -> None:
        if farthest is None:
            farthest = min(max(_TIMES * radius, _LEAST), _MOST)
        self._faces.append(faces)
        if blockers is not None:
            self._blockers.append(blockers)
        self._counts.append((len(faces), 0 if blockers is None else len(blockers)))
        self._rows.append((*centre, radius, nearest, farthest,
                           blockers is not None, moving))

    def stand(self, model: Model, rotation: np.ndarray, place: np.ndarray, moving: bool = False,
              nearest: float = 0.0, farthest: float | None = None) -> None:
        """A model at a place in the world."""
        size = math.hypot(*rotation[0])
        self._append(model.faces.moved(rotation, place), model.blockers.moved(rotation, place),
                     rotation @ model.middle + place, size * model.radius, nearest, farthest,
                     moving)

    def parts(self) -> Parts:
        """All things; there must be at least one."""
        table = np.array(self._rows, float)
        faces, blockers = np.array(self._counts).T
        index = np.arange(len(table))
        return Parts(
            faces=join(self._faces), thing=np.repeat(index, faces).astype(np.int32),
            blockers=join(self._blockers) if self._blockers else self._faces[0].only(
                np.zeros(len(self._faces[0]), bool)),
            blocking=np.repeat(index, blockers).astype(np.int32), centre=table[:, :3],
            radius=table[:, 3], distance=table[:, 4:6], casts=table[:, 6] > 0,
            moving=table[:, 7] > 0)


def merge(pieces: list[Parts]) -> Parts:
    """All things of several pieces."""
    starts = np.cumsum([0, *(len(p) for p in pieces[:-1])])
    return Parts(
        faces=join([p.faces for p in pieces]),
        thing=np.concatenate([p.thing + s for p, s in zip(pieces, starts)]).astype(np.int32),
        blockers=join([p.blockers for p in pieces]),
        blocking=np.concatenate([p.blocking + s for p, s in zip(pieces, starts)]).astype(np.int32),
        centre=np.concatenate([p.centre for p in pieces]),
        radius=np.concatenate([p.radius for p in pieces]),
        distance=np.concatenate([p.distance for p in pieces]),
        casts=np.concatenate([p.casts for p in pieces]),
        moving=np.concatenate([p.moving for p in pieces]))
