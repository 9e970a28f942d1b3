"""What stands in the blocks between the streets: rows of buildings, houses with gardens, parks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from scenecode.networks.data.rendering.faces import yaw_rotation
from scenecode.networks.data.streets.layout.ground import KERB, level
from scenecode.networks.data.streets.layout.parts import Collector
from scenecode.networks.data.streets.layout.plan import ALONG_U, ALONG_V, Plan
from scenecode.networks.data.streets.layout.stock import Stock
from scenecode.networks.data.streets.models import barriers, plants
from scenecode.networks.data.streets.models.buildings import Building, building, style
from scenecode.networks.data.streets.models.palette import Palette

#: kinds of block, and their shares in kinds of town
KINDS = ("city", "terrace", "house", "office", "park")
TOWNS = ((0.75, 0.1, 0.0, 0.1, 0.05), (0.2, 0.45, 0.2, 0.05, 0.1), (0.0, 0.15, 0.65, 0.05, 0.15),
         (0.3, 0.25, 0.2, 0.1, 0.15))
#: kinds whose buildings stand wall to wall
_ROWS = ("city", "terrace")
#: depth of buildings in metres and their bays (from, below), by kind
_SIZES = {"city": (12.0, (3, 8)), "terrace": (9.5, (2, 5)), "house": (9.0, (3, 6)),
          "office": (18.0, (4, 9))}
#: styles of the buildings of a kind in one town, and widths of each
_STYLES, _WIDTHS = 4, 3
#: buildings are seen from this far, metres
_FAR = 420.0


@dataclass(frozen=True)
class _Design:
    """A building to be put up in several places."""

    width: float
    depth: float
    made: Building


@dataclass(frozen=True)
class _Side:
    """One edge of a block, as one faces the block's front from its street."""

    #: plan coordinates of the corner at x = 0, quarter turns of the frame, length, metres
    corner: tuple[float, float]
    turns: int
    length: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Plan coordinates of (x, y) in the frame: y = 0 on the edge, the street at y > 0."""
        px, py = yaw_rotation(self.turns * np.pi / 2)[:2, :2] @ np.array([x, y])
        return self.corner[0] + float(px), self.corner[1] + float(py)


class Blocks:
    """Fills the blocks of a town."""

    def __init__(self, plan: Plan, palette: Palette, stock: Stock, seed: int):
        self._plan, self._palette, self._stock, self._seed = plan, palette, stock, seed
        rng = np.random.default_rng([seed, 20])
        self._shares = TOWNS[int(rng.integers(len(TOWNS)))]
        self._green = rng.uniform(0.3, 1.0)
        self._designs = lru_cache(maxsize=None)(self._design)

    def _design(self, kind: str) -> list[list[_Design]]:
        """The buildings of a kind: of some styles, each in several widths."""
        rng = np.random.default_rng([self._seed, 23, KINDS.index(kind)])
        depth, bays = _SIZES[kind]
        ends = ("front", "back") if kind in _ROWS else ("front", "back", "left", "right")
        styles = []
        for _ in range(_STYLES):
            look = style(rng, kind)
            deep = depth * rng.uniform(0.9, 1.1)
            widths = look.bay * rng.choice(np.arange(*bays), _WIDTHS, replace=False)
            styles.append([_Design(width=float(w), depth=deep, made=building(
                rng, self._palette, look, float(w), deep, ends)) for w in sorted(widths)])
        return styles

    def kind(self, i: int, j: int) -> str:
        """What the block north-east of crossing (i, j) is."""
        rng = np.random.default_rng([self._seed, 21, i + 1_000_000, j + 1_000_000])
        return str(rng.choice(KINDS, p=self._shares))

    def fill(self, things: Collector, i: int, j: int) -> None:
        """The block between streets ``i`` and ``i + 1`` along v, ``j`` and ``j + 1`` along u."""
        rng = np.random.default_rng([self._seed, 22, i + 1_000_000, j + 1_000_000])
        kind, plan = self.kind(i, j), self._plan
        us, vs = plan.breaks(ALONG_V, i), plan.breaks(ALONG_U, j)
        ground = {"city": ("paving", "sidewalk"), "office": ("paving", "sidewalk")}.get(
            kind, ("grass", "terrain"))
        things.add(plan.bent(level(us, vs, KERB, self._palette.surface(*ground))))
        u0, u1, v0, v1 = us[0], us[-1], vs[0], vs[-1]
        if kind == "park":
            self._park(things, rng, u0, u1, v0, v1)
            return
        setback = {"city": 0.0, "terrace": rng.uniform(1.5, 3.5), "house": rng.uniform(3.5, 7.0),
                   "office": rng.uniform(3.0, 8.0)}[kind]
        deep = min(setback + 1.1 * _SIZES[kind][0], 0.45 * (v1 - v0))
        # rows along the whole of two sides, and along what is left of the others
        sides = [_Side((u1, v0), 2, u1 - u0), _Side((u0, v1), 0, u1 - u0),
                 _Side((u0, v0 + deep), 1, v1 - v0 - 2 * deep),
                 _Side((u1, v1 - deep), 3, v1 - v0 - 2 * deep)]
        for side in sides:
            self._row(things, rng, side, kind, setback)

    def _row(self, things: Collector, rng, side: _Side, kind: str, setback: float) -> None:
        """Buildings along one side, with what is before and between them."""
        designs = self._designs(kind)
        look, closed = int(rng.integers(_STYLES)), kind in _ROWS
        x = 0.0 if closed else rng.uniform(0.0, 2.0)
        before: Callable | None = None if setback == 0 else self._boundary(rng)
        while side.length - x > 6.0:
            if kind != "terrace" or rng.random() < 0.25:
                look = int(rng.integers(_STYLES))
            left = side.length - x
            design = designs[look][int(rng.integers(_WIDTHS))]
            width = design.width
            if closed and left - width < 6.0:
                # the last one fills what is left
                design = min(designs[look], key=lambda d: abs(np.log(d.width / left)))
                width = left
            elif width > left:
                break
            gap = 0.0 if closed else rng.uniform(2.5, 6.0)
            if closed and rng.random() < 0.04:
                # a gap between buildings, closed by a wall
                self._barrier(things, rng, barriers.wall, side, x, -0.3, min(width, 7.0), 2.2)
                x += min(width, 7.0)
                continue
            self._build(things, side, x, -setback, design, width, rng.uniform(0.88, 1.1))
            if setback > 0:
                self._front_garden(things, rng, side, x, width + gap, setback, before)
            x += width + gap

    def _build(self, things: Collector, side: _Side, x: float, y: float, design: _Design,
               width: float, shade: float) -> None:
        u, v = side.place(x, y)
        middle = side.place(x + 5.0, y)
        base = self._plan.height(*middle) + KERB
        turn = yaw_rotation(side.turns * np.pi / 2) * [width / design.width, 1.0, 1.0]
        placed, blockers = (self._plan.bent(part.moved(turn, (u, v, 0.0)), base)
                            for part in (design.made.faces, design.made.shell))
        placed = replace(placed, tint=placed.tint * np.float32(shade))
        things.add(placed, blockers, farthest=_FAR)

    def _boundary(self, rng) -> Callable | None:
        """What divides front gardens from the pavement: a fence, a wall or a hedge."""
        kinds = (*barriers.FENCES, barriers.wall, None, None)
        return kinds[int(rng.integers(len(kinds)))]

    def _barrier(self, things: Collector, rng, kind: Callable, side: _Side, x: float, y: float,
                 length: float, height: float) -> None:
        faces = kind(rng, self._palette, length, height)
        u, v = side.place(x, y)
        turn = yaw_rotation(side.turns * np.pi / 2)
        placed = self._plan.bent(faces.moved(turn, (u, v, KERB)))
        things.add(placed, placed if kind is barriers.wall or kind is barriers.board_fence
                   else None, farthest=120.0)

    def _front_garden(self, things: Collector, rng, side: _Side, x: float, width: float,
                      setback: float, before: Callable | None) -> None:
        gate = 1.4
        door = rng.uniform(0.2, 0.6) * max(width - gate, 0.1)
        height = rng.uniform(0.7, 1.4)
        for start, stop in ((x, x + door), (x + door + gate, min(x + width, side.length))):
            if stop - start < 1.0:
                continue
            if before is not None:
                self._barrier(things, rng, before, side, start, -0.2, stop - start, height)
            elif rng.random() < 0.7:
                made = plants.hedge(rng, self._palette, stop - start, height)
                self._stand(things, made, side, (start + stop) / 2, -0.5)
        if setback > 2.5:
            for _ in range(int(rng.poisson(self._green * setback * width / 18))):
                bush = self._stock.pick(rng, "bush")
                self._stand(things, bush, side, x + rng.uniform(0, width),
                            -rng.uniform(1.2, setback - 0.5))
        if setback > 3.5 and rng.random() < 0.5 * self._green:
            self._plant(things, rng, *side.place(x + rng.uniform(0, width), -setback / 2))

    def _stand(self, things: Collector, made, side: _Side, x: float, y: float) -> None:
        u, v = side.place(x, y)
        rotation, place = self._plan.frame(u, v, (side.turns + 1) * np.pi / 2)
        things.stand(made, rotation, place + [0, 0, KERB])

    def _plant(self, things: Collector, rng, u: float, v: float) -> None:
        self._stock.plant_tree(things, rng, self._plan, u, v, KERB)

    def _park(self, things: Collector, rng, u0: float, u1: float, v0: float, v1: float) -> None:
        """Trees and bushes on grass behind a fence, a hedge or a wall."""
        before = (barriers.railing, barriers.wall, None, None)[int(rng.integers(4))]
        sides = [_Side((u1, v0), 2, u1 - u0), _Side((u0, v1), 0, u1 - u0),
                 _Side((u0, v0), 1, v1 - v0), _Side((u1, v1), 3, v1 - v0)]
        if before is not None:
            height = rng.uniform(1.0, 1.8)
            for side in sides:
                for x in np.arange(3.0, side.length - 9.0, 8.0):
                    self._barrier(things, rng, before, side, x, -0.4, 8.0, height)
        cells = int((u1 - u0) * (v1 - v0) / 90)
        for _ in range(min(cells, 60)):
            u, v = rng.uniform(u0 + 3, u1 - 3), rng.uniform(v0 + 3, v1 - 3)
            if rng.random() < 0.65:
                self._plant(things, rng, u, v)
            else:
                rotation, place = self._plan.frame(u, v, rng.uniform(0, 6))
                things.stand(self._stock.pick(rng, "bush"), rotation, place + [0, 0, KERB])
