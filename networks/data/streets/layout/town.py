"""From a seed to a town without end, made piece by piece where one looks."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from scenecode.core.errors import ConfigError
from scenecode.networks.data.streets.layout.blocks import Blocks
from scenecode.networks.data.streets.layout.ground import Ground
from scenecode.networks.data.streets.layout.kerbside import Kerbside
from scenecode.networks.data.streets.layout.parts import Collector, Parts
from scenecode.networks.data.streets.layout.plan import ALONG_U, ALONG_V, Plan
from scenecode.networks.data.streets.layout.stock import Stock
from scenecode.networks.data.streets.layout.weather import Weather, weather
from scenecode.networks.data.streets.models.palette import Palette

#: pieces of the town kept
_KEPT = 60


@dataclass(frozen=True)
class StreetConfig:
    """What towns look like.  Ranges are (low, high)."""

    #: amplitude, in metres, with which streets bend from left to right, and rise and fall
    bend: tuple[float, float] = (0.0, 12.0)
    hills: tuple[float, float] = (0.0, 1.0)
    #: side of the road to drive on; None: by the seed
    traffic: Literal["left", "right"] | None = None
    #: people per 30 m of pavement, and share of the parking lanes that is taken
    people: tuple[float, float] = (0.2, 1.5)
    parked: tuple[float, float] = (0.3, 0.9)
    #: moving vehicles per 100 m of lane
    vehicles: tuple[float, float] = (0.5, 3.0)
    #: how far one sees, metres
    reach: float = 260.0
    #: folder of .glb models named by what they are, and share of what is taken from them; None:
    #: all are made here
    meshes: str | None = None
    mesh_share: float = 0.5

    def __post_init__(self):
        for name in ("bend", "hills", "people", "parked", "vehicles"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ConfigError(f"streets: {name}={low, high}; expected 0 <= low <= high")
        if not 30 <= self.reach <= 600 or not 0 <= self.mesh_share <= 1:
            raise ConfigError(f"streets: reach={self.reach}, mesh_share={self.mesh_share}; "
                              "expected 30 to 600 m, and 0 to 1")
        if self.bend[1] > 16 or self.hills[1] > 1.5 or self.parked[1] > 1:
            raise ConfigError(f"streets: bend up to 16 m, hills up to 1.5 m, parked up to 1; got "
                              f"{self.bend[1]}, {self.hills[1]}, {self.parked[1]}")


class Town:
    """The town of a seed; the same seed and config give the same town everywhere."""

    def __init__(self, seed: int, config: StreetConfig = StreetConfig()):
        rng = np.random.default_rng([seed, 1])
        self.seed = seed
        bend, hills, people, parked, self.traffic_density = (
            float(rng.uniform(*getattr(config, name)))
            for name in ("bend", "hills", "people", "parked", "vehicles"))
        self.right_hand = config.traffic == "right" or (config.traffic is None
                                                        and bool(rng.random() < 0.65))
        self.people = people
        self.plan = Plan(seed, bend, hills)
        palette = Palette(np.random.default_rng([seed, 2]))
        self.palette = palette
        self.stock = Stock(palette, seed, config.meshes, config.mesh_share)
        self.reach = config.reach
        self.weather: Weather = weather(np.random.default_rng([seed, 3]))
        self._layers = (Ground(self.plan, palette, seed, self.right_hand).lay,
                        Blocks(self.plan, palette, self.stock, seed).fill,
                        Kerbside(self.plan, self.stock, seed, self.right_hand, people,
                                 parked).furnish)
        self.piece = lru_cache(maxsize=_KEPT)(self._piece)

    @property
    def atlas(self) -> np.ndarray:
        """Textures with their mip levels, see ``atlas.mip_atlas``."""
        return self.palette.atlas

    def _piece(self, i: int, j: int) -> Parts:
        """Crossing (i, j) with its streets to the next ones and the block between them."""
        things = Collector()
        for lay in self._layers:
            lay(things, i, j)
        return things.parts()

    def pieces_around(self, u: float, v: float, reach: float) -> list[tuple[int, int]]:
        """Pieces that come nearer than ``reach`` metres to a plan point."""
        found = []
        i0, i1 = (self.plan.nearest(ALONG_V, u + d) for d in (-reach, reach))
        j0, j1 = (self.plan.nearest(ALONG_U, v + d) for d in (-reach, reach))
        for i in range(i0 - 1, i1 + 1):
            for j in range(j0 - 1, j1 + 1):
                us = self._extent(ALONG_V, i)
                vs = self._extent(ALONG_U, j)
                du = max(us[0] - u, u - us[1], 0.0)
                dv = max(vs[0] - v, v - vs[1], 0.0)
                if np.hypot(du, dv) < reach:
                    found.append((i, j))
        return found

    def may_show(self, i: int, j: int, x: float, y: float, heading: float, half: float) -> bool:
        """Whether a piece may be seen from a place in the world in directions up to ``half``
        radians beside ``heading``, or is near enough to throw a shadow on what is."""
        us, vs = self._extent(ALONG_V, i), self._extent(ALONG_U, j)
        middle = np.array([[sum(us) / 2, sum(vs) / 2, 0.0]])
        d = self.plan.to_world(middle)[0, :2] - (x, y)
        radius = float(np.hypot(us[1] - us[0], vs[1] - vs[0])) / 2 + 5.0
        distance = float(np.hypot(*d))
        if distance < radius + 10.0:
            return True
        aside = abs((np.arctan2(d[1], d[0]) - heading + np.pi) % (2 * np.pi) - np.pi)
        return bool(aside < half + np.arcsin(radius / distance))

    def _extent(self, axis: int, index: int) -> tuple[float, float]:
        """From the near edge of a street to that of the next."""
        near, far = (self.plan.street(axis, k) for k in (index, index + 1))
        return near.middle - near.reach, far.middle - far.reach
