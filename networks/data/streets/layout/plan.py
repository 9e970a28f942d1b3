"""The plan of a town: a grid of streets, and the map from its plan to the world.

Plan coordinates (u, v) are metres; streets run along u or v, blocks are rectangles.  The world is
``x = u + a(v)``, ``y = v + b(u)``, ``z = c(u) + d(v)``: streets become curved and sloped, and
because each term depends on u or v alone, a rectangle along the axes becomes exactly a flat
parallelogram.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from scenecode.networks.data.rendering.faces import Faces

#: a street runs along u, or along v
ALONG_U, ALONG_V = 0, 1
#: pieces of ground are at most this long, metres
_PIECE = 8.0


@dataclass(frozen=True)
class Street:
    """One street of the grid: widths in metres, each on both sides of its middle."""

    #: v of a street along u, u of one along v
    middle: float
    #: lanes for each direction
    lanes: int
    lane: float
    cycle: float
    parking: float
    verge: float
    pavement: float
    #: half the width of a planted strip in the middle
    median: float
    #: whether lines are painted along it
    marked: bool

    @property
    def kerb(self) -> float:
        """Distance from the middle to the kerb."""
        return self.median + self.lanes * self.lane + self.cycle + self.parking

    @property
    def reach(self) -> float:
        """Distance from the middle to the edge of the blocks."""
        return self.kerb + self.verge + self.pavement

    def lane_middle(self, lane: int) -> float:
        """Distance from the street's middle to that of a lane, counted from the middle."""
        return self.median + (lane + 0.5) * self.lane


@dataclass(frozen=True)
class Warp:
    """Sums of sines that bend the plan: amplitudes (4, K) metres, wave numbers (4, K) per metre
    and phases (4, K) of a(v), b(u), c(u), d(v)."""

    amplitude: np.ndarray
    wave: np.ndarray
    phase: np.ndarray

    def at(self, which: int, t: np.ndarray) -> np.ndarray:
        """One of the four functions at (N,) metres."""
        a, k, p = self.amplitude[which], self.wave[which], self.phase[which]
        return (a * np.sin(k * t[:, None] + p)).sum(1)

    def scalar(self, which: int, t: float) -> tuple[float, float]:
        """One of the four functions and its derivative at one place."""
        terms = list(zip(self.amplitude[which].tolist(), self.wave[which].tolist(),
                         self.phase[which].tolist()))
        return (sum(a * math.sin(k * t + p) for a, k, p in terms),
                sum(a * k * math.cos(k * t + p) for a, k, p in terms))


class Plan:
    """The grid of a seed, without end in all directions."""

    def __init__(self, seed: int, bend: float, hills: float):
        rng = np.random.default_rng([seed, 10])
        self._seed = seed
        #: typical distance of streets along u and along v
        self._spacing = rng.uniform(70.0, 115.0, 2)
        #: how wide this town's streets tend to be, and how its people park
        self._wide, self._parks, self._green = rng.random(3)
        wave = 2 * np.pi / np.concatenate([rng.uniform(220, 420, (2, 2)),
                                           rng.uniform(250, 500, (2, 2))])
        share = rng.uniform(0.3, 1.0, (4, 2))
        # amplitude of the first in metres at a wave number of 0.02; curvature stays the same
        size = np.array([bend, bend, hills, hills])[:, None]
        self._warp = Warp(amplitude=size * share * (0.02 / wave) ** 2, wave=wave,
                          phase=rng.uniform(0, 2 * np.pi, (4, 2)))
        self.street = lru_cache(maxsize=None)(self._street)
        self.breaks = lru_cache(maxsize=None)(self._breaks)

    def _street(self, axis: int, index: int) -> Street:
        """Street ``index`` of those along ``axis``."""
        rng = np.random.default_rng([self._seed, 11, axis, index + 1_000_000])
        spacing = self._spacing[axis]
        main = rng.random() < 0.25 + 0.3 * self._wide
        lanes = 2 if main and rng.random() < 0.4 else 1
        return Street(
            middle=index * spacing + rng.uniform(-0.12, 0.12) * spacing, lanes=lanes,
            lane=rng.uniform(3.0, 3.6) if main else rng.uniform(2.7, 3.2),
            cycle=1.5 if main and rng.random() < 0.35 else 0.0,
            parking=2.1 if rng.random() < 0.35 + 0.5 * self._parks else 0.0,
            verge=rng.uniform(1.2, 2.5) if rng.random() < 0.2 + 0.4 * self._green else 0.0,
            pavement=rng.uniform(1.8, 2.6) + (rng.uniform(0, 2.0) if main else 0.0),
            median=rng.uniform(0.8, 2.0) if lanes == 2 and rng.random() < 0.5 else 0.0,
            marked=main or rng.random() < 0.55)

    def _breaks(self, axis: int, index: int) -> np.ndarray:
        """Where pieces of ground end, in the direction across the streets along ``axis``, from
        the edge of street ``index`` to that of the next."""
        near, far = self.street(axis, index), self.street(axis, index + 1)
        start, stop = near.middle + near.reach, far.middle - far.reach
        return np.linspace(start, stop, max(1, int(np.ceil((stop - start) / _PIECE))) + 1)

    def edges(self, axis: int, index: int) -> np.ndarray:
        """(6,) the lines of one street across it: edge, kerb, median, median, kerb, edge."""
        s = self.street(axis, index)
        return s.middle + np.array([-s.reach, -s.kerb, -s.median, s.median, s.kerb, s.reach])

    def nearest(self, axis: int, at: float) -> int:
        """Index of the street whose middle is nearest."""
        guess = round(at / self._spacing[axis])
        return min((guess - 1, guess, guess + 1),
                   key=lambda k: abs(self.street(axis, k).middle - at))

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) of plan points (N, 3), whose z is above the ground."""
        u, v, z = np.asarray(points, float).T
        return np.stack([u + self._warp.at(0, v), v + self._warp.at(1, u),
                         z + self._warp.at(2, u) + self._warp.at(3, v)], 1)

    def height(self, u: float, v: float) -> float:
        """Height of the ground."""
        return self._warp.scalar(2, u)[0] + self._warp.scalar(3, v)[0]

    def bent(self, faces: Faces, base: float | None = None) -> Faces:
        """Faces along the plan's axes, in the world: their z above the ground or, for what stays
        level, above ``base``."""
        corners = np.concatenate([faces.origin, faces.origin + faces.edge_s,
                                  faces.origin + faces.edge_t])
        placed = self.to_world(corners)
        if base is not None:
            placed[:, 2] = corners[:, 2] + base
        origin, s, t = placed.reshape(3, -1, 3)
        return replace(faces, origin=origin, edge_s=s - origin, edge_t=t - origin)

    def frame(self, u: float, v: float, heading: float, sloped: bool = False
              ) -> tuple[np.ndarray, np.ndarray]:
        """Rotation (3, 3) and place (3,) in the world of what stands at a plan point with its y
        towards ``heading``, radians in the plan from +u to +v; upright unless ``sloped``."""
        (a, da), (b, db), (c, dc), (d, dd) = (self._warp.scalar(k, t)
                                              for k, t in enumerate((v, u, u, v)))
        east, north = math.cos(heading), math.sin(heading)
        x, y = east + da * north, north + db * east
        z = dc * east + dd * north if sloped else 0.0
        flat, size = math.hypot(x, y), math.sqrt(x * x + y * y + z * z)
        rotation = np.array([[y / flat, x / size, -x * z / (flat * size)],
                             [-x / flat, y / size, -y * z / (flat * size)],
                             [0.0, z / size, flat / size]])
        return rotation, np.array([u + a, v + b, c + d])
