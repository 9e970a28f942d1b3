"""Procedural textures of streets: ground, walls with windows, plants, vehicles, signs."""

from collections.abc import Callable

import cv2
import numpy as np

from scenecode.networks.data.rendering.atlas import TEXTURE_SIZE
from scenecode.networks.data.rendering.patterns import blocks, grid, noise, paint, random_colour

_GREY = np.ones(3, np.float32)


def asphalt(rng) -> np.ndarray:
    """Grains, patches, and a few cracks filled with tar."""
    pattern = 0.55 * noise(rng, 0.15) + 0.5 * noise(rng, 1.3)
    image = paint(_GREY * rng.uniform(0.36, 0.48), pattern, rng.uniform(0.12, 0.18))
    crack = np.abs(noise(rng, 1.8)) < 0.03
    return np.where((crack & (noise(rng, 1.6) > 0.6))[..., None], image * 0.6, image)


def paving(rng) -> np.ndarray:
    n = int(rng.choice([2, 4, 4, 8]))
    colour = random_colour(rng, (0.02, 0.15), (0.5, 0.68))
    image = blocks(rng, n, n * int(rng.choice([1, 1, 2])), colour, float(rng.choice([0.0, 0.5])))
    return 0.55 * image + 0.45 * colour * (1 + 0.1 * noise(rng, 0.9))[..., None]


def concrete(rng) -> np.ndarray:
    colour = random_colour(rng, (0.0, 0.1), (0.5, 0.72))
    return paint(colour, 0.8 * noise(rng, 1.2) + 0.4 * noise(rng, 0.2), 0.07)


def grass(rng) -> np.ndarray:
    green = np.array([rng.uniform(0.28, 0.42), rng.uniform(0.42, 0.52), rng.uniform(0.14, 0.24)],
                     np.float32)
    image = paint(green, 0.7 * noise(rng, 0.4) + 0.6 * noise(rng, 1.4), 0.2)
    dry = np.clip(noise(rng, 1.8) - 0.6, 0, 1)[..., None]
    return image * (1 - 0.5 * dry) + 0.5 * dry * np.array([0.55, 0.48, 0.3], np.float32)


def soil(rng) -> np.ndarray:
    return paint(np.array([0.45, 0.37, 0.28], np.float32) * rng.uniform(0.8, 1.2),
                 noise(rng, 0.8), 0.18)


def leaves(rng) -> np.ndarray:
    """Foliage: bright leaves before dark gaps."""
    green = np.array([rng.uniform(0.25, 0.45), rng.uniform(0.4, 0.55), rng.uniform(0.12, 0.25)],
                     np.float32)
    pattern = noise(rng, 0.7) + 0.6 * noise(rng, 1.5)
    return paint(green, np.clip(pattern, -1.6, 1.6), 0.34)


def bark(rng) -> np.ndarray:
    brown = np.array([0.42, 0.35, 0.28], np.float32) * rng.uniform(0.7, 1.15)
    return paint(brown, noise(rng, 1.0, (1.0, 5.0)), 0.25)


def brick_wall(rng) -> np.ndarray:
    warm = np.array([rng.uniform(0.5, 0.72), rng.uniform(0.32, 0.48), rng.uniform(0.24, 0.38)],
                    np.float32)
    return blocks(rng, 16, 4, warm, 0.5) * (1 + 0.05 * noise(rng, 1.5))[..., None]


def rendered_wall(rng) -> np.ndarray:
    colour = random_colour(rng, (0.05, 0.4), (0.6, 0.92))
    # few walls are green or violet
    colour = 0.75 * colour + 0.25 * colour.mean() * np.array([1.08, 1.02, 0.9], np.float32)
    return paint(colour, 0.8 * noise(rng, 1.3) + 0.3 * noise(rng, 0.3), rng.uniform(0.03, 0.06))


def panels(rng) -> np.ndarray:
    return blocks(rng, 2, 2, random_colour(rng, (0.0, 0.25), (0.45, 0.8)), 0.0) * 0.5 \
        + 0.5 * rendered_wall(rng)


def stone_wall(rng) -> np.ndarray:
    return blocks(rng, 8, 4, random_colour(rng, (0.05, 0.25), (0.5, 0.8)), 0.5)


def siding(rng) -> np.ndarray:
    _, y = grid()
    colour = random_colour(rng, (0.02, 0.4), (0.55, 0.95))
    shade = 1 - 0.35 * ((y * 16) % 1 > 0.86) + 0 * grid()[0]
    return paint(colour * shade[..., None], noise(rng, 0.9, (6.0, 1.0)), 0.05)


WALLS: tuple[Callable, ...] = (brick_wall, rendered_wall, rendered_wall, rendered_wall, panels,
                               stone_wall, siding)


def _fill(image, x0, y0, x1, y1, colour) -> None:
    """A rectangle in shares of the tile, drawn in place."""
    a, b, c, d = (int(round(v * TEXTURE_SIZE)) for v in (x0, y0, x1, y1))
    image[b:d, a:c] = colour


def _pane(rng, image, x0, y0, x1, y1) -> None:
    """Window glass: dark, brighter towards the sky that it mirrors, maybe with a curtain."""
    a, b, c, d = (int(round(v * TEXTURE_SIZE)) for v in (x0, y0, x1, y1))
    rise = np.linspace(1.0, 0.0, max(d - b, 1), dtype=np.float32)[:, None, None]
    slant = np.linspace(0, 1, max(c - a, 1), dtype=np.float32)[None, :, None]
    glass = np.array([0.13, 0.16, 0.2], np.float32) + rng.uniform(0.05, 0.35) * rise ** 2 \
        * np.array([0.7, 0.85, 1.0], np.float32)
    glass = glass * (1 + rng.uniform(-0.3, 0.3) * slant)
    kind = rng.random()
    if kind < 0.35:
        edge = rng.uniform(0.15, 0.35)
        drape = (slant < edge) | (slant > 1 - edge)
        glass = np.where(drape, random_colour(rng, (0.0, 0.2), (0.5, 0.8)) * 0.8, glass)
    elif kind < 0.55:
        glass = np.where(rise > rng.uniform(0.3, 0.8), 0.62 * _GREY, glass)
    image[b:d, a:c] = glass[:d - b, :c - a]


def window_tile(rng, wall: np.ndarray, proportions: dict) -> np.ndarray:
    """One bay of one storey: ``wall`` with a window of the given ``proportions``
    (``window_proportions``), in shares of the tile."""
    image, p = wall.copy(), proportions
    x0, x1, y0, y1 = p["left"], 1 - p["left"], p["top"], p["bottom"]
    rim, frame = p["rim"], np.array(p["frame"], np.float32)
    if p["surround"] > 0:
        _fill(image, x0 - p["surround"], y0 - p["surround"], x1 + p["surround"],
              y1 + p["surround"], frame * 0.5 + wall.mean((0, 1)) * 0.5)
    _fill(image, x0, y0, x1, y1, frame)
    edges = np.linspace(x0, x1, p["panes"] + 1)
    for left, right in zip(edges[:-1], edges[1:]):
        middle = y0 + (y1 - y0) * p["transom"]
        _pane(rng, image, left + rim, middle + rim / 2, right - rim, y1 - rim)
        if p["transom"] > 0:
            _pane(rng, image, left + rim, y0 + rim, right - rim, middle - rim / 2)
    # the reveal's shadow and the sill
    _fill(image, x0, y0, x1, y0 + 0.025, frame * 0.25)
    _fill(image, x0 - 0.03, y1, x1 + 0.03, y1 + 0.03, np.clip(frame * 1.05, 0, 1))
    _fill(image, x0 - 0.03, y1 + 0.03, x1 + 0.03, y1 + 0.05, wall.mean((0, 1)) * 0.55)
    return image


def window_proportions(rng) -> dict:
    """How the windows of a building look."""
    wide = rng.random() < 0.35
    return dict(left=rng.uniform(0.06, 0.16) if wide else rng.uniform(0.2, 0.32),
                top=rng.uniform(0.1, 0.2), bottom=rng.uniform(0.68, 0.92), rim=0.025,
                frame=[rng.choice([0.92, 0.85, 0.3, 0.5])] * 3,
                surround=rng.choice([0.0, 0.0, 0.05]), panes=int(rng.integers(1, 4)),
                transom=rng.choice([0.0, 0.3]))


def curtain_wall(rng) -> np.ndarray:
    """An office storey: glass from wall to wall between thin posts."""
    image = np.empty((TEXTURE_SIZE, TEXTURE_SIZE, 3), np.float32)
    image[:] = random_colour(rng, (0.0, 0.3), (0.2, 0.7))
    for k in range(4):
        _pane(rng, image, k / 4 + 0.015, 0.05, (k + 1) / 4 - 0.015, 0.72)
    return paint(image, noise(rng, 1.0), 0.03)


def shop_front(rng, wall: np.ndarray) -> np.ndarray:
    """A shop's window above a low plinth, its goods behind glass, its sign above."""
    image = wall.copy()
    frame = random_colour(rng, (0.1, 0.8), (0.1, 0.6))
    _fill(image, 0.03, 0.24, 0.97, 1.0, frame)
    door = rng.uniform(0.05, 0.2)
    _pane(rng, image, door, 0.28, door + 0.25, 0.97)
    left = door + 0.29
    _pane(rng, image, left, 0.28, 0.95, 0.85)
    for _ in range(12):
        x, h = rng.uniform(left, 0.88), rng.uniform(0.05, 0.25)
        goods = random_colour(rng, (0.1, 0.9), (0.2, 0.8))
        _fill(image, x, 0.85 - h, min(x + rng.uniform(0.03, 0.08), 0.95), 0.85, goods)
    sign = random_colour(rng, (0.3, 1.0), (0.2, 0.9))
    _fill(image, 0.03, 0.06, 0.97, 0.22, sign)
    _letters(rng, image, 0.12, 0.09, 0.88, 0.19, 1 - sign)
    return paint(image, noise(rng, 0.8), 0.03)


def _letters(rng, image, x0, y0, x1, y1, colour) -> None:
    """Strokes that look like writing from afar."""
    x = x0
    while x < x1 - 0.03:
        w = rng.uniform(0.03, 0.055)
        _fill(image, x, y0, x + 0.014, y1, colour)
        for y in rng.choice([y0, (y0 + y1) / 2 - 0.01, y1 - 0.02], 2):
            _fill(image, x, y, x + w, y + 0.02, colour)
        x += w + rng.choice([0.012, 0.012, 0.04])


def door(rng) -> np.ndarray:
    """A leaf in its frame, seen whole."""
    image = np.empty((TEXTURE_SIZE, TEXTURE_SIZE, 3), np.float32)
    colour = random_colour(rng, (0.2, 0.9), (0.15, 0.6))
    image[:] = np.clip(colour * 1.6, 0, 0.9)
    _fill(image, 0.08, 0.05, 0.92, 1.0, colour)
    for y0, y1 in ((0.1, 0.4), (0.46, 0.68), (0.72, 0.95)):
        _fill(image, 0.18, y0, 0.82, y1, colour * 0.75)
    if rng.random() < 0.6:
        _pane(rng, image, 0.2, 0.11, 0.8, 0.39)
    _fill(image, 0.76, 0.55, 0.84, 0.58, 0.85)
    return paint(image, noise(rng, 1.0), 0.05)


def roof_tiles(rng) -> np.ndarray:
    base = np.array([rng.uniform(0.42, 0.62), rng.uniform(0.25, 0.34), rng.uniform(0.2, 0.28)]) \
        if rng.random() < 0.6 else _GREY * rng.uniform(0.28, 0.42)
    x, y = grid()
    shade = 1 - 0.3 * ((y * 8) % 1 > 0.8) - 0.12 * ((x * 12) % 1 > 0.85)
    return paint(base.astype(np.float32) * shade[..., None].astype(np.float32),
                 noise(rng, 0.9), 0.1)


def paintwork(rng) -> np.ndarray:
    """White, to be tinted: coated metal, or marking paint."""
    return paint(_GREY * 0.92, noise(rng, 1.3), 0.02)


def worn_paint(rng) -> np.ndarray:
    """Road markings that traffic has worn."""
    image = paint(_GREY * 0.86, noise(rng, 0.8), 0.06)
    worn = noise(rng, 0.9) + noise(rng, 1.6) > rng.uniform(1.3, 2.2)
    return np.where(worn[..., None], image * 0.6, image)


def cloth(rng) -> np.ndarray:
    """White, to be tinted: clothing with folds."""
    return paint(_GREY * 0.85, 0.7 * noise(rng, 1.7) + 0.4 * noise(rng, 0.4), 0.14)


def car_glass(rng) -> np.ndarray:
    """Dark, with the sky mirrored in its upper part; seen whole."""
    x, y = grid()
    gleam = np.clip(1.1 - 2.2 * np.abs(y - 0.25 - 0.2 * x), 0, 1) * rng.uniform(0.25, 0.4)
    return (np.array([0.1, 0.12, 0.14], np.float32) + gleam[..., None]
            * np.array([0.8, 0.9, 1.0], np.float32) + 0.01 * noise(rng, 1.0)[..., None])


def fence_boards(rng) -> np.ndarray:
    x, _ = grid()
    brown = np.array([0.5, 0.4, 0.3], np.float32) * rng.uniform(0.7, 1.3)
    shade = np.where((x * 8) % 1 < 0.12, 0.35, 1.0) * rng.uniform(0.8, 1.15, 8)[
        np.minimum((x * 8).astype(int), 7)]
    return paint(brown * (shade + 0 * grid()[1])[..., None].astype(np.float32),
                 noise(rng, 1.1, (1.0, 8.0)), 0.1)


def poster(rng) -> np.ndarray:
    """An advertisement: large shapes and writing."""
    image = np.empty((TEXTURE_SIZE, TEXTURE_SIZE, 3), np.float32)
    image[:] = random_colour(rng, (0.3, 1.0), (0.4, 0.95))
    for _ in range(4):
        centre = tuple(int(v) for v in rng.integers(0, TEXTURE_SIZE, 2))
        colour = random_colour(rng, (0.3, 1.0), (0.2, 0.95))
        cv2.circle(image, centre, int(rng.integers(10, 40)), tuple(colour.tolist()), -1)
    for y in (0.1, 0.3, 0.8):
        _letters(rng, image, 0.08, y, 0.92, y + 0.1, random_colour(rng, (0, 0.3), (0.0, 1.0)))
    return paint(image, noise(rng, 1.0), 0.03)


def _blank(colour) -> np.ndarray:
    image = np.empty((TEXTURE_SIZE, TEXTURE_SIZE, 3), np.float32)
    image[:] = colour
    return image


def speed_limit(rng) -> np.ndarray:
    image = _blank((0.95, 0.95, 0.95))
    cv2.circle(image, (64, 64), 55, (0.8, 0.05, 0.08), 18)
    text = str(rng.choice(["30", "50", "60", "80"]))
    cv2.putText(image, text, (29, 83), cv2.FONT_HERSHEY_DUPLEX, 1.8, (0.05, 0.05, 0.05), 6)
    return image


def no_entry(rng) -> np.ndarray:
    image = _blank((0.8, 0.06, 0.08))
    _fill(image, 0.18, 0.4, 0.82, 0.6, (0.95, 0.95, 0.95))
    return image


def blue_arrow(rng) -> np.ndarray:
    image = _blank((0.05, 0.25, 0.7))
    turn = int(rng.integers(3))
    ends = [((64, 104), (64, 26)), ((28, 64), (100, 64)), ((100, 64), (28, 64))][turn]
    cv2.arrowedLine(image, *ends, (0.95, 0.95, 0.95), 14, tipLength=0.45)
    return image


def warning(rng) -> np.ndarray:
    """Black on white in a red triangle, whose corners are at the bottom and the top's middle."""
    image = _blank((0.8, 0.06, 0.08))
    cv2.fillPoly(image, [np.array([[64, 34], [20, 112], [108, 112]], np.int32)],
                 (0.95, 0.95, 0.93))
    cv2.line(image, (64, 58), (64, 84), (0.05, 0.05, 0.05), 10)
    cv2.circle(image, (64, 100), 5, (0.05, 0.05, 0.05), -1)
    return image


def stop(rng) -> np.ndarray:
    image = _blank((0.8, 0.06, 0.08))
    cv2.putText(image, "STOP", (13, 78), cv2.FONT_HERSHEY_DUPLEX, 1.15, (0.95, 0.95, 0.95), 5)
    return image


def priority(rng) -> np.ndarray:
    image = _blank((0.95, 0.95, 0.95))
    _fill(image, 0.16, 0.16, 0.84, 0.84, (0.95, 0.75, 0.08))
    return image


def parking(rng) -> np.ndarray:
    image = _blank((0.05, 0.25, 0.7))
    cv2.putText(image, "P", (34, 100), cv2.FONT_HERSHEY_DUPLEX, 3.0, (0.95, 0.95, 0.95), 10)
    return image


def directions(rng) -> np.ndarray:
    """A board with names of places."""
    image = _blank((0.95, 0.95, 0.92) if rng.random() < 0.5 else (0.05, 0.3, 0.6))
    ink = 1 - image[0, 0]
    for y in (0.12, 0.42, 0.72):
        _letters(rng, image, 0.08, y, rng.uniform(0.6, 0.9), y + 0.16, ink)
    return image
