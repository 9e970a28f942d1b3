"""Tileable procedural textures, by material, from seeded noise."""

from collections.abc import Callable

import numpy as np

from scenecode.networks.data.rendering.atlas import TEXTURE_SIZE
from scenecode.networks.data.rendering.patterns import (
    blocks,
    grid,
    noise,
    paint,
    random_colour,
)


def plaster(rng) -> np.ndarray:
    colour = random_colour(rng, (0.02, 0.3), (0.6, 0.95))
    pattern = 0.7 * noise(rng, rng.uniform(0.7, 1.4)) + 0.3 * noise(rng, 0.3)
    return paint(colour, pattern, rng.uniform(0.04, 0.1))


def wallpaper(rng) -> np.ndarray:
    x, y = grid()
    base, ink = random_colour(rng, (0.05, 0.4), (0.55, 0.9)), random_colour(rng)
    kind = rng.integers(4)
    n = int(rng.integers(2, 6))
    if kind == 0:
        mask = np.sin(2 * np.pi * n * (x + 0 * y)) > rng.uniform(-0.3, 0.6)
    elif kind == 1:
        mask = np.cos(2 * np.pi * n * x) * np.cos(2 * np.pi * n * y) > rng.uniform(0.2, 0.7)
    elif kind == 2:
        wave = 0.15 * np.sin(2 * np.pi * n * y)
        mask = np.sin(2 * np.pi * (n * x + wave)) * np.cos(4 * np.pi * n * y) > 0.3
    else:
        mask = noise(rng, 2.2) > rng.uniform(0.2, 1.0)
    blend = 0.5 * mask[..., None].astype(np.float32)
    return paint(base * (1 - blend) + ink * blend, noise(rng, 0.9), 0.05)


def bricks(rng) -> np.ndarray:
    return blocks(rng, rows=int(rng.choice([4, 8])), columns=int(rng.choice([2, 4])),
                   colour=random_colour(rng, (0.2, 0.6), (0.35, 0.8)), offset=0.5)


def planks(rng) -> np.ndarray:
    green = rng.uniform(0.62, 0.88)
    colour = np.array([1.0, green, green * rng.uniform(0.55, 0.85)], np.float32)
    colour = colour * rng.uniform(0.35, 0.85)
    return blocks(rng, rows=int(rng.choice([4, 6, 8])), columns=int(rng.choice([1, 2])),
                   colour=colour, offset=rng.uniform(0.3, 0.7), grain=True)


def tiles(rng) -> np.ndarray:
    n = int(rng.choice([1, 2, 3, 4]))
    colour = random_colour(rng, (0.02, 0.4), (0.4, 0.9))
    result = blocks(rng, n, n, colour, 0.0)
    if n % 2 == 0 and rng.random() < 0.4:
        x, y = grid()
        odd = (np.floor(x * n) + np.floor(y * n)) % 2 == 1
        result = np.where(odd[..., None], result * random_colour(rng, (0, 0.5), (0.3, 0.7)),
                          result)
    return result


def wood(rng) -> np.ndarray:
    green = rng.uniform(0.62, 0.9)
    colour = np.array([1.0, green, green * rng.uniform(0.55, 0.9)], np.float32)
    grain = noise(rng, 1.2, (rng.uniform(5, 12), 1.0))
    rings = np.sin(3 * noise(rng, 1.8, (4.0, 1.0)))
    return paint(colour * rng.uniform(0.3, 0.9), 0.7 * grain + 0.4 * rings,
                  rng.uniform(0.08, 0.16))


def fabric(rng) -> np.ndarray:
    x, y = grid()
    base, other = random_colour(rng, (0.05, 0.8), (0.2, 0.85)), random_colour(rng)
    kind, n = rng.integers(5), int(rng.integers(3, 9))
    stripes_x = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * n * x)) + 0 * y
    stripes_y = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * n * y)) + 0 * x
    blend = {0: 0 * stripes_x, 1: 0.6 * stripes_x, 2: 0.35 * (stripes_x + stripes_y),
             3: 0.7 * (np.sin(2 * np.pi * n * x) * np.sin(2 * np.pi * n * y) > 0.5),
             4: 0.6 * (noise(rng, 2.0) > 0.6)}[int(kind)].astype(np.float32)[..., None]
    weave = 0.5 * noise(rng, 0.2) + 0.8 * noise(rng, 1.3)
    return paint(base * (1 - blend) + other * blend, weave, rng.uniform(0.06, 0.12))


def carpet(rng) -> np.ndarray:
    return paint(random_colour(rng, (0.05, 0.5), (0.3, 0.7)),
                  0.8 * noise(rng, 0.4) + 0.5 * noise(rng, 1.6), rng.uniform(0.1, 0.2))


def rug(rng) -> np.ndarray:
    """A carpet seen whole: bordered, with a symmetric ornament."""
    x, y = grid()
    field = noise(rng, 1.7)
    field = field + field[:, ::-1] + field[::-1] + field[::-1, ::-1]
    colours = np.stack([random_colour(rng, (0.2, 0.9), (0.2, 0.9)) for _ in range(4)])
    index = np.clip(np.floor(field * 0.7 + 2), 0, 3).astype(int)
    edge = np.maximum(np.abs(x - 0.5), np.abs(y - 0.5))
    index = np.where(edge > 0.46, 0, np.where(edge > 0.42, 3, index))
    return paint(colours[index], noise(rng, 0.4), 0.1)


def plain(rng) -> np.ndarray:
    """Painted metal or plastic: little texture, some specks."""
    return paint(random_colour(rng, (0.0, 0.8), (0.15, 0.95)),
                  noise(rng, 1.0) + 0.7 * (noise(rng, 0.5) > 2.0), rng.uniform(0.04, 0.09))


def leaves(rng) -> np.ndarray:
    green = np.array([rng.uniform(0.1, 0.4), rng.uniform(0.4, 0.7), rng.uniform(0.1, 0.3)],
                     np.float32)
    return paint(green, noise(rng, 1.0) + np.sign(noise(rng, 1.2)), 0.2)


def ceiling(rng) -> np.ndarray:
    colour = random_colour(rng, (0.0, 0.08), (0.8, 0.97))
    if rng.random() < 0.4:
        return blocks(rng, 2, 2, colour, 0.0) * 0.2 + 0.8 * paint(colour, noise(rng, 0.6), 0.05)
    return paint(colour, noise(rng, 0.9), rng.uniform(0.03, 0.07))


def picture(rng) -> np.ndarray:
    """A painting, a poster or a photograph: large shapes of many colours."""
    x, y = grid()
    kind = rng.integers(3)
    colours = np.stack([random_colour(rng, (0.1, 0.9), (0.15, 0.95)) for _ in range(6)])
    if kind == 0:
        image = colours[np.digitize(noise(rng, 1.8), [-1.0, -0.3, 0.2, 0.7, 1.3])]
    elif kind == 1:
        horizon = rng.uniform(0.35, 0.65) + 0.08 * noise(rng, 1.5)[:1]
        hills = horizon + 0.15 + 0.06 * noise(rng, 1.5)[1:2]
        index = (y > horizon).astype(int) + (y > hills)
        image = colours[index] * (1.1 - 0.4 * y)[..., None]
    else:
        image = np.broadcast_to(colours[0], (TEXTURE_SIZE, TEXTURE_SIZE, 3)).copy()
        for colour in colours[1:]:
            (cx, cy), (rx, ry) = rng.uniform(0, 1, 2), rng.uniform(0.08, 0.35, 2)
            d = np.maximum(np.abs(x - cx) / rx, np.abs(y - cy) / ry) if rng.random() < 0.5 \
                else np.hypot((x - cx) / rx, (y - cy) / ry)
            image[d < 1] = colour
    return paint(image, noise(rng, 0.9), 0.08)


def spines(rng) -> np.ndarray:
    """A row of book spines."""
    x, y = grid()
    edges = np.cumsum(rng.uniform(0.04, 0.1, 40))
    edges = edges[edges < 0.97]
    index = np.digitize(x[0], edges)
    colours = np.stack([random_colour(rng, (0.1, 0.9), (0.15, 0.9)) for _ in range(41)])
    image = np.broadcast_to(colours[index][None], (TEXTURE_SIZE, TEXTURE_SIZE, 3)).copy()
    label = rng.uniform(0.1, 0.7, 41)[index][None, :]
    height = rng.uniform(0.08, 0.25, 41)[index][None, :]
    ink = colours[::-1][index][None]
    image = np.where(((y > label) & (y < label + height))[..., None], ink, image)
    nearest = np.abs(x[0][:, None] - np.append(edges, [0.0, 1.0])).min(1)
    return paint(image * np.where(nearest < 0.008, 0.45, 1.0)[None, :, None],
                  noise(rng, 0.8), 0.06)


def screen(rng) -> np.ndarray:
    """A television: mostly off, sometimes showing something."""
    if rng.random() < 0.35:
        return picture(rng)
    x, y = grid()
    glare = np.exp(-((x - rng.uniform(0.1, 0.9)) ** 2 + (y - rng.uniform(0.1, 0.9)) ** 2) / 0.1)
    black = np.array([1.0, 1.0, rng.uniform(1.0, 1.15)], np.float32) * rng.uniform(0.06, 0.14)
    return paint(black, glare * 1.2 + 0.1 * noise(rng, 1.5), 1.0)


def outside(rng) -> np.ndarray:
    """What a window shows: sky above something green, grey or dark."""
    x, y = grid()
    sky = np.array([0.75, 0.85, 1.0], np.float32) * rng.uniform(0.8, 1.0)
    clouds = np.clip(noise(rng, 1.7) * 0.15, 0, 0.3)[..., None]
    ground = random_colour(rng, (0.1, 0.6), (0.2, 0.55))
    horizon = rng.uniform(0.3, 0.9) + 0.06 * noise(rng, 1.2)[:1]
    below = (y > horizon)[..., None]
    return np.where(below, paint(ground, noise(rng, 1.0), 0.3), sky * (1 - clouds) + clouds)


#: material name -> generators to choose from; each returns (S, S, 3) about [0, 1]
PROCEDURAL: dict[str, tuple[Callable, ...]] = {
    "wall": (plaster, plaster, wallpaper, wallpaper, bricks), "floor": (planks, tiles, carpet),
    "ceiling": (ceiling,), "wood": (wood,), "fabric": (fabric,), "plain": (plain,), "rug": (rug,),
    "leaves": (leaves,), "picture": (picture,), "spines": (spines,), "screen": (screen,),
    "outside": (outside,), "stone": (tiles, plaster),
}


def procedural(material: str, rng: np.random.Generator) -> np.ndarray:
    """A texture (S, S, 3) float32 in [0, 1]."""
    choices = PROCEDURAL[material]
    return np.clip(choices[int(rng.integers(len(choices)))](rng), 0, 1).astype(np.float32)
