"""Building blocks of procedural textures: tileable noise, grids, rows of blocks, colours."""

import numpy as np

from scenecode.networks.data.rendering.atlas import TEXTURE_SIZE


def noise(rng: np.random.Generator, falloff: float = 1.2, stretch=(1.0, 1.0)) -> np.ndarray:
    """Tileable noise (S, S), zero mean, unit deviation, spectrum 1 / f^falloff.

    ``stretch`` (x, y) > 1 lengthens features along that axis.
    """
    size = TEXTURE_SIZE
    f = np.fft.fftfreq(size) * size
    radius = np.sqrt((f[None, :] * stretch[0]) ** 2 + (f[:, None] * stretch[1]) ** 2)
    radius[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.standard_normal((size, size))) / radius ** falloff
    spectrum[0, 0] = 0.0
    field = np.fft.ifft2(spectrum).real
    return (field / field.std()).astype(np.float32)


def random_colour(rng, saturation=(0.1, 0.6), value=(0.3, 0.9)) -> np.ndarray:
    """(3,) in [0, 1]; hues are mostly warm, as indoors."""
    hue = rng.uniform(0.0, 1.2) if rng.random() < 0.55 else rng.uniform(0, 6)
    s, v = rng.uniform(*saturation) * rng.uniform(0.4, 1.0), rng.uniform(*value)
    wheel = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return (v * (1 - s + s * wheel)).astype(np.float32)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Columns x and rows y in [0, 1)."""
    axis = (np.arange(TEXTURE_SIZE, dtype=np.float32) + 0.5) / TEXTURE_SIZE
    return axis[None, :], axis[:, None]


def paint(colour, pattern, amplitude) -> np.ndarray:
    """Colour (3,) modulated by a pattern (S, S)."""
    return colour * (1 + amplitude * pattern)[..., None]


def blocks(rng, rows, columns, colour, offset, grain=False) -> np.ndarray:
    """Blocks in rows shifted by ``offset`` every other row, each in its own shade."""
    x, y = grid()
    row = np.floor(y * rows)
    along = (x * columns + (row % 2) * offset) % columns
    shade = rng.uniform(0.75, 1.15, (rows, columns)).astype(np.float32)
    value = shade[row.astype(int), np.floor(along).astype(int)]
    gap_y = np.abs(y * rows - row - 0.5) / rows
    gap_x = np.abs(along - np.floor(along) - 0.5) / columns
    joint = np.maximum(gap_y - 0.5 / rows, gap_x - 0.5 / columns) > -0.008
    pattern = noise(rng, 1.1, (8.0, 1.0) if grain else (1.0, 1.0))
    value = value * (1 + rng.uniform(0.06, 0.14) * pattern)
    value = np.where(joint, value * rng.uniform(0.45, 0.8), value)
    return colour * value[..., None]
