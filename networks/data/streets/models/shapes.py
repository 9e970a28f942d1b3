"""Shapes that models are made of, beside the boxes and surfaces of revolution of ``faces``."""

from dataclasses import dataclass, replace

import numpy as np

from scenecode.networks.data.rendering.faces import (
    DISC,
    TRIANGLE,
    Faces,
    Surface,
    box,
    join,
    patches,
)


@dataclass(frozen=True)
class Model:
    """Something that stands on the ground: x to its right, y to its front, z up."""

    faces: Faces
    #: fewer and larger faces that cast its shadow
    blockers: Faces
    #: middle (3,) of its bounding box, and half its diagonal, metres
    middle: np.ndarray
    radius: float


def model(faces: Faces, blockers: Faces | None = None) -> Model:
    """A model that casts the shadow of ``blockers``, by default of its bounding box."""
    points = faces.corners.reshape(-1, 3)
    low, high = points.min(0), points.max(0)
    if blockers is None:
        blockers = box(low, high, Surface(label=0, texture=0), skip=("-z",))
    return Model(faces=faces, blockers=blockers, middle=(low + high) / 2,
                 radius=float(np.linalg.norm(high - low)) / 2)


def quads(corners, surface: Surface) -> Faces:
    """Faces from (F, 4, 3) corners, counter-clockwise; those that are not parallelograms become
    two triangles."""
    corners = np.asarray(corners, float).reshape(-1, 4, 3)
    a, b, c, d = (corners[:, k] for k in range(4))
    whole = np.abs(a + c - b - d).max(1) < 1e-6
    parts = []
    if whole.any():
        parts.append(patches(a[whole], (b - a)[whole], (d - a)[whole], surface))
    if not whole.all():
        split = ~whole
        first = patches(a[split], (b - a)[split], (d - a)[split], surface, TRIANGLE)
        second = patches(c[split], (d - c)[split], (b - c)[split], surface, TRIANGLE)
        # the second triangle has its texture turned by half a turn: about the opposite corner
        far = first.uv[:, 0] + first.uv[:, 1] + first.uv[:, 2]
        uv = second.uv.copy()
        uv[:, :2] *= -1
        uv[:, 2] = far
        parts += [first, replace(second, uv=uv)]
    return join(parts)


def boxes(lows, highs, surface: Surface) -> Faces:
    """The four upright sides and the tops of boxes between (N, 3) corners."""
    (x0, y0, z0), (x1, y1, z1) = (np.atleast_2d(np.asarray(c, float)).T for c in (lows, highs))
    zero, w, d, h = np.zeros_like(x0), x1 - x0, y1 - y0, z1 - z0
    sides = (((x0, y0, z0), (w, zero, zero), (zero, zero, h)),
             ((x1, y0, z0), (zero, d, zero), (zero, zero, h)),
             ((x1, y1, z0), (-w, zero, zero), (zero, zero, h)),
             ((x0, y1, z0), (zero, -d, zero), (zero, zero, h)),
             ((x0, y0, z1), (w, zero, zero), (zero, d, zero)))
    origin, s, t = (np.concatenate([np.stack(side[k], 1) for side in sides]) for k in range(3))
    return patches(origin, s, t, surface)


def ring(x0: float, y0: float, x1: float, y1: float, z: float) -> np.ndarray:
    """(4, 3) corners of a level rectangle, counter-clockwise seen from above."""
    return np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]])


def loft(rings, surface: Surface, top: Surface | None = None) -> Faces:
    """The skin between (K, n, 3) rings, bottom to top, each counter-clockwise seen from above;
    ``top`` closes a last ring of four corners."""
    rings = np.asarray(rings, float)
    low, high = rings[:-1], rings[1:]
    corners = np.stack([low, np.roll(low, -1, 1), np.roll(high, -1, 1), high], 2)
    parts = [quads(corners.reshape(-1, 4, 3), surface)]
    if top is not None:
        parts.append(quads(rings[-1][None], top))
    return join(parts)


def oval(x: float, y: float, z: float, rx: float, ry: float, sides: int = 6) -> np.ndarray:
    """(sides, 3) level ellipse, counter-clockwise seen from above."""
    angle = (np.arange(sides) + 0.5) * (2 * np.pi / sides)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle), np.full(sides, z)], 1)


def tube(start, end, radius: float, surface: Surface, sides: int = 4) -> Faces:
    """An open prism about the line between two points."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    along = end - start
    along /= max(float(np.linalg.norm(along)), 1e-9)
    across = np.cross(along, [1.0, 0, 0] if abs(along[0]) < 0.7 else [0, 1.0, 0])
    across /= np.linalg.norm(across)
    other = np.cross(along, across)
    angle = (np.arange(sides) + 0.5) * (2 * np.pi / sides)
    circle = radius * (np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * other)
    return loft([start + circle, end + circle], surface)


def polygon(centre, axis_a, axis_b, sides: int, surface: Surface) -> Faces:
    """A flat regular polygon of triangles about ``centre``, seen from ``axis_a x axis_b``."""
    angle = np.arange(sides + 1) * (2 * np.pi / sides)
    rim = (np.cos(angle)[:, None] * np.asarray(axis_a, float)
           + np.sin(angle)[:, None] * np.asarray(axis_b, float))
    return patches(np.tile(np.asarray(centre, float), (sides, 1)), rim[:-1], rim[1:], surface,
                   TRIANGLE)


def disc(centre, axis_a, axis_b, surface: Surface) -> Faces:
    """An ellipse with the given half axes, seen from ``axis_a x axis_b``."""
    centre, a, b = (np.asarray(p, float) for p in (centre, axis_a, axis_b))
    return patches(centre - a - b, 2 * a, 2 * b, surface, DISC)


def repeated(faces: Faces, across: float, up: float) -> Faces:
    """Faces with their texture repeated ``across`` x ``up`` times, whole at the corners."""
    uv = np.zeros_like(faces.uv)
    uv[:, 0, 0], uv[:, 1, 1], uv[:, 2, 1] = across, -up, up
    return replace(faces, uv=uv)
