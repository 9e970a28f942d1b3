"""Furniture from boxes and surfaces of revolution.

Every builder returns an ``Item`` in its own frame: origin in the middle of the footprint on
the floor, x along the width, y towards the front, z up.
"""

from dataclasses import dataclass, field

import numpy as np

from scenecode.networks.data.rendering.faces import (
    Faces,
    box,
    join,
    pitch_rotation,
    revolve,
    yaw_rotation,
)
from scenecode.networks.data.rooms.models.materials import Materials


@dataclass(frozen=True)
class Top:
    """A free horizontal rectangle on which small things can stand."""

    x: tuple[float, float]
    y: tuple[float, float]
    z: float


@dataclass(frozen=True)
class Item:
    """A piece of furniture."""

    faces: Faces
    #: width, depth, height of the bounding box, metres
    size: tuple[float, float, float]
    tops: tuple[Top, ...] = field(default=())


def standing(faces: Faces) -> Item:
    """An item without tops from its faces, moved over the middle of their bounding box."""
    points = faces.corners.reshape(-1, 3)
    low, high = points.min(0), points.max(0)
    middle = (low + high) / 2
    size = (*(high - low)[:2].tolist(), float(high[2]))
    return Item(faces.moved(np.eye(3), (-middle[0], -middle[1], 0.0)), size)


def chair(rng, materials: Materials) -> Item:
    w, d = rng.uniform(0.42, 0.5), rng.uniform(0.42, 0.5)
    seat, height, leg = rng.uniform(0.42, 0.48), rng.uniform(0.8, 1.0), 0.04
    frame = materials.surface(str(rng.choice(["wood", "plain"])), "chair")
    cloth = materials.surface(str(rng.choice(["fabric", "wood"])), "chair")
    x, y = w / 2, d / 2
    parts = [box((-x, -y, seat - 0.05), (x, y, seat), cloth)]
    for sx in (-x, x - leg):
        parts.append(box((sx, y - leg, 0), (sx + leg, y, seat - 0.05), frame, skip=("-z", "+z")))
        parts.append(box((sx, -y, 0), (sx + leg, -y + leg, height), frame, skip=("-z",)))
    if rng.random() < 0.5:
        parts.append(box((-x + leg, -y, seat + 0.12), (x - leg, -y + 0.03, height), cloth))
    else:
        for z in np.arange(seat + 0.12, height - 0.05, 0.14):
            parts.append(box((-x + leg, -y, z), (x - leg, -y + 0.03, z + 0.07), frame))
    return standing(join(parts))


def office_chair(rng, materials: Materials) -> Item:
    w, seat, height = rng.uniform(0.5, 0.6), 0.48, rng.uniform(0.9, 1.1)
    cloth, frame = materials.surface("fabric", "chair"), materials.surface("plain", "chair")
    x = w / 2
    parts = [box((-x, -x + 0.04, seat - 0.08), (x, x, seat), cloth),
             box((-x + 0.03, -x, seat + 0.08), (x - 0.03, -x + 0.07, height), cloth),
             box((-0.03, -x + 0.01, seat - 0.06), (0.03, -x + 0.04, seat + 0.1), frame),
             revolve([(0.03, 0.08), (0.03, seat - 0.08)], frame, 8)]
    for angle in np.arange(5) * 2 * np.pi / 5:
        foot = box((0.0, -0.025, 0.02), (x * 0.95, 0.025, 0.08), frame, skip=("-z",))
        parts.append(foot.moved(yaw_rotation(angle), (0, 0, 0)))
    return standing(join(parts))


def table(rng, materials: Materials, w=None, d=None, h=None) -> Item:
    w, d = w or rng.uniform(0.9, 1.8), d or rng.uniform(0.7, 1.0)
    h, leg, thick = h or rng.uniform(0.7, 0.78), rng.uniform(0.04, 0.08), rng.uniform(0.025, 0.05)
    top = materials.surface(str(rng.choice(["wood", "wood", "stone", "plain"])), "table")
    legs = materials.surface(str(rng.choice(["wood", "plain"])), "table")
    x, y = w / 2, d / 2
    parts = [box((-x, -y, h - thick), (x, y, h), top)]
    for sx in (-x + 0.03, x - 0.03 - leg):
        for sy in (-y + 0.03, y - 0.03 - leg):
            parts.append(box((sx, sy, 0), (sx + leg, sy + leg, h - thick), legs,
                             skip=("-z", "+z")))
    if h > 0.6:
        parts.append(box((-x + 0.05, -y + 0.05, h - thick - 0.08),
                         (x - 0.05, y - 0.05, h - thick), legs, skip=("+z",)))
    return Item(join(parts), (w, d, h), (Top((-x, x), (-y, y), h),))


def round_table(rng, materials: Materials) -> Item:
    r, h = rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.76)
    top, foot = materials.surface("wood", "table"), materials.surface("plain", "table")
    parts = [revolve([(0.05, h - 0.04), (r, h - 0.04), (r, h)], top, 20, cap=top),
             revolve([(0.25, 0.0), (0.25, 0.03), (0.05, 0.06), (0.05, h - 0.04)], foot, 10)]
    inner = 0.6 * r
    return Item(join(parts), (2 * r, 2 * r, h), (Top((-inner, inner), (-inner, inner), h),))


def coffee_table(rng, materials: Materials) -> Item:
    return table(rng, materials, rng.uniform(0.8, 1.2), rng.uniform(0.5, 0.65),
                 rng.uniform(0.38, 0.48))


def desk(rng, materials: Materials) -> Item:
    """A table with drawers below one end."""
    item = table(rng, materials, rng.uniform(1.1, 1.7), rng.uniform(0.6, 0.75))
    (w, d, h), width = item.size, 0.38
    drawers = box((w / 2 - 0.14 - width, -d / 2 + 0.14, 0.05),
                  (w / 2 - 0.14, d / 2 - 0.06, h - 0.14),
                  materials.surface("wood", "furniture"), skip=("-z",))
    return Item(join([item.faces, drawers]), item.size, item.tops)


def bed(rng, materials: Materials) -> Item:
    w, d = rng.uniform(0.95, 1.8), rng.uniform(1.95, 2.1)
    low, high, head = rng.uniform(0.2, 0.3), rng.uniform(0.48, 0.6), rng.uniform(0.8, 1.15)
    frame = materials.surface("wood", "bed")
    sheet, cover = materials.surface("fabric", "bed"), materials.surface("fabric", "bed")
    x, y = w / 2, d / 2
    fold = y - d * rng.uniform(0.62, 0.75)
    parts = [box((-x, -y + 0.06, 0.04), (x, y, low), frame, skip=("-z",)),
             box((-x + 0.03, -y + 0.06, low), (x - 0.03, y - 0.03, high - 0.05), sheet,
                 skip=("-z",)),
             box((-x + 0.005, fold, low - 0.05), (x - 0.005, y - 0.005, high), cover,
                 skip=("-z",)),
             box((-x, -y, 0), (x, -y + 0.06, head), frame, skip=("-z",))]
    count = 2 if w > 1.3 else 1
    width = (w - 0.2) / count
    for k in range(count):
        pillow = _cushion(width * 0.9, 0.38, 0.12, materials.surface("fabric", "objects"))
        centre = (-x + 0.1 + (k + 0.5) * width, -y + 0.32, high + 0.02)
        parts.append(pillow.moved(pitch_rotation(-0.25), centre))
    return standing(join(parts))


def _cushion(w, d, h, surface) -> Faces:
    """A box with bevelled rims, centred."""
    x, y, z = w / 2, d / 2, h / 2
    return join([box((-x * 0.85, -y * 0.85, -z), (x * 0.85, y * 0.85, z), surface),
                 box((-x, -y * 0.92, -z * 0.55), (x, y * 0.92, z * 0.55), surface),
                 box((-x * 0.92, -y, -z * 0.55), (x * 0.92, y, z * 0.55), surface)])


def sofa(rng, materials: Materials) -> Item:
    seats = int(rng.integers(1, 4))
    arm, seat_w = rng.uniform(0.14, 0.22), rng.uniform(0.58, 0.7)
    w, d = seats * seat_w + 2 * arm, rng.uniform(0.8, 0.95)
    seat, back, arm_h = rng.uniform(0.4, 0.46), rng.uniform(0.75, 0.95), rng.uniform(0.55, 0.65)
    cloth = materials.surface("fabric", "sofa")
    cushion = materials.surface("fabric", "sofa") if rng.random() < 0.4 else cloth
    x, y = w / 2, d / 2
    parts = [box((-x, -y, 0.05), (x, y - 0.02, seat - 0.14), cloth, skip=("-z",)),
             box((-x, -y, seat - 0.14), (x, -y + 0.18, back), cloth, skip=("-z",)),
             box((-x, -y + 0.18, seat - 0.14), (-x + arm, y, arm_h), cloth),
             box((x - arm, -y + 0.18, seat - 0.14), (x, y, arm_h), cloth)]
    for k in range(seats):
        left = -x + arm + k * seat_w
        parts.append(box((left + 0.006, -y + 0.18, seat - 0.14),
                         (left + seat_w - 0.006, y - 0.01, seat), cushion, skip=("-z",)))
        lean = box((-seat_w / 2 + 0.01, -0.07, 0), (seat_w / 2 - 0.01, 0.07, back - seat + 0.04),
                   cushion, skip=("-z",))
        parts.append(lean.moved(pitch_rotation(0.15), (left + seat_w / 2, -y + 0.28, seat)))
        if rng.random() < 0.35:
            pillow = _cushion(0.42, 0.42, 0.14, materials.surface("fabric", "objects"))
            turn = yaw_rotation(rng.uniform(-0.4, 0.4)) @ pitch_rotation(np.pi / 2 + 0.3)
            parts.append(pillow.moved(turn, (left + seat_w / 2, -y + 0.5, seat + 0.22)))
    return standing(join(parts))


def shelf(rng, materials: Materials) -> Item:
    """An open shelf with rows of books and small things."""
    w, d, h = rng.uniform(0.7, 1.3), rng.uniform(0.26, 0.36), rng.uniform(0.9, 2.1)
    board, thick = materials.surface("wood", "furniture"), 0.025
    x, y, rows = w / 2, d / 2, max(2, round(h / 0.36))
    parts = [box((-x, -y, 0), (-x + thick, y, h), board, skip=("-z",)),
             box((x - thick, -y, 0), (x, y, h), board, skip=("-z",)),
             box((-x + thick, -y, 0), (x - thick, -y + 0.01, h), board, only=("+y",))]
    levels = np.linspace(0.06, h - thick, rows + 1)
    for z, above in zip(levels[:-1], levels[1:]):
        parts.append(box((-x + thick, -y + 0.01, z - thick), (x - thick, y - 0.01, z), board))
        fill = _books if rng.random() < 0.8 else _boxes
        parts += fill(rng, materials, (-x + thick, x - thick), (-y + 0.01, d * 0.8), z,
                      above - z - thick)
    parts.append(box((-x + thick, -y + 0.01, h - thick), (x - thick, y, h), board))
    return Item(join(parts), (w, d, h), (Top((-x, x), (-y, y), h),))


def _books(rng, materials, across, deep, z, head) -> list[Faces]:
    """Runs of books on a board: ``across`` (left, right), ``deep`` (back, depth), ``z``."""
    parts, (at, right), (back, depth) = [], across, deep
    while at < right - 0.08:
        run = min(rng.uniform(0.08, 0.35), right - at)
        if rng.random() < 0.85:
            front, top = back + depth * rng.uniform(0.7, 1), z + head * rng.uniform(0.6, 0.92)
            parts.append(box((at, back, z), (at + run, front, top),
                             materials.surface("spines", "books"), skip=("-z", "-y")))
        at += run + 0.002
    return parts


def _boxes(rng, materials, across, deep, z, head) -> list[Faces]:
    """Boxes on a board, as ``_books``."""
    parts, (at, right), (back, depth) = [], across, deep
    while at < right - 0.1:
        run = min(rng.uniform(0.1, 0.3), right - at)
        if rng.random() < 0.6:
            front, top = back + depth * rng.uniform(0.5, 1), z + head * rng.uniform(0.3, 0.9)
            parts.append(box((at, back, z), (at + run, front, top),
                             materials.surface(str(rng.choice(["plain", "fabric", "wood"])),
                                               "objects"), skip=("-z", "-y")))
        at += run + rng.uniform(0.01, 0.1)
    return parts


def cabinet(rng, materials: Materials, h=None, label: str = "furniture") -> Item:
    """A closed cabinet with doors or drawers."""
    w, d = rng.uniform(0.5, 1.5), rng.uniform(0.38, 0.6)
    h = h or rng.uniform(0.6, 2.1)
    body = materials.surface(str(rng.choice(["wood", "wood", "plain"])), label)
    front = materials.surface("wood", label) if rng.random() < 0.4 else body
    knob = materials.surface("plain", label)
    x, y, gap = w / 2, d / 2, 0.006
    parts = [box((-x, -y, 0), (x, y - 0.02, h), body, skip=("-z",))]
    columns = max(1, round(w / rng.uniform(0.4, 0.8)))
    rows = int(rng.integers(2, 5)) if rng.random() < 0.6 else 1
    for xs in zip(*_cells(-x, x, columns)):
        for zs in zip(*_cells(0.06, h - 0.02, rows)):
            parts.append(box((xs[0] + gap, y - 0.02, zs[0] + gap), (xs[1] - gap, y, zs[1] - gap),
                             front, skip=("-y",)))
            cx, cz = (xs[0] + xs[1]) / 2, (zs[0] + zs[1]) / 2
            parts.append(box((cx - 0.05, y, cz), (cx + 0.05, y + 0.02, cz + 0.02), knob,
                             skip=("-y",)))
    return Item(join(parts), (w, d + 0.04, h), (Top((-x, x), (-y, y - 0.03), h),))


def _cells(low, high, count) -> tuple[np.ndarray, np.ndarray]:
    edges = np.linspace(low, high, count + 1)
    return edges[:-1], edges[1:]


def low_cabinet(rng, materials: Materials) -> Item:
    return cabinet(rng, materials, rng.uniform(0.45, 0.95))


def tv_stand(rng, materials: Materials) -> Item:
    """A low cabinet with a television on it."""
    stand = cabinet(rng, materials, rng.uniform(0.4, 0.6))
    w, d, h = stand.size
    screen = television(rng, materials, min(w * 0.95, rng.uniform(0.7, 1.2)))
    foot = box((-0.15, -0.1, h), (0.15, 0.1, h + 0.03), materials.surface("plain", "tv"),
               skip=("-z",))
    moved = screen.faces.moved(np.eye(3), (0, -0.04, h + 0.03))
    return standing(join([stand.faces, foot, moved]))


def television(rng, materials: Materials, w: float) -> Item:
    """A flat screen standing at z = 0."""
    h, rim = w * 0.58, 0.015
    case = materials.flat(np.full(3, rng.uniform(0.04, 0.2)), "tv")
    parts = [box((-w / 2, -0.03, 0), (w / 2, 0.03, h), case),
             box((-w / 2 + rim, 0.03, rim), (w / 2 - rim, 0.034, h - rim),
                 materials.surface("screen", "tv", emission=float(rng.uniform(0.8, 1.1))),
                 only=("+y",))]
    return standing(join(parts))
