"""What stands beside a road: lamps, signs, traffic lights, bollards, and other small things.

Signs and signals face y, lamps reach out over y.
"""

import numpy as np

from scenecode.networks.data.rendering.faces import TRIANGLE, Faces, box, join, patches, revolve
from scenecode.networks.data.streets.models.palette import Palette
from scenecode.networks.data.streets.models.shapes import Model, disc, model, polygon, tube

_STEEL = (0.5, 0.51, 0.52)


def _post(palette: Palette, height: float, radius: float = 0.04, colour=_STEEL) -> Faces:
    return tube((0, 0, -0.2), (0, 0, height), radius, palette.paint(colour, "pole"), 6)


def lamp(rng, palette: Palette) -> Model:
    """A street lamp."""
    height, reach = rng.uniform(5.0, 8.5), rng.uniform(0.8, 1.8)
    colour = (_STEEL, (0.12, 0.14, 0.13), (0.35, 0.4, 0.36))[int(rng.integers(3))]
    metal = palette.paint(colour, "pole")
    parts = [tube((0, 0, -0.2), (0, 0, 1.1), 0.1, metal, 8),
             tube((0, 0, 1.1), (0, 0, height), 0.06, metal, 6)]
    if rng.random() < 0.7:
        parts += [tube((0, 0, height), (0, reach, height + 0.25), 0.04, metal),
                  box((-0.14, reach - 0.1, height + 0.18), (0.14, reach + 0.55, height + 0.3),
                      metal)]
    else:
        parts.append(revolve([(0.08, height), (0.22, height + 0.1), (0.18, height + 0.5),
                              (0.05, height + 0.62)], palette.paint((0.8, 0.8, 0.75), "pole"), 8))
    return model(join(parts), tube((0, 0, 0), (0, 0, height), 0.08, metal))


#: texture and shape of road signs, the frequent ones repeated
_SIGNS = (("speed_limit", "disc"), ("speed_limit", "disc"), ("no_entry", "disc"),
          ("blue_arrow", "disc"), ("warning", "triangle"), ("parking", "square"),
          ("directions", "board"))


def sign(rng, palette: Palette, texture: str | None = None) -> Model:
    """A road sign on its post, by default a random one."""
    shapes = dict(_SIGNS, stop="octagon", priority="diamond")
    texture = texture or _SIGNS[int(rng.integers(len(_SIGNS)))][0]
    shape, height = shapes[texture], rng.uniform(2.1, 2.6)
    face = palette.surface(texture, "traffic sign", variant=int(rng.integers(4)))
    back = palette.paint((0.55, 0.56, 0.57), "traffic sign")
    r, y = rng.uniform(0.3, 0.38), 0.06
    middle = np.array([0.0, y, height + r])
    across, up = np.array([-1.0, 0, 0]), np.array([0, 0, 1.0])
    if shape == "disc":
        plate = [disc(middle, r * across, r * up, face),
                 polygon(middle - [0, 0.015, 0], -r * across, r * up, 12, back)]
    elif shape == "octagon":
        plate = [disc(middle, r * across, r * up, face),
                 polygon(middle - [0, 0.01, 0], r * 1.02 * across, r * 1.02 * up, 8,
                         palette.paint((0.8, 0.06, 0.08), "traffic sign")),
                 polygon(middle - [0, 0.02, 0], -r * across, r * up, 8, back)]
    elif shape == "triangle":
        base = middle - [0, 0, 0.6 * r]
        plate = [_triangle(base, 1.15 * r, face), _triangle(base - [0, 0.015, 0], -1.15 * r, back)]
    elif shape == "diamond":
        plate = [box((-0.7 * r, -0.01, -0.7 * r), (0.7 * r, 0.01, 0.7 * r), face, only=("+y",)),
                 box((-0.7 * r, -0.01, -0.7 * r), (0.7 * r, 0.01, 0.7 * r), back, skip=("+y",))]
        turn = np.array([[1, 0, -1], [0, 2 ** 0.5, 0], [1, 0, 1]]) / 2 ** 0.5
        plate = [p.moved(turn, middle) for p in plate]
    else:
        w, h = (r, r) if shape == "square" else (rng.uniform(0.6, 1.1), rng.uniform(0.3, 0.6))
        plate = [box((-w, y - 0.01, height), (w, y + 0.01, height + 2 * h), back, skip=("+y",)),
                 box((-w, y - 0.01, height), (w, y + 0.01, height + 2 * h), face, only=("+y",))]
    return model(join([_post(palette, height + r), *plate]))


def _triangle(base, r: float, surface) -> Faces:
    """Upright and seen from y, or from behind where ``r`` is negative."""
    size = abs(r)
    face = patches(base + [r, 0, 0], [-2 * r, 0, 0], [-r, 0, 1.73 * size], surface, TRIANGLE)
    if surface.tile is None:
        face.uv[:] = [[[1.0, 0.0], [0.5, -1.0], [0.0, 1.0]]]
    return face


def traffic_light(rng, palette: Palette, colour: str, arm: float = 0.0) -> Model:
    """Lights at eye height, and on an ``arm`` (metres) over the road where there is one;
    ``colour`` is that of the lit lamp."""
    post = _post(palette, 3.4 if arm == 0 else 5.6, 0.07, (0.3, 0.32, 0.32))
    parts = [post, _head(palette, (0, 0.05, 2.3), colour)]
    if arm > 0:
        parts += [tube((0, 0, 5.5), (arm, 0, 5.6), 0.05, palette.paint(_STEEL, "pole")),
                  _head(palette, (arm, 0.05, 4.85), colour)]
    return model(join(parts), join([post, box((-0.15, -0.1, 2.3), (0.15, 0.2, 3.2),
                                              palette.paint(_STEEL, "pole"))]))


def _head(palette: Palette, at, colour: str) -> Faces:
    label = "traffic light"
    case = palette.paint((0.06, 0.07, 0.06), label)
    parts = [box((-0.16, 0, 0), (0.16, 0.2, 0.95), case)]
    for z, name, dark, lit in ((0.79, "red", (0.25, 0.04, 0.04), (1.0, 0.15, 0.1)),
                               (0.475, "amber", (0.25, 0.16, 0.03), (1.0, 0.7, 0.1)),
                               (0.16, "green", (0.03, 0.2, 0.1), (0.2, 1.0, 0.55))):
        glass = palette.paint(lit if name == colour else dark, label,
                              1.1 if name == colour else 0.0)
        parts.append(disc((0, 0.205, z), (-0.11, 0, 0), (0, 0, 0.11), glass))
        parts.append(box((-0.13, 0.2, z + 0.11), (0.13, 0.34, z + 0.13), case))
    return join(parts).moved(np.eye(3), at)


def bollard(rng, palette: Palette) -> Model:
    colour = ((0.2, 0.2, 0.2), (0.75, 0.75, 0.72), (0.6, 0.1, 0.1))[int(rng.integers(3))]
    metal = palette.paint(colour, "pole")
    return model(revolve([(0.08, -0.1), (0.08, 0.9), (0.05, 0.98)], metal, 8, cap=metal))


def hoarding(rng, palette: Palette) -> Model:
    """An advertising board beside the pavement; Cityscapes has no class of its own for it, and
    those on buildings are building."""
    label = "building"
    w, h = rng.uniform(1.2, 2.6), rng.uniform(1.6, 2.2)
    frame = palette.paint((0.25, 0.26, 0.27), label)
    picture = palette.surface("poster", label, variant=int(rng.integers(3)))
    parts = [box((-w / 2, -0.1, 0.0), (w / 2, 0.1, 0.5 + h), frame, skip=("-z",))]
    for side, y in (("+y", 0.105), ("-y", -0.105)):
        parts.append(box((-w / 2 + 0.08, -abs(y), 0.45), (w / 2 - 0.08, abs(y), 0.42 + h),
                         picture, only=(side,)))
    return model(join(parts))
