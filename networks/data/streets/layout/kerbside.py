"""What stands between the kerbs and the blocks, and what is parked: lamps, signs, signals, trees,
vehicles, people who stand or sit for as long as one looks."""

import numpy as np

from scenecode.networks.data.streets.layout.ground import KERB
from scenecode.networks.data.streets.layout.parts import Collector
from scenecode.networks.data.streets.layout.plan import ALONG_U, ALONG_V, Plan, Street
from scenecode.networks.data.streets.layout.stock import Stock

#: nothing is parked or planted nearer to a crossing, metres
_CLEAR = 9.0
#: distance of posts from the kerb
_POST = 0.45


def travel(axis: int, side: int, right_hand: bool) -> float:
    """Heading (radians in the plan) of those who drive on the ``side`` (+1 for the larger u or v)
    of a street along ``axis``."""
    forward = (side > 0) == (right_hand == (axis == ALONG_V))
    return (np.pi / 2 if axis == ALONG_V else 0.0) + (0.0 if forward else np.pi)


def inward(axis: int, side: int) -> float:
    """Heading from the ``side`` of a street to its middle."""
    return (np.pi if side > 0 else 0.0) if axis == ALONG_V else -side * np.pi / 2


class Kerbside:
    """Furnishes the streets of a town."""

    def __init__(self, plan: Plan, stock: Stock, seed: int, right_hand: bool, people: float,
                 parked: float):
        self._plan, self._stock, self._seed = plan, stock, seed
        self._right_hand = right_hand
        self._people, self._parked = people, parked
        rng = np.random.default_rng([seed, 40])
        self._lamp_gap, self._lamp = rng.uniform(22.0, 34.0), stock.pick(rng, "lamp")
        self._trees, self._tree_kind = rng.uniform(0.2, 1.0), int(rng.integers(6))

    def furnish(self, things: Collector, i: int, j: int) -> None:
        """The two streets and the crossing of a piece of the town."""
        for axis, index, other in ((ALONG_V, i, j), (ALONG_U, j, i)):
            along = self._plan.breaks(1 - axis, other)
            for side in (-1, 1):
                rng = np.random.default_rng([self._seed, 41, axis, index + 1_000_000,
                                             other + 1_000_000, side + 1])
                self._line(things, rng, axis, index, side, along[0], along[-1])
        self._control(things, i, j)

    def _stand(self, things: Collector, model, axis: int, index: int, offset: float, at: float,
               heading: float, z: float = KERB, sloped: bool = False) -> None:
        m = self._plan.street(axis, index).middle
        u, v = (m + offset, at) if axis == ALONG_V else (at, m + offset)
        rotation, place = self._plan.frame(u, v, heading, sloped)
        things.stand(model, rotation, place + [0, 0, z])

    def _line(self, things: Collector, rng, axis: int, index: int, side: int, start: float,
              stop: float) -> None:
        """One side of a street between two crossings."""
        street, stock = self._plan.street(axis, index), self._stock
        ahead, across = travel(axis, side, self._right_hand), inward(axis, side)
        post = side * (street.kerb + _POST)
        taken: list[float] = []

        def free(at: float, room: float) -> bool:
            return all(abs(at - t) > room for t in taken)
        for at in np.arange(start + 6.0 + (side > 0) * self._lamp_gap / 2, stop - 3.0,
                            self._lamp_gap):
            self._stand(things, self._lamp, axis, index, post, at, across)
            taken.append(at)
        for _ in range(int(rng.poisson((stop - start) / 45))):
            at = rng.uniform(start + 3, stop - 3)
            if free(at, 1.5):
                self._stand(things, stock.pick(rng, "sign"), axis, index, post, at, ahead + np.pi)
                taken.append(at)
        if street.verge or street.pavement > 2.8:
            self._plant(things, rng, axis, index, side, start, stop, taken)
        if rng.random() < 0.25:
            for at in np.arange(start + 1.0, stop, rng.uniform(1.5, 3.0)):
                if free(at, 1.0):
                    self._stand(things, stock.pick(rng, "bollard"), axis, index, post, at, ahead)
        if street.parking:
            self._park(things, rng, street, axis, index, side, start, stop, ahead)
        self._pavement(things, rng, street, axis, index, side, start, stop, ahead, across)

    def _plant(self, things: Collector, rng, axis: int, index: int, side: int, start: float,
               stop: float, taken: list[float]) -> None:
        street = self._plan.street(axis, index)
        if rng.random() > self._trees:
            return
        offset = side * (street.kerb + max(0.75, street.verge / 2 + 0.15))
        for at in np.arange(start + rng.uniform(5, 9), stop - 5.0, rng.uniform(8.0, 15.0)):
            if rng.random() < 0.85 and all(abs(at - t) > 2.5 for t in taken):
                m = street.middle + offset
                u, v = (m, at) if axis == ALONG_V else (at, m)
                self._stock.plant_tree(things, rng, self._plan, u, v, KERB, self._tree_kind)
                taken.append(at)

    def _park(self, things: Collector, rng, street: Street, axis: int, index: int, side: int,
              start: float, stop: float, ahead: float) -> None:
        at = start + _CLEAR - 5.0 + rng.uniform(0, 4)
        while at < stop - _CLEAR + 2.0:
            room = rng.uniform(5.4, 6.6)
            if rng.random() < self._parked:
                name = str(rng.choice(("car", "truck", "motorcycle"), p=(0.93, 0.03, 0.04)))
                if name == "truck":
                    room = 9.5
                backwards = np.pi * (rng.random() < 0.08)
                offset = side * (street.kerb - street.parking / 2 + rng.uniform(-0.1, 0.15))
                self._stand(things, self._stock.pick(rng, name), axis, index, offset,
                            at + room / 2, ahead + backwards + rng.normal(0, 0.015), 0.0, True)
            at += room

    def _pavement(self, things: Collector, rng, street: Street, axis: int, index: int, side: int,
                  start: float, stop: float, ahead: float, across: float) -> None:
        low, high = street.kerb + street.verge + 0.8, street.reach - 0.4
        for _ in range(int(rng.poisson(self._people * (stop - start) / 30))):
            heading = across + np.pi / 2 * rng.integers(4) + rng.normal(0, 0.4)
            step = self._stock.walker(rng)[int(rng.choice((0, 3)))]
            self._stand(things, step, axis, index, side * rng.uniform(low, high),
                        rng.uniform(start, stop), heading)
        for name, chance in (("bicycle", 0.3), ("motorcycle", 0.1), ("hoarding", 0.12)):
            if rng.random() < chance:
                at = rng.uniform(start + 4, stop - 8)
                for k in range(1 if name != "bicycle" else int(rng.integers(1, 6))):
                    self._stand(things, self._stock.pick(rng, name), axis, index,
                                side * (street.reach - 0.8), at + 0.7 * k,
                                across + np.pi * (name != "hoarding") + rng.normal(0, 0.1))

    def _control(self, things: Collector, i: int, j: int) -> None:
        """Signals where two marked streets cross, else signs for right of way."""
        a, b = self._plan.street(ALONG_V, i), self._plan.street(ALONG_U, j)
        rng = np.random.default_rng([self._seed, 42, i + 1_000_000, j + 1_000_000])
        signals = a.marked and b.marked
        if not (signals or a.marked or b.marked):
            return
        free = ALONG_V if a.marked and (not b.marked or rng.random() < 0.5) else ALONG_U
        for axis, index, own, other in ((ALONG_V, i, a, b), (ALONG_U, j, b, a)):
            if signals:
                name = "lights_green" if axis == free else "lights_red"
            else:
                name = "priority" if axis == free else "stop"
            model = self._stock.pick(rng, name)
            for side in (-1, 1):
                heading = travel(axis, side, self._right_hand)
                forward = np.sin(heading) if axis == ALONG_V else np.cos(heading)
                at = other.middle - np.sign(forward) * (other.reach + 0.6)
                self._stand(things, model, axis, index, side * (own.kerb + _POST), at,
                            heading + np.pi)
