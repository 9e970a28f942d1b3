"""What one drives and walks on: carriageways with their markings, kerbs, pavements, verges."""

import numpy as np

from scenecode.networks.data.rendering.faces import (
    TRIANGLE,
    Faces,
    Surface,
    join,
    patches,
)
from scenecode.networks.data.streets.layout.parts import Collector
from scenecode.networks.data.streets.layout.plan import ALONG_U, ALONG_V, Plan, Street
from scenecode.networks.data.streets.models.palette import Palette
from scenecode.networks.data.streets.models.shapes import polygon

#: height of pavements over the road, width of kerb stones, metres
KERB, _STONE = 0.12, 0.15
#: heights of repairs and of paint over the road
_PATCH, _PAINT = 0.004, 0.009
#: distance of stop lines from the edge of the crossing street, without and with a zebra
_STOP, _ZEBRA_STOP = 0.8, 4.6


def level(us, vs, z: float, surface: Surface) -> Faces:
    """Level rectangles of a grid in the plan, their texture going on from one to the next."""
    us, vs = np.unique(us), np.unique(vs)
    u, v = (a.ravel() for a in np.meshgrid(us[:-1], vs[:-1], indexing="ij"))
    du, dv = (a.ravel() for a in np.meshgrid(np.diff(us), np.diff(vs), indexing="ij"))
    zero = np.zeros_like(u)
    faces = patches(np.stack([u, v, zero + z], 1), np.stack([du, zero, zero], 1),
                    np.stack([zero, dv, zero], 1), surface)
    tile = surface.tile or 1.0
    faces.uv[:, 2] = np.stack([u, -v], 1) / tile
    return faces


def _rows(along_v: bool, across, along, z: float, surface: Surface) -> Faces:
    """``level`` of a street: ``across`` it and ``along`` it."""
    return level(across, along, z, surface) if along_v else level(along, across, z, surface)


def _painted(along_v: bool, across: float, along: np.ndarray, width: float, length: float,
             surface: Surface) -> Faces:
    """Equal marks along a street, each from ``along`` on and as wide as ``width``."""
    zero = np.zeros_like(along)
    line, size, reach = zero + across, zero + width, zero + length
    if along_v:
        columns = (line, along), (size, zero), (zero, reach)
    else:
        columns = (along, line), (reach, zero), (zero, size)
    origin, s, t = (np.stack([*c, zero], 1) for c in columns)
    return patches(origin + [0, 0, _PAINT], s, t, surface)


def _step(along_v: bool, at: float, along: np.ndarray, toward: float, surface: Surface) -> Faces:
    """The upright face of a kerb at a line along a street, seen from the ``toward`` side."""
    along = np.asarray(along, float)
    start, stop = along[:-1], along[1:]
    # seen from the right of the way: turn round where the road is on the other side
    if (toward > 0) != along_v:
        start, stop = stop, start
    zero = np.zeros_like(start)
    line = np.full_like(start, at)
    if along_v:
        origin, edge = np.stack([line, start, zero], 1), np.stack([zero, stop - start, zero], 1)
    else:
        origin, edge = np.stack([start, line, zero], 1), np.stack([stop - start, zero, zero], 1)
    return patches(origin, edge, np.tile([0.0, 0.0, KERB], (len(start), 1)), surface)


class Ground:
    """Lays the ground of the pieces of a town."""

    def __init__(self, plan: Plan, palette: Palette, seed: int, right_hand: bool):
        self._plan, self._palette, self._seed = plan, palette, seed
        #: +1 where one drives on the right
        self._side = 1.0 if right_hand else -1.0
        rng = np.random.default_rng([seed, 12])
        grey = rng.uniform(0.85, 1.2)
        self._road = palette.surface("asphalt", "road", grey)
        self._repairs = [palette.surface("asphalt", "road", grey * f, 1) for f in (0.75, 1.14)]
        self._pavement = palette.surface("paving", "sidewalk", rng.uniform(0.85, 1.05))
        self._kerb = palette.surface("concrete", "sidewalk", rng.uniform(0.9, 1.15))
        self._grass = palette.surface("grass", "terrain")
        self._white = palette.surface("worn_paint", "road", 1.05)
        self._red = palette.surface("asphalt", "road", np.array([1.5, 0.8, 0.7]) * grey)
        self._dark = palette.paint((0.1, 0.1, 0.1), "road")
        self._red_lanes = rng.random() < 0.4

    def lay(self, things: Collector, i: int, j: int) -> None:
        """The crossing of street ``i`` along v with ``j`` along u, and both up to the next."""
        plan = self._plan
        us, vs = plan.edges(ALONG_V, i), plan.edges(ALONG_U, j)
        crossing = [level(us, vs, 0.0, self._road)]
        crossing += [part for su in (-1, 1) for sv in (-1, 1)
                     for part in self._corner(i, j, su, sv)]
        things.add(plan.bent(join(crossing)))
        for axis, index, other in ((ALONG_V, i, j), (ALONG_U, j, i)):
            along = plan.breaks(1 - axis, other)
            self._segment(things, axis, index, other, along)

    def _corner(self, i: int, j: int, su: int, sv: int) -> list[Faces]:
        """The pavement of one corner of a crossing, its kerb rounded."""
        a, b = self._plan.street(ALONG_V, i), self._plan.street(ALONG_U, j)
        u0, u1 = (a.middle + su * d for d in (a.kerb, a.reach))
        v0, v1 = (b.middle + sv * d for d in (b.kerb, b.reach))
        r = min(abs(u1 - u0), abs(v1 - v0))
        centre = np.array([u0 + su * r, v0 + sv * r, KERB])
        angle = np.linspace(0, np.pi / 2, 6)
        arc = centre - np.stack([su * r * np.cos(angle), sv * r * np.sin(angle), 0 * angle], 1)
        if su * sv < 0:
            arc = arc[::-1]
        fan = patches(np.tile(centre, (5, 1)), arc[:-1] - centre, arc[1:] - centre,
                      self._pavement, TRIANGLE)
        tile = self._pavement.tile or 1.0
        for k, edge in enumerate((fan.edge_s, fan.edge_t, fan.origin)):
            fan.uv[:, k] = edge[:, :2] * [1, -1] / tile
        low = arc - [0, 0, KERB]
        # the kerb is seen from the road, outside of the arc
        step = patches(low[:-1], low[1:] - low[:-1],
                       np.tile([0.0, 0.0, KERB], (5, 1)), self._kerb)
        rest = [level(sorted((u0 + su * r, u1)), sorted((v0, v1)), KERB, self._pavement)] \
            if abs(u1 - u0) > r + 1e-6 else []
        if abs(v1 - v0) > r + 1e-6:
            rest.append(level(sorted((u0, u0 + su * r)), sorted((v0 + sv * r, v1)), KERB,
                              self._pavement))
        return [fan, step, *rest]

    def _segment(self, things: Collector, axis: int, index: int, other: int, along) -> None:
        """A street between two crossings."""
        street, along_v = self._plan.street(axis, index), axis == ALONG_V
        m, parts = street.middle, []
        parts.append(_rows(along_v, self._plan.edges(axis, index)[1:5], along, 0.0, self._road))
        for s in (-1, 1):
            stone, verge = street.kerb + _STONE, street.kerb + _STONE + street.verge
            parts += [_step(along_v, m + s * street.kerb, along, -s, self._kerb),
                      _rows(along_v, m + s * np.array([street.kerb, stone]), along, KERB,
                            self._kerb),
                      _rows(along_v, m + s * np.array([verge, street.reach]), along, KERB,
                            self._pavement)]
            if street.verge:
                parts.append(_rows(along_v, m + s * np.array([stone, verge]), along, KERB,
                                   self._grass))
            if street.median:
                edge = along[1:-1] if len(along) > 3 else along
                parts += [_step(along_v, m + s * street.median, edge, s, self._kerb),
                          _rows(along_v, m + s * np.array([street.median - _STONE,
                                                           street.median]), edge, KERB,
                                self._kerb)]
        if street.median:
            edge = along[1:-1] if len(along) > 3 else along
            inner = street.median - _STONE
            parts.append(_rows(along_v, m + np.array([-inner, inner]), edge, KERB, self._grass))
        things.add(self._plan.bent(join(parts)))
        rng = np.random.default_rng([self._seed, 13, axis, index + 1_000_000, other + 1_000_000])
        things.add(self._plan.bent(join(self._markings(rng, street, along_v, along[0],
                                                       along[-1]))), farthest=160.0)

    def _markings(self, rng, street: Street, along_v: bool, start: float, stop: float
                  ) -> list[Faces]:
        """Repairs, covers and paint."""
        m, parts = street.middle, []

        def strip(offset: float, a: float, b: float, width: float, surface=self._white,
                  z: float = _PAINT) -> None:
            across = m + offset + np.array([-width / 2, width / 2])
            pieces = np.linspace(a, b, max(2, int((b - a) / 8.0) + 2))
            parts.append(_rows(along_v, across, pieces, z, surface))

        def dashes(offset: float, a: float, b: float, on: float, off: float, width=0.12) -> None:
            at = np.arange(a, b - on, on + off)
            if len(at):
                parts.append(_painted(along_v, m + offset - width / 2, at, width, on,
                                      self._white))
        inner = street.kerb - street.parking - street.cycle
        for _ in range(int(rng.poisson(2.5))):
            length, width = rng.uniform(1.0, 9.0), rng.uniform(0.6, 2.5)
            at, off = rng.uniform(start, stop - length), rng.uniform(-1, 1) * (inner - width / 2)
            strip(off, at, at + length, width, self._repairs[int(rng.integers(2))], _PATCH)
        for _ in range(int(rng.poisson(3))):
            off, at = rng.uniform(-0.8, 0.8) * inner, rng.uniform(start, stop - 4)
            strip(off, at, min(at + rng.uniform(5, 40), stop), 0.04, self._dark, _PATCH)
        for _ in range(int(rng.poisson(4))):
            at, off = rng.uniform(start, stop), rng.uniform(-1, 1) * (street.kerb - 0.5)
            centre = [m + off, at, _PATCH + 0.002] if along_v else [at, m + off, _PATCH + 0.002]
            parts.append(polygon(centre, (0.33, 0, 0), (0, 0.33, 0), 10, self._dark))
        for s in (-1, 1):
            if street.cycle:
                middle = inner + street.cycle / 2
                if self._red_lanes:
                    strip(s * middle, start, stop, street.cycle - 0.2, self._red, 0.006)
                dashes(s * inner, start, stop, 1.0, 1.0)
            if street.parking:
                bay = rng.uniform(5.2, 6.0)
                edge = street.kerb - street.parking
                dashes(s * edge, start, stop, bay, 0.02 if rng.random() < 0.5 else 1.0, 0.1)
                parts.append(_painted(along_v, m + (edge if s > 0 else -edge - 0.9),
                                      np.arange(start + 1, stop - 1, bay), 0.9, 0.1,
                                      self._white))
            if street.lanes == 2:
                dashes(s * (street.median + street.lane), start, stop, 3.0, 4.5)
        if street.marked and not street.median:
            if street.lanes == 2:
                strip(0.12, start, stop, 0.1)
                strip(-0.12, start, stop, 0.1)
            elif rng.random() < 0.2:
                strip(0.0, start, stop, 0.12)
            else:
                dashes(0.0, start + 1, stop, 3.0, rng.choice([3.0, 6.0]))
        for end, sign in ((stop, 1.0), (start, -1.0)):
            parts += self._stop(rng, street, along_v, end, sign)
        return parts

    def _stop(self, rng, street: Street, along_v: bool, end: float, sign: float) -> list[Faces]:
        """Stop line, zebra and arrows of those who drive in the direction ``sign`` to ``end``."""
        m, parts = street.middle, []
        inner = street.kerb - street.parking
        zebra = rng.random() < 0.45
        if zebra:
            a, b = sorted((end - sign * 0.6, end - sign * 3.8))
            off = np.arange(-street.kerb + 0.4, street.kerb - 0.5, 1.0)
            off = off[np.abs(off + 0.25) > street.median + 0.3]
            parts.append(_painted(not along_v, a, m + off, b - a, 0.5, self._white))
        if not street.marked:
            return parts
        # towards +v one is at higher u on the right, towards +u at lower v
        side = sign * self._side * (1.0 if along_v else -1.0)
        at = end - sign * (_ZEBRA_STOP if zebra else _STOP)
        across = m + side * np.array([street.median + 0.1, inner - 0.1])
        parts.append(_rows(along_v, across, np.array([at, at - sign * 0.4]), _PAINT, self._white))
        if street.lanes == 2:
            for lane in range(2):
                middle = m + side * street.lane_middle(lane)
                tail, head = at - sign * 9.0, at - sign * 6.0
                parts.append(_rows(along_v, middle + np.array([-0.08, 0.08]),
                                   np.array([tail, head]), _PAINT, self._white))
                tip = head + sign * 1.2
                corners = np.array([[middle - 0.45, head], [middle + 0.45, head], [middle, tip]])
                corners = corners if along_v else corners[:, ::-1]
                a, b, c = np.concatenate([corners, np.full((3, 1), _PAINT)], 1)
                if np.cross(b - a, c - a)[2] < 0:
                    b, c = c, b
                parts.append(patches(a, b - a, c - a, self._white, TRIANGLE))
        return parts
