"""Bicycles and motorcycles, alone or ridden."""

import numpy as np

from scenecode.networks.data.rendering.faces import Faces, box, join
from scenecode.networks.data.streets.models.palette import Palette
from scenecode.networks.data.streets.models.people import clothes, seated
from scenecode.networks.data.streets.models.shapes import Model, loft, model, oval, quads, tube
from scenecode.networks.data.streets.models.vehicles import COLOURS, wheel


def _hoop(y: float, radius: float, thick: float, surface) -> Faces:
    """A narrow wheel in the plane x = 0, seen from both sides."""
    angle = np.arange(13) * (2 * np.pi / 12)
    unit = np.stack([0 * angle, np.cos(angle), np.sin(angle)], 1)
    centre = np.array([0, y, radius])
    outer, inner = centre + radius * unit, centre + (radius - thick) * unit
    parts = []
    for x in (-0.02, 0.02):
        side = np.stack([outer[:-1], outer[1:], inner[1:], inner[:-1]], 1) + [x, 0, 0]
        parts.append(quads(side if x < 0 else side[:, ::-1], surface))
    tread = np.stack([outer[:-1], outer[1:], outer[1:], outer[:-1]], 1)
    tread[:, 2:, 0] = -0.02
    tread[:, :2, 0] = 0.02
    parts.append(quads(tread[:, ::-1], surface))
    return join(parts)


def _frame(palette: Palette, colour) -> Faces:
    paint, dark = palette.paint(colour, "bicycle"), palette.paint((0.06, 0.06, 0.06), "bicycle")
    rear, front, pedals = (0, -0.52, 0.34), (0, 0.52, 0.34), (0, -0.08, 0.3)
    seat, head = (0, -0.25, 0.9), (0, 0.36, 0.9)
    bars = [(pedals, seat), (pedals, head), (seat, head), (pedals, rear), (rear, seat),
            (front, (0, 0.33, 1.02))]
    parts = [tube(a, b, 0.022, paint) for a, b in bars]
    parts += [tube((-0.28, 0.28, 1.03), (0.28, 0.28, 1.03), 0.018, dark),
              box((-0.07, -0.38, 0.9), (0.07, -0.12, 0.96), dark),
              box((-0.14, -0.14, 0.28), (0.14, -0.02, 0.33), dark),
              _hoop(-0.52, 0.34, 0.05, dark), _hoop(0.52, 0.34, 0.05, dark)]
    for y in (-0.52, 0.52):
        spokes = palette.paint((0.5, 0.5, 0.52), "bicycle")
        parts += [tube((0, y + 0.3 * np.cos(a), 0.34 + 0.3 * np.sin(a)),
                       (0, y - 0.3 * np.cos(a), 0.34 - 0.3 * np.sin(a)), 0.006, spokes)
                  for a in (0.3, 1.35, 2.4)]
    return join(parts)


def bicycle(rng, palette: Palette) -> Model:
    return model(_frame(palette, COLOURS[int(rng.integers(len(COLOURS)))]))


def cyclist(rng, palette: Palette) -> Model:
    rider = seated(clothes(rng, palette, "rider"), hips=(-0.22, 1.0), hands=(0.28, 1.06),
                   feet=(-0.08, 0.3), lean=0.42)
    frame = _frame(palette, COLOURS[int(rng.integers(len(COLOURS)))])
    return model(join([frame, rider]))


def _machine(rng, palette: Palette) -> Faces:
    paint = palette.paint(COLOURS[int(rng.integers(len(COLOURS)))], "motorcycle")
    dark = palette.paint((0.08, 0.08, 0.08), "motorcycle")
    metal = palette.paint((0.5, 0.5, 0.52), "motorcycle")
    tank = [oval(0, 0.12, z, rx, ry, 8) for z, rx, ry in
            ((0.62, 0.12, 0.26), (0.74, 0.17, 0.32), (0.86, 0.13, 0.24), (0.9, 0.04, 0.1))]
    parts = [loft(tank, paint), box((-0.14, -0.62, 0.72), (0.14, -0.1, 0.82), dark),
             box((-0.2, -0.2, 0.28), (0.2, 0.28, 0.62), metal),
             box((-0.1, -0.8, 0.7), (0.1, -0.55, 0.85), paint),
             tube((0, 0.72, 0.32), (0, 0.45, 0.95), 0.05, metal),
             tube((-0.36, 0.36, 1.02), (0.36, 0.36, 1.02), 0.02, dark),
             box((-0.1, 0.5, 0.78), (0.1, 0.6, 0.98), paint),
             box((-0.08, 0.6, 0.82), (0.08, 0.61, 0.95),
                 palette.paint((0.95, 0.95, 0.9), "motorcycle"), only=("+y",)),
             tube((0.2, -0.75, 0.35), (0.2, 0.1, 0.3), 0.05, metal)]
    for y in (-0.68, 0.72):
        parts += [wheel(0.07, y, 0.32, 0.14, palette, "motorcycle"),
                  wheel(-0.07, y, 0.32, 0.0, palette, "motorcycle")]
    return join(parts)


def motorcycle(rng, palette: Palette) -> Model:
    return model(_machine(rng, palette))


def motorcyclist(rng, palette: Palette) -> Model:
    rider = seated(clothes(rng, palette, "rider", helmet=True), hips=(-0.32, 0.86),
                   hands=(0.34, 1.04), feet=(-0.1, 0.32), lean=0.3)
    return model(join([_machine(rng, palette), rider]))
