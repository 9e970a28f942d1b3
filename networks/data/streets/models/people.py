"""People who stand, walk or ride."""

from dataclasses import dataclass

import numpy as np

from scenecode.networks.data.rendering.faces import Faces, Surface, box, join
from scenecode.networks.data.streets.models.palette import Palette
from scenecode.networks.data.streets.models.shapes import Model, loft, model, oval, tube

_SKINS = ((0.87, 0.68, 0.56), (0.8, 0.6, 0.47), (0.6, 0.43, 0.32), (0.38, 0.26, 0.2))
_CLOTHES = ((0.12, 0.13, 0.18), (0.2, 0.24, 0.35), (0.5, 0.1, 0.12), (0.75, 0.73, 0.7),
            (0.15, 0.3, 0.25), (0.45, 0.4, 0.33), (0.1, 0.35, 0.55), (0.8, 0.6, 0.15),
            (0.3, 0.3, 0.3), (0.6, 0.45, 0.55))


@dataclass(frozen=True)
class Clothes:
    """What a person wears, and how tall the person is."""

    height: float
    skin: Surface
    hair: Surface
    coat: Surface
    trousers: Surface
    shoes: Surface


def clothes(rng, palette: Palette, label: str, helmet: bool = False) -> Clothes:
    def cloth() -> Surface:
        colour = np.array(_CLOTHES[int(rng.integers(len(_CLOTHES)))]) * rng.uniform(0.8, 1.2)
        return palette.surface("cloth", label, colour / 0.85)
    skin = palette.surface("cloth", label, np.array(_SKINS[int(rng.integers(4))]) / 0.85)
    hair = palette.paint(rng.uniform(0.1, 0.9, 3), label) if helmet else palette.surface(
        "cloth", label, np.array((0.3, 0.22, 0.15)) * rng.uniform(0.3, 1.8))
    return Clothes(height=rng.uniform(1.55, 1.88), skin=skin, hair=hair, coat=cloth(),
                   trousers=cloth(), shoes=palette.paint((0.1, 0.09, 0.08), label))


def _head(worn: Clothes, y: float, z: float) -> list[Faces]:
    """Neck, face and hair; ``z`` is the height of the shoulders."""
    skull = [(0.0, 0.055, 0.06), (0.06, 0.07, 0.085), (0.15, 0.078, 0.1), (0.22, 0.06, 0.08),
             (0.25, 0.02, 0.03)]
    rings = [oval(0, y + 0.015, z + 0.05 + dz, rx, ry) for dz, rx, ry in skull]
    return [tube((0, y, z - 0.02), (0, y, z + 0.1), 0.05, worn.skin),
            loft(rings[:3], worn.skin), loft(rings[2:], worn.hair)]


def person(worn: Clothes, stride: float, carries: bool = False) -> Model:
    """Someone upright; ``stride`` in [-1, 1] is how far which leg is in front."""
    h = worn.height / 1.75
    hip, shoulder, swing = 0.86 * h, 1.42 * h, 0.3 * stride
    parts = []
    for side in (-1, 1):
        foot = side * swing
        knee = (side * 0.09, 0.35 * foot + 0.04, 0.47 * h)
        parts += [tube((side * 0.09, 0, hip), knee, 0.085, worn.trousers, 5),
                  tube(knee, (side * 0.09, foot, 0.08), 0.06, worn.trousers, 5),
                  box((side * 0.09 - 0.05, foot - 0.09, 0), (side * 0.09 + 0.05, foot + 0.17, 0.1),
                      worn.shoes, skip=("-z",))]
        elbow, hand = (side * 0.25, -0.4 * foot, 1.12 * h), (side * 0.24, -0.8 * foot, 0.86 * h)
        parts += [tube((side * 0.2, 0, shoulder - 0.04), elbow, 0.055, worn.coat, 5),
                  tube(elbow, hand, 0.045, worn.coat, 5),
                  box(np.array(hand) - (0.035, 0.035, 0.1), np.array(hand) + (0.035, 0.035, 0.0),
                      worn.skin)]
    torso = [oval(0, 0, z * h, rx, ry, 8) for z, rx, ry in
             ((0.78, 0.17, 0.115), (0.95, 0.165, 0.11), (1.25, 0.2, 0.12), (1.4, 0.19, 0.1),
              (1.46, 0.07, 0.06))]
    parts += [loft(torso, worn.coat), *_head(worn, 0.0, shoulder)]
    if carries:
        parts.append(box((0.2, -0.16, 0.5 * h), (0.3, 0.16, 0.8 * h), worn.shoes))
    shadow = box((-0.24, -0.14, 0), (0.24, 0.14, worn.height), worn.shoes, skip=("-z",))
    return model(join(parts), shadow)


def seated(worn: Clothes, hips, hands, feet, lean: float) -> Faces:
    """Someone who rides: ``hips``, ``hands`` and ``feet`` are (y, z), ``lean`` metres forward."""
    (hy, hz), (ay, az), (fy, fz) = hips, hands, feet
    sy, sz = hy + lean, hz + 0.5
    parts = []
    for side in (-1, 1):
        knee = (side * 0.13, hy + 0.38, hz - 0.16)
        parts += [tube((side * 0.1, hy, hz), knee, 0.085, worn.trousers, 5),
                  tube(knee, (side * 0.13, fy, fz + 0.08), 0.06, worn.trousers, 5),
                  box((side * 0.13 - 0.05, fy - 0.08, fz), (side * 0.13 + 0.05, fy + 0.17,
                                                           fz + 0.09), worn.shoes),
                  tube((side * 0.19, sy, sz - 0.04), (side * 0.24, (sy + ay) / 2, az + 0.08),
                       0.055, worn.coat, 5),
                  tube((side * 0.24, (sy + ay) / 2, az + 0.08), (side * 0.24, ay, az), 0.045,
                       worn.coat, 5)]
    torso = [oval(0, hy + share * (sy - hy), hz - 0.06 + share * (sz + 0.06 - hz), rx, ry, 8)
             for share, rx, ry in ((0, 0.17, 0.13), (0.4, 0.17, 0.12), (0.85, 0.2, 0.12),
                                   (1.0, 0.1, 0.08))]
    return join([*parts, loft(torso, worn.coat), *_head(worn, sy + 0.03, sz)])
