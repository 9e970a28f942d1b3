"""Small things for tables and floors, lamps, and what hangs on walls."""

import numpy as np

from scenecode.networks.data.rendering.faces import Faces, box, join, revolve, yaw_rotation
from scenecode.networks.data.rooms.models.furniture import Item, standing
from scenecode.networks.data.rooms.models.materials import Materials


def carton(rng, materials: Materials, limit: float = 0.4) -> Item:
    w, d, h = rng.uniform(0.08, limit, 3)
    surface = materials.surface(str(rng.choice(["plain", "wood", "fabric", "picture"])), "objects")
    return standing(box((-w / 2, -d / 2, 0), (w / 2, d / 2, h), surface, skip=("-z",)))


def vessel(rng, materials: Materials) -> Item:
    """A vase, a bottle, a mug or a bowl."""
    surface = materials.surface(str(rng.choice(["plain", "stone"])), "objects")
    r, h = rng.uniform(0.03, 0.09), rng.uniform(0.08, 0.32)
    neck = r * rng.uniform(0.3, 1.2)
    profile = [(r * 0.7, 0), (r, h * 0.35), (r * 0.9, h * 0.6), (neck, h * 0.8), (neck, h)]
    return standing(revolve(profile, surface, 10, cap=surface))


def ball(rng, materials: Materials) -> Item:
    r = rng.uniform(0.04, 0.13)
    angles = np.linspace(-np.pi / 2, np.pi / 2, 7)
    profile = [(r * max(0.0, float(np.cos(a))) if 0 < k < 6 else 0.0, r + r * float(np.sin(a)))
               for k, a in enumerate(angles)]
    return standing(revolve(profile, materials.surface("fabric", "objects"), 10))


def plant(rng, materials: Materials, h: float | None = None) -> Item:
    """A pot with layered crowns of leaves."""
    h = h or rng.uniform(0.25, 0.45)
    pot, crown = materials.surface("stone", "objects"), materials.surface("leaves", "objects")
    r = h * rng.uniform(0.15, 0.22)
    parts = [revolve([(0.75 * r, 0), (r, 0.3 * h)], pot, 10, cap=pot),
             revolve([(0.15 * r, 0.3 * h), (0.15 * r, 0.5 * h)], pot, 6)]
    for k in range(3):
        low = h * (0.4 + 0.2 * k)
        wide = r * (2.0 - 0.5 * k)
        cone = revolve([(0.0, low), (wide, low + 0.06 * h), (0.0, low + 0.25 * h)], crown, 7)
        parts.append(cone.moved(yaw_rotation(rng.uniform(0, 1)), (0, 0, 0)))
    return standing(join(parts))


def table_lamp(rng, materials: Materials, h: float | None = None) -> Item:
    h = h or rng.uniform(0.35, 0.55)
    base = materials.surface("plain", "objects")
    shade = materials.surface("fabric", "objects", emission=float(rng.choice([0.0, 1.2])))
    r = rng.uniform(0.1, 0.17)
    parts = [revolve([(0.08, 0), (0.08, 0.02), (0.012, 0.03), (0.012, h * 0.7)], base, 8),
             revolve([(r, h * 0.65), (r * 0.7, h)], shade, 12, cap=shade)]
    return standing(join(parts))


def floor_lamp(rng, materials: Materials) -> Item:
    return table_lamp(rng, materials, rng.uniform(1.4, 1.7))


def floor_plant(rng, materials: Materials) -> Item:
    return plant(rng, materials, rng.uniform(0.7, 1.4))


def book_pile(rng, materials: Materials) -> Item:
    """A few books lying on each other."""
    parts, z = [], 0.0
    for _ in range(int(rng.integers(1, 5))):
        w, d, h = rng.uniform(0.14, 0.2), rng.uniform(0.2, 0.28), rng.uniform(0.015, 0.045)
        cover = materials.surface(str(rng.choice(["picture", "plain", "fabric"])), "books")
        book = box((-w / 2, -d / 2, 0), (w / 2, d / 2, h), cover, skip=("-z",))
        parts.append(book.moved(yaw_rotation(rng.uniform(-0.3, 0.3)), (0, 0, z)))
        z += h
    return standing(join(parts))


def monitor(rng, materials: Materials) -> Item:
    """A computer screen; NYUv2 counts it among the televisions."""
    w = rng.uniform(0.4, 0.6)
    h = w * 0.6
    case = materials.flat(np.full(3, rng.uniform(0.05, 0.3)), "tv")
    parts = [box((-0.1, -0.08, 0), (0.1, 0.08, 0.015), case, skip=("-z",)),
             box((-0.03, -0.03, 0.015), (0.03, -0.01, 0.12), case),
             box((-w / 2, -0.01, 0.1), (w / 2, 0.03, 0.1 + h), case),
             box((-w / 2 + 0.015, 0.03, 0.115), (w / 2 - 0.015, 0.033, 0.085 + h),
                 materials.surface("screen", "tv", emission=1.0), only=("+y",))]
    return standing(join(parts))


SMALL = (carton, vessel, vessel, ball, plant, table_lamp, book_pile, book_pile)


def small_object(rng, materials: Materials) -> Item:
    """Something to stand on a table."""
    return SMALL[int(rng.integers(len(SMALL)))](rng, materials)


def framed_picture(rng, materials: Materials) -> Item:
    """Its back is for the wall."""
    w, h = rng.uniform(0.3, 1.2), rng.uniform(0.3, 0.9)
    rim = rng.uniform(0.015, 0.05)
    frame = materials.surface(str(rng.choice(["wood", "plain"])), "picture")
    parts = [box((-w / 2, 0, 0), (w / 2, 0.025, h), frame, skip=("-y",)),
             box((-w / 2 + rim, 0, rim), (w / 2 - rim, 0.028, h - rim),
                 materials.surface("picture", "picture"), only=("+y",))]
    return standing(join(parts))


#: curtains reach this far above and below the window, metres
_HANG = 0.08


def window(rng, materials: Materials, height: float) -> Item:
    """Frame, panes, sill and maybe curtains, down to z = 0; its back is for the wall."""
    w, h, rim = rng.uniform(0.8, 2.0), min(height, rng.uniform(0.9, 1.5)), 0.06
    frame = materials.flat(np.full(3, rng.uniform(0.6, 0.95)), "window")
    pane = materials.surface("outside", "window", emission=float(rng.uniform(0.9, 1.25)))
    parts = [box((-w / 2 + rim, 0, rim), (w / 2 - rim, 0.02, h - rim), pane, only=("+y",)),
             box((-w / 2 - 0.08, 0, -0.03), (w / 2 + 0.08, 0.09, 0), frame)]
    bars = [(-w / 2, 0, rim, h), (w / 2 - rim, 0, rim, h), (-w / 2, 0, w, rim),
            (-w / 2, h - rim, w, rim)]
    posts = np.linspace(-w / 2, w / 2, int(rng.integers(2, 5)))[1:-1]
    bars += [(x - 0.02, 0, 0.04, h) for x in posts]
    parts += [box((x, 0, z), (x + bw, 0.05, z + bh), frame, skip=("-y",)) for x, z, bw, bh in bars]
    if rng.random() < 0.5:
        parts += _curtains(rng, materials, w / 2 + 0.08, h)
    return standing(join(parts).moved(np.eye(3), (0, 0, _HANG)))


def _curtains(rng, materials: Materials, reach: float, h: float) -> list[Faces]:
    """Folds of cloth at both ends of a window, out to x = +-``reach``."""
    cloth, drape = materials.surface("fabric", "window"), rng.uniform(0.2, 0.45)
    folds, parts = 5, []
    for left in (-reach, reach - drape):
        for k in range(folds):
            x = left + k * drape / folds
            front = 0.12 + 0.03 * (k % 2)
            parts.append(box((x, 0.05, -_HANG), (x + drape / folds, front, h + _HANG), cloth,
                             skip=("-y",)))
    return parts


def door(rng, materials: Materials) -> Item:
    """NYUv2's 13 classes count doors as wall."""
    w, h = rng.uniform(0.8, 0.95), rng.uniform(1.95, 2.1)
    leaf, frame = materials.surface("wood", "wall"), materials.surface("plain", "wall")
    parts = [box((-w / 2, 0, 0), (w / 2, 0.03, h), leaf, only=("+y",)),
             box((-w / 2 - 0.08, 0, 0), (-w / 2, 0.05, h + 0.08), frame, skip=("-y", "-z")),
             box((w / 2, 0, 0), (w / 2 + 0.08, 0.05, h + 0.08), frame, skip=("-y", "-z")),
             box((-w / 2, 0, h), (w / 2, 0.05, h + 0.08), frame, skip=("-y",)),
             box((w / 2 - 0.12, 0.03, 1.0), (w / 2 - 0.04, 0.08, 1.03), frame)]
    return standing(join(parts))
