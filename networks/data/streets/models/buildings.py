"""Buildings: facades of windows and doors in rows, with sills, balconies and roofs.

A building's frame has x along its front from 0, y = 0 at the front with the street at y > 0,
z up from the pavement.
"""

from dataclasses import dataclass

import numpy as np

from scenecode.networks.data.rendering.faces import TRIANGLE, Faces, box, join, patches
from scenecode.networks.data.streets.models.palette import FACADES, WINDOWS, Palette
from scenecode.networks.data.streets.models.shapes import loft, quads, repeated, ring

_LABEL = "building"
#: walls reach this far below the pavement, metres, for ground that slopes
FOOT = 1.5


@dataclass(frozen=True)
class Style:
    """How a building looks."""

    #: number of the facade in the palette
    facade: int
    tint: np.ndarray
    storeys: int
    storey: float
    bay: float
    #: "flat", "gable" (ridge along the front) or "hip"
    roof: str
    #: what is on the ground floor: share of bays with shops
    shops: float
    balconies: bool


@dataclass(frozen=True)
class Building:
    faces: Faces
    #: walls and roof alone
    shell: Faces


def style(rng, kind: str) -> Style:
    """A random style of a ``kind``: "city", "terrace", "house" or "office"."""
    facade = FACADES - 1 if kind == "office" else int(rng.integers(FACADES - 1))
    storeys = {"city": (3, 7), "terrace": (2, 4), "house": (1, 3), "office": (3, 9)}[kind]
    roof = {"city": ("flat", "flat", "gable"), "terrace": ("gable", "gable", "flat"),
            "house": ("gable", "hip"), "office": ("flat",)}[kind]
    return Style(facade=facade,
                 tint=rng.uniform(0.85, 1.1) * rng.uniform(0.94, 1.06, 3),
                 storeys=int(rng.integers(*storeys)),
                 storey=rng.uniform(2.7, 3.4) if kind != "house" else rng.uniform(2.5, 2.9),
                 bay=rng.uniform(2.3, 3.4) if kind != "office" else rng.uniform(3.5, 5.0),
                 roof=str(rng.choice(roof)),
                 shops=float(rng.uniform(0.3, 1.0)) if kind == "city" and rng.random() < 0.6
                 else 0.0,
                 balconies=kind in ("city", "house") and rng.random() < 0.3)


def building(rng, palette: Palette, look: Style, width: float, depth: float,
             windows_at: tuple[str, ...] = ("front", "back")) -> Building:
    """A building ``width`` x ``depth`` metres; ``windows_at`` names the sides with windows
    ("front", "back", "left", "right"), the others are bare walls."""
    storeys = look.storeys
    ground = look.storey * (1.25 if look.shops else 1.05)
    top = ground + (storeys - 1) * look.storey
    wall = palette.surface(f"wall{look.facade}", _LABEL, look.tint)
    shell = []
    sides = {"front": ((width, 0), (0, 0)), "back": ((0, -depth), (width, -depth)),
             "right": ((width, -depth), (width, 0)), "left": ((0, 0), (0, -depth))}
    for name, (start, stop) in sides.items():
        shell.append(_upright(start, stop, -FOOT, 0.0, wall))
        if name in windows_at:
            shell += _rows(rng, palette, look, start, stop, ground, name == "front")
        else:
            shell.append(_upright(start, stop, 0.0, top, wall))
    parts = _relief(rng, palette, look, width, ground, top)
    roof, blocks = _roof(rng, palette, look, width, depth, top)
    return Building(faces=join([*shell, *parts, *roof]),
                    shell=join([_upright(a, b, -FOOT, top, wall) for a, b in sides.values()]
                               + blocks))


def _upright(start, stop, z0: float, z1: float, surface) -> Faces:
    """A wall seen from the right of the way from ``start`` to ``stop`` (x, y)."""
    (x0, y0), (x1, y1) = start, stop
    return patches([x0, y0, z0], [x1 - x0, y1 - y0, 0], [0, 0, z1 - z0], surface)


def _rows(rng, palette: Palette, look: Style, start, stop, ground: float, front: bool
          ) -> list[Faces]:
    """Storeys of windows between two corners, the lowest with doors and shops."""
    start, stop = np.array(start, float), np.array(stop, float)
    bays = max(1, round(float(np.linalg.norm(stop - start)) / look.bay))
    name = f"facade{look.facade}"
    parts = []
    for k in range(1, look.storeys):
        z = ground + (k - 1) * look.storey
        surface = palette.surface(name, _LABEL, look.tint, int(rng.integers(WINDOWS)))
        parts.append(repeated(_upright(start, stop, z, z + look.storey, surface), bays, 1))
    shops = look.shops if front else 0.0
    first = int(rng.integers(bays))
    for k in range(bays):
        a, b = (start + (stop - start) * share for share in (k / bays, (k + 1) / bays))
        if rng.random() < shops:
            surface = palette.surface("shop_front", _LABEL, look.tint, int(rng.integers(4)))
        else:
            surface = palette.surface(name, _LABEL, look.tint, int(rng.integers(WINDOWS)))
        if front and k == first and not shops:
            surface = palette.surface(f"wall{look.facade}", _LABEL, look.tint)
            parts.append(_upright(a, b, 0.0, ground, surface))
            parts.append(_entrance(rng, palette, (a + b) / 2, look))
        else:
            parts.append(repeated(_upright(a, b, 0.0, ground, surface), 1, 1))
    return parts


def _entrance(rng, palette: Palette, at, look: Style) -> Faces:
    """A door with its step and maybe a roof."""
    x, w, h = float(at[0]), 0.55, 2.15
    leaf = palette.surface("door", _LABEL, variant=int(rng.integers(3)))
    stone = palette.surface("concrete", _LABEL, rng.uniform(0.7, 1.1))
    parts = [box((x - w, 0, 0.12), (x + w, 0.03, h), leaf, only=("+y",)),
             box((x - w - 0.15, 0, -0.3), (x + w + 0.15, 0.45, 0.12), stone, skip=("-y", "-z")),
             box((x - w - 0.12, 0, h), (x + w + 0.12, 0.07, h + 0.15), stone, skip=("-y",)),
             *(box((x + side - 0.06, 0, 0), (x + side + 0.06, 0.07, h), stone, skip=("-y",))
               for side in (-w - 0.06, w + 0.06))]
    if rng.random() < 0.4:
        parts.append(box((x - w - 0.4, 0, h + 0.2), (x + w + 0.4, 0.9, h + 0.3), stone,
                         skip=("-y",)))
    return join(parts)


def _relief(rng, palette: Palette, look: Style, width: float, ground: float, top: float
            ) -> list[Faces]:
    """What stands out from the front: bands, eaves, balconies, awnings, down pipes."""
    trim = palette.surface("concrete", _LABEL, rng.uniform(0.8, 1.3) * look.tint)
    parts = [box((0, 0, top - 0.3), (width, 0.22, top), trim, skip=("-y",))]
    if rng.random() < 0.6:
        parts.append(box((0, 0, ground - 0.12), (width, 0.12, ground + 0.08), trim, skip=("-y",)))
    if rng.random() < 0.5:
        parts.append(box((0, 0, 0), (width, 0.05, 0.5), trim, skip=("-y", "-z")))
    metal = palette.paint(np.full(3, rng.uniform(0.15, 0.6)), _LABEL)
    if rng.random() < 0.6:
        parts.append(box((width - 0.18, 0, 0), (width - 0.08, 0.1, top - 0.3), metal,
                         skip=("-y", "-z")))
    bays = max(1, round(width / look.bay))
    if look.balconies:
        for k in range(1, look.storeys):
            z = ground + (k - 1) * look.storey
            for b in range(int(rng.integers(2)), bays, 2):
                x0, x1 = (b + 0.1) * width / bays, (b + 0.9) * width / bays
                parts += [box((x0, 0, z - 0.1), (x1, 1.1, z + 0.05), trim, skip=("-y",)),
                          box((x0, 1.04, z + 0.05), (x1, 1.1, z + 1.0), metal, skip=("-y", "-z")),
                          *(box((x - 0.03, 0, z + 0.05), (x + 0.03, 1.1, z + 1.0), metal,
                                skip=("-y", "-z")) for x in (x0 + 0.03, x1 - 0.03))]
    if look.shops and rng.random() < 0.7:
        colour = palette.surface("cloth", _LABEL, rng.uniform(0.3, 1.1, 3))
        for b in range(bays):
            if rng.random() < 0.4:
                x0, x1 = (b + 0.05) * width / bays, (b + 0.95) * width / bays
                z = 0.76 * ground
                corners = [[x0, 1.2, z - 0.35], [x1, 1.2, z - 0.35], [x1, 0, z], [x0, 0, z]]
                parts.append(quads([corners, corners[::-1]], colour))
    return parts


def _roof(rng, palette: Palette, look: Style, width: float, depth: float, top: float
          ) -> tuple[list[Faces], list[Faces]]:
    """Faces of the roof, and those of them that cast its shadow."""
    wall = palette.surface(f"wall{look.facade}", _LABEL, look.tint)
    if look.roof == "flat":
        rim = rng.uniform(0.2, 0.9)
        felt = palette.surface("concrete", _LABEL, 0.75)
        high = box((0, -depth, top), (width, 0, top + rim), wall, skip=("-z", "+z"))
        cap = box((0, -depth, top), (width, 0, top + rim), felt, only=("+z",))
        extra = []
        if rng.random() < 0.5 and width > 8:
            x, z = rng.uniform(1, width - 5), top + rim
            extra.append(box((x, -depth * 0.7, z), (x + rng.uniform(2, 4), -depth * 0.35,
                                                    z + rng.uniform(1.2, 2.6)), wall,
                             skip=("-z",)))
        return [high, cap, *extra], [high, cap, *extra]
    tiles = palette.surface("roof_tiles", _LABEL, rng.uniform(0.8, 1.15), int(rng.integers(2)))
    rise = rng.uniform(0.3, 0.5) * depth
    over = 0.35
    if look.roof == "hip":
        inset = min(width, depth) / 2 - 0.1
        roof = [loft([ring(-over, -depth - over, width + over, over, top - 0.1),
                      ring(inset, -depth / 2 - 0.1, width - inset, -depth / 2 + 0.1, top + rise)],
                     tiles, tiles)]
        blocks = roof
    else:
        middle, drop = -depth / 2, 2 * rise * over / depth
        ridge = [[0, middle, top + rise], [width, middle, top + rise]]
        front = [[width, over, top - drop], [0, over, top - drop]]
        back = [[0, -depth - over, top - drop], [width, -depth - over, top - drop]]
        slopes = quads([[*front, *ridge], [*back, *ridge[::-1]]], tiles)
        gables = [patches([0, 0, top], [0, -depth, 0], [0, -depth / 2, rise], wall, TRIANGLE),
                  patches([width, -depth, top], [0, depth, 0], [0, depth / 2, rise], wall,
                          TRIANGLE)]
        roof, blocks = [slopes, *gables], [slopes, *gables]
    for _ in range(int(rng.integers(0, 3))):
        x = rng.uniform(0.15, 0.85) * width
        y = -depth / 2 + rng.uniform(-0.2, 0.2) * depth
        brick = palette.surface("concrete", _LABEL, (0.75, 0.55, 0.48))
        roof.append(box((x - 0.35, y - 0.25, top + 0.3 * rise), (x + 0.35, y + 0.25,
                                                               top + rise + 0.9), brick,
                        skip=("-z",)))
    return roof, blocks
