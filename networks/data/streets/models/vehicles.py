"""Cars, vans, trucks and buses."""

import numpy as np

from scenecode.networks.data.rendering.faces import Faces, box, join
from scenecode.networks.data.streets.models.palette import Palette
from scenecode.networks.data.streets.models.shapes import (
    Model,
    loft,
    model,
    polygon,
    quads,
    ring,
)

#: common colours of cars, red green blue in [0, 1], the frequent ones repeated
COLOURS = ((0.08, 0.08, 0.09), (0.08, 0.08, 0.09), (0.08, 0.08, 0.09), (0.55, 0.56, 0.58),
           (0.55, 0.56, 0.58), (0.65, 0.65, 0.66), (0.85, 0.85, 0.85), (0.85, 0.85, 0.85),
           (0.82, 0.83, 0.85), (0.3, 0.31, 0.33), (0.25, 0.25, 0.27), (0.12, 0.2, 0.42),
           (0.55, 0.08, 0.08), (0.15, 0.3, 0.2), (0.6, 0.52, 0.35), (0.75, 0.35, 0.08),
           (0.2, 0.4, 0.6), (0.8, 0.7, 0.2))


def ground_below(length: float, width: float, palette: Palette) -> Faces:
    """The road that a vehicle hides from the sky: darker under it and a little beside it."""
    parts = []
    for grow, z, shade in ((0.35, 0.011, 0.72), (0.1, 0.014, 0.4)):
        x, y = width / 2 + grow, length / 2 + grow
        parts.append(box((-x, -y, 0.0), (x, y, z), palette.surface("asphalt", "road", shade),
                         only=("+z",)))
    return join(parts)


def wheel(x: float, y: float, radius: float, width: float, palette: Palette, label: str) -> Faces:
    """A wheel whose outer face is at ``x``, on the ground."""
    side = 1.0 if x > 0 else -1.0
    rubber = palette.paint((0.05, 0.05, 0.05), label)
    rim = palette.paint((0.45, 0.45, 0.47), label)
    centre = np.array([x, y, radius])
    a, b = np.array([0, radius, 0]), np.array([0, 0, radius]) * side
    angle = np.arange(11) * (2 * np.pi / 10)
    tread = centre + np.cos(angle)[:, None] * a + np.sin(angle)[:, None] * b
    inner = tread - [side * width, 0, 0]
    return join([polygon(centre, a, b, 10, rubber),
                 polygon(centre + [side * 0.01, 0, 0], 0.6 * a, 0.6 * b, 8, rim),
                 quads(np.stack([tread[:-1], inner[:-1], inner[1:], tread[1:]], 1), rubber)])


def _panes(low: np.ndarray, high: np.ndarray, glass, insets) -> list[Faces]:
    """Glass on the four sides between two rings, each as shares (left, right, bottom, top) of
    its side; several panes on a side where there are several."""
    parts = []
    for k in range(4):
        a, b, c, d = low[k], low[(k + 1) % 4], high[(k + 1) % 4], high[k]
        normal = np.cross(b - a, d - a)
        lift = 0.012 * normal / np.linalg.norm(normal)

        def at(s, t, a=a, b=b, c=c, d=d, lift=lift):
            return (1 - t) * ((1 - s) * a + s * b) + t * ((1 - s) * d + s * c) + lift
        for left, right, bottom, top in insets[k]:
            parts.append(quads([[at(left, bottom), at(right, bottom), at(right, top),
                                 at(left, top)]], glass))
    return parts


def _lamps(length: float, width: float, z: float, palette: Palette, label: str) -> list[Faces]:
    """Head lamps, tail lamps and number plates on the ends of a body."""
    x, y = width / 2, length / 2 + 0.012
    parts = []
    for end, colour in ((1, (0.95, 0.95, 0.9)), (-1, (0.6, 0.04, 0.04))):
        lamp = palette.paint(colour, label)
        side = "+y" if end > 0 else "-y"
        for left in (-x + 0.06, x - 0.4):
            parts.append(box((left, end * y - 0.01, z), (left + 0.34, end * y + 0.01, z + 0.13),
                             lamp, only=(side,)))
        parts.append(box((-0.26, end * y - 0.01, z - 0.22), (0.26, end * y + 0.01, z - 0.1),
                         palette.paint((0.9, 0.9, 0.85), label), only=(side,)))
        parts.append(box((-0.45, end * y - 0.012, z - 0.04), (0.45, end * y + 0.004, z + 0.1),
                         palette.paint((0.07, 0.07, 0.07), label), only=(side,)))
    return parts


#: length, width, height, and as shares of the length from the rear: where the cabin begins at the
#: belt and at the roof, where the roof and the windscreen end; height of belt and bonnet
_SHAPES = {
    "hatchback": (3.9, 1.7, 1.47, 0.0, 0.1, 0.56, 0.76, 0.9, 0.86),
    "saloon": (4.6, 1.8, 1.43, 0.13, 0.27, 0.57, 0.74, 0.9, 0.84),
    "estate": (4.7, 1.8, 1.48, 0.01, 0.07, 0.57, 0.74, 0.9, 0.85),
    "suv": (4.5, 1.86, 1.7, 0.02, 0.08, 0.56, 0.74, 1.02, 1.0),
    "van": (5.0, 1.95, 1.95, 0.0, 0.02, 0.7, 0.86, 1.1, 1.02),
}


def car(rng, palette: Palette) -> Model:
    """A passenger car of a random shape and colour."""
    names = list(_SHAPES)
    length, width, height, r0, r1, f1, f0, belt, bonnet = _SHAPES[
        names[int(rng.choice(len(names), p=(0.3, 0.25, 0.17, 0.18, 0.1)))]]
    length, width, height = (v * rng.uniform(0.96, 1.05) for v in (length, width, height))
    paint = palette.paint(np.clip(np.array(COLOURS[int(rng.integers(len(COLOURS)))])
                                  * rng.uniform(0.85, 1.15), 0, 1), "car")
    dark = palette.paint((0.07, 0.07, 0.08), "car")
    glass = palette.surface("car_glass", "car")
    x, y, sill = width / 2, length / 2, 0.2
    middle = 0.55 * belt + 0.1
    rings = [ring(-x + 0.05, -y + 0.1, x - 0.05, y - 0.12, sill),
             ring(-x, -y, x, y, middle - 0.12),
             ring(-x, -y + 0.03, x, y - 0.04, middle + 0.05)]
    at = [-y + share * length for share in (r0, r1, f1, f0)]
    body = [loft(rings, paint),
            # bonnet, rising to the windscreen; boot
            loft([rings[-1], np.array([[-x + 0.05, -y + 0.06, belt], [x - 0.05, -y + 0.06, belt],
                                       [x - 0.08, y - 0.25, bonnet - 0.08],
                                       [-x + 0.08, y - 0.25, bonnet - 0.08]])], paint, paint)]
    low = ring(-x + 0.06, max(at[0], -y + 0.07), x - 0.06, at[3], belt - 0.03)
    high = ring(-x + 0.2, at[1], x - 0.2, at[2], height)
    low[2:, 2] = bonnet - 0.01
    body.append(loft([low, high], paint, paint))
    side = ((0.06, 0.47, 0.1, 0.88), (0.51, 0.93, 0.1, 0.88))
    body += _panes(low, high, glass, (((0.05, 0.95, 0.12, 0.9),), side,
                                      ((0.04, 0.96, 0.06, 0.94),), side))
    body += _lamps(length, width, middle - 0.02, palette, "car")
    # bumpers' lower edge, door mirrors
    body.append(box((-x + 0.04, -y + 0.05, sill - 0.03), (x - 0.04, y - 0.06, sill + 0.06), dark,
                    skip=("-z",)))
    for mx in (-x - 0.14, x):
        body.append(box((mx, at[3] - 0.55, belt), (mx + 0.14, at[3] - 0.45, belt + 0.12), paint))
    radius = 0.31 if height < 1.6 else 0.36
    wheels = [wheel(sx * (x + 0.01), wy, radius, 0.2, palette, "car")
              for sx in (-1, 1) for wy in (-y + 0.19 * length, y - 0.2 * length)]
    shadow = join([box((-x, -y, 0.1), (x, y, belt), dark, skip=("-z",)), loft([low, high], dark,
                                                                             dark)])
    return model(join([*body, *wheels, ground_below(length, width, palette)]), shadow)


def _long(rng, palette: Palette, label: str, length, width, height, paint, rows, wheels) -> Model:
    """A box on wheels with rows of glass (z0, z1, share of the length from the rear to the
    front)."""
    x, y = width / 2, length / 2
    dark, glass = palette.paint((0.07, 0.07, 0.08), label), palette.surface("car_glass", label)
    low, high = ring(-x, -y, x, y, 0.35), ring(-x + 0.04, -y + 0.03, x - 0.04, y - 0.08, height)
    parts = [loft([low, high], paint, paint), *_lamps(length, width, 0.75, palette, label)]
    for z0, z1, start, stop in rows:
        for share in np.arange(start, stop - 1e-6, (stop - start) / 6):
            y0 = -y + share * length + 0.05
            y1 = -y + (share + (stop - start) / 6) * length - 0.05
            for sx in (-1, 1):
                parts.append(box((sx * x - 0.012, y0, z0), (sx * x + 0.012, y1, z1), glass,
                                 only=("+x" if sx > 0 else "-x",)))
    front = y - 0.03
    parts.append(box((-x + 0.1, front, 1.25), (x - 0.1, front + 0.045, height - 0.45), glass,
                     only=("+y",)))
    parts += [wheel(sx * (x + 0.01), -y + share * length, 0.48, 0.28, palette, label)
              for sx in (-1, 1) for share in wheels]
    parts.append(ground_below(length, width, palette))
    return model(join(parts), box((-x, -y, 0.2), (x, y, height), dark, skip=("-z",)))


def bus(rng, palette: Palette) -> Model:
    colour = ((0.7, 0.1, 0.1), (0.85, 0.7, 0.1), (0.85, 0.85, 0.85), (0.1, 0.35, 0.6),
              (0.15, 0.5, 0.3))[int(rng.integers(5))]
    body = _long(rng, palette, "bus", rng.uniform(10.5, 12.5), 2.5, rng.uniform(2.9, 3.2),
                 palette.paint(colour, "bus"), ((1.2, 2.25, 0.02, 0.97),), (0.22, 0.78))
    y = float(body.faces.corners[..., 1].max())
    rear = palette.surface("car_glass", "bus")
    extra = [box((-1.0, -y + 0.0, 1.5), (1.0, -y + 0.012, 2.5), rear, only=("-y",)),
             box((-0.8, y - 0.02, 2.55), (0.8, y + 0.01, 2.8),
                 palette.paint((0.95, 0.6, 0.1), "bus", emission=0.9), only=("+y",))]
    return model(join([body.faces, *extra]), body.blockers)


def truck(rng, palette: Palette) -> Model:
    """A cab and a box, a flat bed or a tank behind it."""
    colour = np.array(COLOURS[int(rng.integers(len(COLOURS)))])
    cab = _long(rng, palette, "truck", 2.0, 2.4, 2.7, palette.paint(colour, "truck"),
                ((1.35, 2.1, 0.3, 0.9),), (0.5,))
    length, height = rng.uniform(4.5, 7.5), rng.uniform(2.9, 3.7)
    load = palette.surface("siding", "truck", rng.uniform(0.8, 1.1, 3))
    dark = palette.paint((0.1, 0.1, 0.1), "truck")
    rear = -length / 2
    parts = [cab.faces.moved(np.eye(3), (0, length / 2 + 0.1, 0)),
             box((-1.2, rear, 1.0), (1.2, length / 2 - 0.95, height), load),
             box((-0.45, rear, 0.6), (0.45, length / 2, 1.0), dark),
             box((-1.2, rear - 0.02, 0.55), (1.2, rear, 0.7),
                 palette.paint((0.6, 0.05, 0.05), "truck"))]
    parts.append(ground_below(length, 2.3, palette))
    parts += [wheel(sx * 1.2, wy, 0.48, 0.3, palette, "truck") for sx in (-1, 1)
              for wy in (rear + 1.1, rear + 2.2)]
    shadow = box((-1.2, rear, 0.3), (1.2, length / 2 + 1.1, height), dark, skip=("-z",))
    return model(join(parts), shadow)
