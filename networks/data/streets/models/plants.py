"""Trees, bushes and hedges: crowns of leaf clusters round a dark core."""

import numpy as np

from scenecode.networks.data.rendering.faces import (
    TRIANGLE,
    Faces,
    Surface,
    box,
    join,
    patches,
    revolve,
)
from scenecode.networks.data.streets.models.palette import Palette
from scenecode.networks.data.streets.models.shapes import Model, model, tube


def _clusters(rng, centres: np.ndarray, radii: np.ndarray, count: int, size: float,
              surface: Surface) -> Faces:
    """``count`` clusters of leaves, about ``size`` metres, on ellipsoids (N, 3) of (N, 3) half
    axes, their upper ones brighter."""
    which = rng.choice(len(centres), count, p=radii.prod(1) ** (2 / 3)
                       / (radii.prod(1) ** (2 / 3)).sum())
    out = rng.standard_normal((count, 3))
    out[:, 2] += 0.25
    out /= np.linalg.norm(out, axis=1)[:, None]
    at = centres[which] + out * radii[which] * rng.uniform(0.86, 1.06, (count, 1))
    normal = out + 0.45 * rng.standard_normal((count, 3))
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    a = np.cross(normal, rng.standard_normal((count, 3)))
    a *= (size * rng.uniform(0.6, 1.3, count) / np.linalg.norm(a, axis=1))[:, None]
    b = np.cross(normal, a)
    kind = rng.random(count) < 0.5
    parts = []
    for chosen, shape in ((kind, TRIANGLE), (~kind, 0)):
        if not chosen.any():
            continue
        shift = (a + b)[chosen] * (1 / 3 if shape == TRIANGLE else 0.5)
        part = patches(at[chosen] - shift, a[chosen], b[chosen], surface, shape)
        part.uv[:, 2] = rng.random((chosen.sum(), 2))
        low, high = at[:, 2].min(), at[:, 2].max()
        height = (at[chosen, 2] - low) / max(high - low, 1e-6)
        shade = (0.62 + 0.45 * height) * rng.uniform(0.8, 1.2, chosen.sum())
        part.tint[:] *= shade[:, None]
        parts.append(part)
    return join(parts)


def _core(centres: np.ndarray, radii: np.ndarray, surface: Surface) -> Faces:
    """Dark ellipsoids inside the leaves."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 6)
    profile = [(max(float(np.cos(a)), 0.0) if 0 < k < 5 else 0.0, float(np.sin(a)))
               for k, a in enumerate(angle)]
    unit = revolve(profile, surface, 8)
    return join([unit.moved(0.85 * np.diag(r), c) for c, r in zip(centres, radii)])


#: broad-leaved trees have several blobs, slender ones one
_FORMS = ("broad", "broad", "round", "slender", "conifer")


def tree(rng, palette: Palette, height: float | None = None) -> tuple[Model, Model]:
    """A tree as it is seen from near, and with fewer leaves for the distance."""
    form = _FORMS[int(rng.integers(len(_FORMS)))]
    height = height or rng.uniform(6.0, 12.0)
    variant = int(rng.integers(4))
    tint = rng.uniform(0.75, 1.15) * np.array([rng.uniform(0.85, 1.25), 1.0,
                                               rng.uniform(0.7, 1.0)])
    leaf = palette.surface("leaves", "vegetation", tint, variant)
    dark = palette.surface("leaves", "vegetation", 0.45 * tint, variant)
    bark = palette.surface("bark", "vegetation", rng.uniform(0.7, 1.2))
    trunk = height * rng.uniform(0.22, 0.34)
    thick = 0.012 * height + 0.04
    crown = height - trunk
    if form == "conifer":
        trunk = 0.12 * height
        parts = [(0.28 - 0.085 * k, 0.25 + 0.2 * k) for k in range(4)]
        centres = np.array([[0, 0, share * height + 0.1 * height] for _, share in parts])
        radii = np.array([[wide * height * 0.8, wide * height * 0.8, 0.17 * height]
                          for wide, _ in parts])
    elif form == "slender":
        centres = np.array([[0, 0, trunk + 0.5 * crown]])
        radii = np.array([[0.2 * crown, 0.2 * crown, 0.52 * crown]])
    elif form == "round":
        centres = np.array([[0, 0, trunk + 0.5 * crown]])
        radii = np.array([[0.42 * crown, 0.42 * crown, 0.5 * crown]])
    else:
        count = int(rng.integers(4, 7))
        angle = np.arange(count) * (2 * np.pi / count) + rng.uniform(0, 6)
        reach = 0.26 * crown
        centres = np.stack([reach * np.cos(angle), reach * np.sin(angle),
                            trunk + crown * rng.uniform(0.32, 0.62, count)], 1)
        centres = np.concatenate([centres, [[0, 0, trunk + 0.68 * crown]]])
        radii = crown * rng.uniform(0.24, 0.33, (count + 1, 1)) * [1.0, 1.0, 0.95]
    wood = [tube((0, 0, -0.2), (0, 0, trunk + 0.25 * crown), thick, bark, 6)]
    if form == "broad":
        wood += [tube((0, 0, trunk * 0.9), c, 0.5 * thick, bark) for c in centres[:3]]
    size = 0.032 * height + 0.1
    near = join([*wood, _core(centres, radii, dark),
                 _clusters(rng, centres, radii, 520, size, leaf)])
    far = join([wood[0], _core(centres, radii, dark),
                _clusters(rng, centres, radii, 110, 1.9 * size, leaf)])
    shade = join([wood[0], _clusters(rng, centres, radii, 50, 2.6 * size, leaf),
                  _core(centres, 0.9 * radii, dark)])
    return model(near, shade), model(far, shade)


def bush(rng, palette: Palette) -> Model:
    wide, high = rng.uniform(0.5, 1.1), rng.uniform(0.6, 1.4)
    variant, tint = int(rng.integers(4)), rng.uniform(0.7, 1.15)
    leaf = palette.surface("leaves", "vegetation", tint, variant)
    dark = palette.surface("leaves", "vegetation", 0.5 * tint, variant)
    centres = np.array([[rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), 0.45 * high]])
    radii = np.array([[wide, wide, 0.55 * high]])
    faces = join([_core(centres, radii, dark), _clusters(rng, centres, radii, 90, 0.3, leaf)])
    return model(faces, _core(centres, radii, dark))


def hedge(rng, palette: Palette, length: float, height: float, thick: float = 0.7) -> Model:
    """A clipped hedge along x, the middle of its length at the origin."""
    variant, tint = int(rng.integers(4)), rng.uniform(0.65, 1.05)
    leaf = palette.surface("leaves", "vegetation", tint, variant)
    x, y = length / 2, thick / 2
    body = box((-x, -y, -0.2), (x, y, height), leaf, skip=("-z",))
    count = int(np.clip(length * 9, 20, 120))
    side = rng.integers(3, size=count)
    at = np.stack([rng.uniform(-x, x, count), rng.uniform(-y, y, count),
                   rng.uniform(0.1, height, count)], 1)
    out = np.zeros((count, 3))
    for k, (axis, value, sign) in enumerate(((1, y, 1.0), (1, -y, -1.0), (2, height, 1.0))):
        at[side == k, axis] = value
        out[side == k, axis] = sign
    normal = out + 0.5 * rng.standard_normal((count, 3))
    a = np.cross(normal, rng.standard_normal((count, 3)))
    a *= (0.24 / np.linalg.norm(a, axis=1))[:, None]
    b = np.cross(normal, a) / np.linalg.norm(normal, axis=1)[:, None]
    sprigs = patches(at + 0.02 * out - (a + b) / 3, a, b, leaf, TRIANGLE)
    sprigs.uv[:, 2] = rng.random((count, 2))
    sprigs.tint[:] *= rng.uniform(0.75, 1.3, (count, 1)).astype(np.float32)
    return model(join([body, sprigs]), body)
