"""Who moves while one drives: vehicles in their lanes, cyclists, and people on the pavements.

Everyone keeps to one street at one speed; who would collide with the camera's car, or with someone
else, is left out.
"""

from dataclasses import dataclass

import numpy as np

from scenecode.networks.data.streets.drive import Drive
from scenecode.networks.data.streets.layout.ground import KERB
from scenecode.networks.data.streets.layout.kerbside import travel
from scenecode.networks.data.streets.layout.parts import Collector, Parts
from scenecode.networks.data.streets.layout.plan import ALONG_U, ALONG_V
from scenecode.networks.data.streets.layout.town import Town
from scenecode.networks.data.streets.models.shapes import Model

#: what drives in lanes, and how often
_VEHICLES = {"car": 0.8, "truck": 0.07, "bus": 0.05, "motorcyclist": 0.08}
#: half length and width of the camera's car, and what all keep free around them, metres
_CAR, _FREE = np.array([2.3, 1.0]), np.array([1.2, 0.25])
#: ways that are farther apart than this, metres, never meet
_APART = 15.0
#: who is farther from the camera is not drawn, metres
_REACH, _WALKERS = 230.0, 110.0
#: steps of a walk per metre
_PACE = 6 / 1.5


@dataclass(frozen=True)
class _Mover:
    """Someone on the way along a street, or before the camera's car."""

    #: the model, or the steps of a walk
    models: tuple[Model, ...]
    #: half length and width, metres
    half: np.ndarray
    #: (F, 3) plan position u, v and heading at all moments
    path: np.ndarray
    walks: bool
    #: metres gone at the first moment, and metres per moment
    phase: float
    pace: float


class Traffic:
    """All who move during a drive."""

    def __init__(self, town: Town, way: Drive, seed: int, fps: float):
        self._town, self._way, self._fps = town, way, fps
        self._seconds = np.arange(len(way.plan)) / fps
        self._movers: list[_Mover] = []
        #: everyone's path (M, F, 3) and half length and width (M, 2), the camera's car first
        self._paths, self._halves = way.plan[None], _CAR[None]
        rng = np.random.default_rng([seed, 60])
        streets = self._streets()
        self._lead(rng)
        for axis, index, low, high in streets:
            for side in (-1, 1):
                self._lane(rng, axis, index, side, low, high)
                self._walk(rng, axis, index, side, low, high)

    def at(self, frame: int) -> Parts | None:
        """Everyone near the camera at one moment; None where there is nobody."""
        things, found = Collector(), False
        here, ahead = self._way.plan[frame, :2], self._way.plan[frame, 2]
        for mover in self._movers:
            u, v, heading = mover.path[frame]
            d = np.array([u, v]) - here
            reach = _WALKERS if mover.walks else _REACH
            if np.hypot(*d) > reach or d @ (np.cos(ahead), np.sin(ahead)) < -12.0:
                continue
            step = int((mover.phase + mover.pace * frame) * _PACE) % len(mover.models)
            rotation, place = self._town.plan.frame(u, v, heading, sloped=not mover.walks)
            lift = self._kerb(u, v) if mover.walks else 0.0
            things.stand(mover.models[step], rotation, place + [0, 0, lift], moving=True)
            found = True
        return things.parts() if found else None

    def _kerb(self, u: float, v: float) -> float:
        """Height of the ground where someone walks: the road's or the pavement's."""
        plan = self._town.plan
        for axis, at in ((ALONG_V, u), (ALONG_U, v)):
            street = plan.street(axis, plan.nearest(axis, at))
            if abs(at - street.middle) < street.kerb:
                return 0.0
        return KERB

    def _streets(self) -> list[tuple[int, int, float, float]]:
        """Streets that the way uses or crosses, and which part of each is seen."""
        plan, seen = self._town.plan, {}
        for leg in self._way.legs:
            low, high = sorted((leg.start, leg.stop))
            seen[leg.axis, leg.index] = (low - 60, high + 60)
        for leg in self._way.legs:
            low, high = sorted((leg.start, leg.stop))
            first, last = (plan.nearest(1 - leg.axis, at) for at in (low, high))
            middle = plan.street(leg.axis, leg.index).middle
            for index in range(first, last + 1):
                seen.setdefault((1 - leg.axis, index), (middle - 90, middle + 90))
        return [(axis, index, *ends) for (axis, index), ends in seen.items()]

    def _add(self, models, path: np.ndarray, walks: bool, phase: float, pace: float) -> None:
        d = path[:, :2] - self._way.plan[:, :2]
        if (np.abs(d).max(1) > (_WALKERS if walks else _REACH)).all():
            return
        points = models[0].faces.corners.reshape(-1, 3)
        half = np.abs(points[:, [1, 0]]).max(0)
        if _meet(path, half, self._paths, self._halves):
            return
        self._movers.append(_Mover(models=tuple(models), half=half, path=path, walks=walks,
                                   phase=phase, pace=pace))
        self._paths = np.concatenate([self._paths, path[None]])
        self._halves = np.concatenate([self._halves, half[None]])

    def _lead(self, rng) -> None:
        """A car that goes before the camera's car, at its speed."""
        if rng.random() < 0.4:
            return
        step = np.linalg.norm(np.diff(self._way.plan[:, :2], axis=0), axis=1)
        gone = np.concatenate([[0.0], np.cumsum(step)])
        gap = rng.uniform(11.0, 25.0)
        if gone[-1] < gap + 5:
            return
        # the way ends with the drive: the last moments go straight on
        u, v, heading = self._way.plan[-1]
        reach = np.array([30.0, 60.0])
        length = np.concatenate([gone + 1e-9 * np.arange(len(gone)), gone[-1] + reach])
        rows = np.concatenate([self._way.plan, np.stack([
            u + reach * np.cos(heading), v + reach * np.sin(heading),
            np.full(2, heading)], 1)])
        path = np.stack([np.interp(gone + gap, length, rows[:, k]) for k in range(3)], 1)
        self._add([self._town.stock.pick(rng, "car")], path, False, 0.0, 0.0)

    def _along(self, axis: int, across: float, heading: float, start: float, speed: float
               ) -> np.ndarray:
        forward = np.sin(heading) if axis == ALONG_V else np.cos(heading)
        along = start + np.sign(forward) * speed * self._seconds
        line = np.full_like(along, across)
        u, v = (line, along) if axis == ALONG_V else (along, line)
        return np.stack([u, v, np.full_like(u, heading)], 1)

    def _starts(self, rng, low: float, high: float, heading: float, axis: int, speed: float,
                gap: float) -> np.ndarray:
        """Places at the first moment of those who are between ``low`` and ``high`` at some."""
        forward = np.sign(np.sin(heading) if axis == ALONG_V else np.cos(heading))
        gone = speed * self._seconds[-1]
        low, high = (low - gone, high) if forward > 0 else (low, high + gone)
        count = max(1, int((high - low) / gap) + 1)
        return low + np.cumsum(8.0 + rng.exponential(max(gap - 8.0, 1.0), count))

    def _lane(self, rng, axis: int, index: int, side: int, low: float, high: float) -> None:
        town, stock = self._town, self._town.stock
        street = town.plan.street(axis, index)
        heading = travel(axis, side, town.right_hand)
        density = town.traffic_density * (1.0 if street.marked else 0.4)
        for lane in range(street.lanes):
            speed = rng.uniform(6.0, 13.0)
            across = street.middle + side * street.lane_middle(lane)
            for start in self._starts(rng, low, high, heading, axis, speed,
                                      100.0 / max(density, 0.1)):
                name = str(rng.choice(list(_VEHICLES), p=list(_VEHICLES.values())))
                self._add([stock.pick(rng, name)],
                          self._along(axis, across, heading, start, speed), False, 0.0, 0.0)
        inner = street.kerb - street.parking
        across = street.middle + side * (inner - (street.cycle / 2 if street.cycle else 0.6))
        speed = rng.uniform(3.5, 6.0)
        for start in self._starts(rng, low, high, heading, axis, speed,
                                  60.0 if street.cycle else 220.0):
            self._add([stock.pick(rng, "cyclist")],
                      self._along(axis, across, heading, start, speed), False, 0.0, 0.0)

    def _walk(self, rng, axis: int, index: int, side: int, low: float, high: float) -> None:
        town = self._town
        street = town.plan.street(axis, index)
        near, far = street.kerb + street.verge + 0.9, street.reach - 0.4
        for turn in (0.0, np.pi):
            heading, speed = travel(axis, side, town.right_hand) + turn, rng.uniform(1.0, 1.6)
            for start in self._starts(rng, low, high, heading, axis, speed,
                                      60.0 / max(town.people, 0.1)):
                across = street.middle + side * rng.uniform(near, far)
                self._add(town.stock.walker(rng), self._along(axis, across, heading, start, speed),
                          True, float(rng.uniform(0, 2)), speed / self._fps)


def _meet(path: np.ndarray, half: np.ndarray, others: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether someone (F, 3) ever comes too near to one of others (M, F, 3); ``half`` (2,) and
    ``sizes`` (M, 2) are half their lengths and widths."""
    # those whose ways lie apart need no look at their times
    near = ((others[..., :2].min(1) < path[:, :2].max(0) + _APART)
            & (others[..., :2].max(1) > path[:, :2].min(0) - _APART)).all(1)
    others, sizes = others[near], sizes[near]
    if not len(others):
        return False
    d = others[..., :2] - path[:, :2]
    which, when = np.nonzero(np.abs(d).max(2) < half[0] + sizes[:, :1].max() + _FREE[0])
    d, path, other, size = d[which, when], path[when], others[which, when], sizes[which].T
    c, s = np.cos(path[:, 2]), np.sin(path[:, 2])
    along, aside = np.abs(c * d[:, 0] + s * d[:, 1]), np.abs(c * d[:, 1] - s * d[:, 0])
    turn = other[:, 2] - path[:, 2]
    c, s = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    length = half[0] + c * size[0] + s * size[1] + _FREE[0]
    width = half[1] + c * size[1] + s * size[0] + _FREE[1]
    return bool(((along < length) & (aside < width)).any())
