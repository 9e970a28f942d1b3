"""The things that a piece of a town consists of, so that those in view can be picked."""

import math
from collections.abc import Callable
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
        #: number, faces and blockers of the things that were added
        self._added: list[tuple[int, Faces, Faces | None]] = []
        #: by model: what stands, with number, rotation (3, 3) and place (3,)
        self._standing: dict[int, tuple[Model, list[tuple[int, np.ndarray, np.ndarray]]]] = {}
        self._rows: list[tuple[float, ...]] = []

    def add(self, faces: Faces, blockers: Faces | None = None, nearest: float = 0.0,
            farthest: float | None = None, moving: bool = False) -> None:
        """A thing in world coordinates; without ``blockers`` it casts no shadow."""
        points = faces.corners.reshape(-1, 3)
        low, high = points.min(0), points.max(0)
        self._added.append((len(self._rows), faces, blockers))
        self._append((low + high) / 2, float(np.linalg.norm(high - low)) / 2, nearest, farthest,
                     blockers is not None, moving)

    def stand(self, model: Model, rotation: np.ndarray, place: np.ndarray, moving: bool = False,
              nearest: float = 0.0, farthest: float | None = None) -> None:
        """A model at a place in the world."""
        size = math.hypot(*rotation[0])
        places = self._standing.setdefault(id(model), (model, []))[1]
        places.append((len(self._rows), rotation, place))
        self._append(rotation @ model.middle + place, size * model.radius, nearest, farthest,
                     True, moving)

    def _append(self, centre: np.ndarray, radius: float, nearest: float, farthest: float | None,
                casts: bool, moving: bool) -> None:
        if farthest is None:
            farthest = min(max(_TIMES * radius, _LEAST), _MOST)
        self._rows.append((*centre, radius, nearest, farthest, casts, moving))

    def parts(self) -> Parts:
        """All things; there must be at least one."""
        table = np.array(self._rows, float)
        owned: list[tuple[Faces, np.ndarray]] = []
        casting: list[tuple[Faces, np.ndarray]] = []
        for number, faces, blockers in self._added:
            owned.append((faces, np.full(len(faces), number, np.int32)))
            if blockers is not None:
                casting.append((blockers, np.full(len(blockers), number, np.int32)))
        for model, places in self._standing.values():
            numbers, rotations, shifts = (np.array(column) for column in zip(*places))
            for found, part in ((owned, model.faces), (casting, model.blockers)):
                found.append((part.copies(rotations, shifts),
                              np.repeat(numbers, len(part)).astype(np.int32)))
        if not casting:
            casting = [(owned[0][0].only(np.zeros(0, int)), np.zeros(0, np.int32))]
        return Parts(
            faces=join([f for f, _ in owned]), thing=np.concatenate([n for _, n in owned]),
            blockers=join([f for f, _ in casting]),
            blocking=np.concatenate([n for _, n in casting]), centre=table[:, :3],
            radius=table[:, 3], distance=table[:, 4:6], casts=table[:, 6] > 0,
            moving=table[:, 7] > 0)


def chosen(pieces: list[Parts], choose: Callable[[Parts], np.ndarray], blockers: bool = False
           ) -> tuple[Faces, np.ndarray, np.ndarray]:
    """The faces (or blockers) of those things of several pieces that ``choose`` (I,) bool picks,
    the number (F,) of each one's thing among all things, and which of all things move."""
    faces: list[Faces] = []
    things: list[np.ndarray] = []
    start = 0
    for piece in pieces:
        whose = piece.blocking if blockers else piece.thing
        index = np.flatnonzero(choose(piece)[whose])
        faces.append((piece.blockers if blockers else piece.faces).only(index))
        things.append(whose[index] + np.int32(start))
        start += len(piece)
    return join(faces), np.concatenate(things), np.concatenate([p.moving for p in pieces])
