"""Fences and walls along a line of the plan: x along it from 0, seen from both sides."""

import numpy as np

from scenecode.networks.data.rendering.faces import Faces, box, join
from scenecode.networks.data.streets.models.palette import Palette
from scenecode.networks.data.streets.models.shapes import boxes


def wall(rng, palette: Palette, length: float, height: float) -> Faces:
    """A free-standing wall with coping stones."""
    face = palette.surface(f"wall{int(rng.integers(5))}", "wall", rng.uniform(0.75, 1.1))
    stone = palette.surface("concrete", "wall", rng.uniform(0.8, 1.1))
    return join([box((0, -0.12, -0.8), (length, 0.12, height), face, skip=("-z", "+z")),
                 box((0, -0.16, height), (length, 0.16, height + 0.07), stone)])


def board_fence(rng, palette: Palette, length: float, height: float) -> Faces:
    wood = palette.surface("fence_boards", "fence", rng.uniform(0.7, 1.2))
    return join([box((0, -0.02, -0.3), (length, 0.02, height), wood, skip=("-z",)),
                 _posts(length, 2.4, 0.05, -0.5, height + 0.06, wood)])


def picket_fence(rng, palette: Palette, length: float, height: float) -> Faces:
    """Pickets between which one sees through."""
    colour = (np.full(3, 0.88), np.array([0.45, 0.35, 0.25]), np.array([0.25, 0.3, 0.27]))[
        int(rng.integers(3))]
    wood = palette.paint(colour * rng.uniform(0.85, 1.1), "fence")
    x = np.arange(0.0, length - 0.09, 0.2)
    pickets = boxes(np.stack([x, 0 * x - 0.015, 0 * x + 0.08], 1),
                    np.stack([x + 0.09, 0 * x + 0.015, 0 * x + height], 1), wood)
    return join([pickets, *(box((0, -0.05, z), (length, -0.015, z + 0.08), wood)
                            for z in (0.25, height - 0.25))])


def railing(rng, palette: Palette, length: float, height: float) -> Faces:
    """Thin iron bars."""
    iron = palette.paint(np.full(3, rng.uniform(0.06, 0.35)), "fence")
    return join([_posts(length, 0.16, 0.012, 0.0, height, iron),
                 _posts(length, 2.4, 0.03, -0.3, height + 0.1, iron),
                 *(box((0, -0.02, z), (length, 0.02, z + 0.04), iron)
                   for z in (0.15, height - 0.1))])


def _posts(length: float, apart: float, half: float, low: float, high: float, surface) -> Faces:
    """Upright bars along x, each ``half`` thick to both sides."""
    x = np.arange(0.0, length + 0.01, apart)
    return boxes(np.stack([x - half, 0 * x - half, 0 * x + low], 1),
                 np.stack([x + half, 0 * x + half, 0 * x + high], 1), surface)


FENCES = (board_fence, picket_fence, railing)
