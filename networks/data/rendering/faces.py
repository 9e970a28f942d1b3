"""A room is a soup of flat faces: parallelograms, triangles and discs, each with one surface.

World frame: x, y on the floor, z up, metres.  A face is ``origin + s edge_s + t edge_t`` and
is seen only from the side its normal ``edge_s x edge_t`` points to.  Its domain is s, t in
[0, 1] (parallelogram), additionally s + t <= 1 (triangle), or the inscribed ellipse (disc).
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

PARALLELOGRAM, TRIANGLE, DISC = 0, 1, 2


@dataclass(frozen=True)
class Surface:
    """How a face looks and what it is."""

    #: class id
    label: int
    #: index into the room's textures
    texture: int
    #: metres covered by one repeat of the texture; None stretches it once over the face
    tile: float | None = 1.0
    #: factor on the texture's red, green, blue
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    #: 0 for a lit surface, else its own constant brightness
    emission: float = 0.0


@dataclass(frozen=True)
class Faces:
    """F faces as arrays."""

    origin: np.ndarray      # (F, 3) float64
    edge_s: np.ndarray      # (F, 3) float64
    edge_t: np.ndarray      # (F, 3) float64
    kind: np.ndarray        # (F,) uint8
    label: np.ndarray       # (F,) uint8
    texture: np.ndarray     # (F,) int32
    uv: np.ndarray          # (F, 3, 2) float64: (u, v) per s, per t, and at the origin, in tiles
    tint: np.ndarray        # (F, 3) float32
    emission: np.ndarray    # (F,) float32

    def __len__(self) -> int:
        return len(self.origin)

    @cached_property
    def normal(self) -> np.ndarray:
        """(F, 3), of length = area of the parallelogram."""
        return np.cross(self.edge_s, self.edge_t)

    @cached_property
    def corners(self) -> np.ndarray:
        """(F, 4, 3) corners of the parallelogram; a triangle repeats its last one."""
        far = self.origin + self.edge_s + np.where(
            (self.kind == TRIANGLE)[:, None], 0.0, self.edge_t)
        return np.stack([self.origin, self.origin + self.edge_s, far,
                         self.origin + self.edge_t], 1)

    def moved(self, rotation: np.ndarray, translation) -> "Faces":
        """Rotated by (3, 3), then translated by (3,)."""
        return replace(self, origin=self.origin @ rotation.T + np.asarray(translation),
                       edge_s=self.edge_s @ rotation.T, edge_t=self.edge_t @ rotation.T)

    def copies(self, rotations: np.ndarray, translations: np.ndarray) -> "Faces":
        """K copies, one after the other, each rotated by one of (K, 3, 3), then translated by one
        of (K, 3)."""
        turned = rotations.transpose(0, 2, 1)
        count = len(turned)
        return Faces(
            origin=(self.origin @ turned + translations[:, None]).reshape(-1, 3),
            edge_s=(self.edge_s @ turned).reshape(-1, 3),
            edge_t=(self.edge_t @ turned).reshape(-1, 3),
            **{name: np.concatenate([getattr(self, name)] * count)
               for name in ("kind", "label", "texture", "uv", "tint", "emission")})

    def only(self, mask: np.ndarray) -> "Faces":
        """The faces where ``mask`` (F,) is True."""
        return Faces(**{f.name: getattr(self, f.name)[mask] for f in fields(Faces)})


def join(parts: list[Faces]) -> Faces:
    return Faces(**{f.name: np.concatenate([getattr(p, f.name) for p in parts])
                    for f in fields(Faces)})


def yaw_rotation(angle: float) -> np.ndarray:
    """(3, 3) rotation about z by ``angle`` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def pitch_rotation(angle: float) -> np.ndarray:
    """(3, 3) rotation about x by ``angle`` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def patches(origin, edge_s, edge_t, surface: Surface, kind: int = PARALLELOGRAM,
            shift=(0.0, 0.0)) -> Faces:
    """Faces of one surface from (F, 3) arrays; ``shift`` (u, v) moves a tiled texture."""
    origin, edge_s, edge_t = (np.atleast_2d(np.asarray(a, float)) for a in
                              (origin, edge_s, edge_t))
    count = len(origin)
    uv = np.zeros((count, 3, 2))
    if surface.tile is None:
        uv[:, 0, 0], uv[:, 1, 1], uv[:, 2, 1] = 1.0, -1.0, 1.0
    else:
        uv[:, 0, 0] = np.linalg.norm(edge_s, axis=1) / surface.tile
        uv[:, 1, 1] = -np.linalg.norm(edge_t, axis=1) / surface.tile
        uv[:, 2] = shift
    return Faces(origin=origin, edge_s=edge_s, edge_t=edge_t, kind=np.full(count, kind, np.uint8),
                 label=np.full(count, surface.label, np.uint8),
                 texture=np.full(count, surface.texture, np.int32), uv=uv,
                 tint=np.tile(np.array(surface.tint, np.float32), (count, 1)),
                 emission=np.full(count, surface.emission, np.float32))


def triangles(corners: np.ndarray, surface: Surface) -> Faces:
    """Faces from (F, 3, 3) corners in counter-clockwise order, the texture laid on from the
    axis that each faces most."""
    origin = corners[:, 0]
    edges = corners[:, 1] - origin, corners[:, 2] - origin
    faces = patches(origin, *edges, surface, TRIANGLE)
    axis = np.abs(faces.normal).argmax(1)
    pick = np.array([[1, 2], [0, 2], [0, 1]])[axis]
    along = np.stack([np.take_along_axis(v, pick, 1) for v in (*edges, origin)], 1)
    return replace(faces, uv=along * (1.0, -1.0) / (surface.tile or 1.0))


_BOX_SIDES = {          # origin corner (0 low, 1 high) and signed axes of the two edges
    "+x": ((1, 0, 0), (1, 1), (2, 1)), "-x": ((0, 1, 0), (1, -1), (2, 1)),
    "+y": ((1, 1, 0), (0, -1), (2, 1)), "-y": ((0, 0, 0), (0, 1), (2, 1)),
    "+z": ((0, 0, 1), (0, 1), (1, 1)), "-z": ((0, 1, 0), (0, 1), (1, -1)),
}


def box(low, high, surface: Surface, skip: tuple[str, ...] = (), only: tuple[str, ...] = (),
        inward: bool = False) -> Faces:
    """Axis-aligned box between two corners; ``skip`` / ``only`` name sides like "-z".

    ``inward`` turns the sides to be seen from inside.
    """
    low, high = np.asarray(low, float), np.asarray(high, float)
    size = high - low
    rows = []
    for name in only or _BOX_SIDES:
        if name in skip:
            continue
        corner, (axis_s, sign_s), (axis_t, sign_t) = _BOX_SIDES[name]
        origin = np.where(np.asarray(corner) == 1, high, low)
        edge_s, edge_t = np.zeros(3), np.zeros(3)
        edge_s[axis_s], edge_t[axis_t] = sign_s * size[axis_s], sign_t * size[axis_t]
        if inward:
            origin, edge_s = origin + edge_s, -edge_s
        rows.append((origin, edge_s, edge_t))
    shift = (low[0] * 0.37 + low[2] * 0.21, low[1] * 0.53 + low[2] * 0.17)
    origins, edges_s, edges_t = (np.array(column) for column in zip(*rows))
    return patches(origins, edges_s, edges_t, surface, shift=shift)


def revolve(profile: list[tuple[float, float]], surface: Surface, sides: int = 12,
            cap: Surface | None = None) -> Faces:
    """Surface of revolution about z from (radius, z) points, bottom to top, seen from outside.

    ``cap`` closes the top with a disc.
    """
    angles = np.arange(sides + 1) * (2 * np.pi / sides)
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], 1)
    up = np.array([0.0, 0.0, 1.0])
    parts = []
    for (r0, z0), (r1, z1) in zip(profile[:-1], profile[1:]):
        low, high = r0 * ring + z0 * up, r1 * ring + z1 * up
        if r0 == r1:
            parts.append(patches(low[:-1], low[1:] - low[:-1], high[:-1] - low[:-1], surface))
            continue
        if r0 > 0:
            parts.append(patches(low[:-1], low[1:] - low[:-1], high[:-1] - low[:-1], surface,
                                 TRIANGLE))
        if r1 > 0:
            parts.append(patches(high[1:], high[:-1] - high[1:], low[1:] - high[1:], surface,
                                 TRIANGLE))
    radius, top = profile[-1]
    if cap is not None and radius > 0:
        parts.append(patches([-radius, -radius, top], [2 * radius, 0, 0], [0, 2 * radius, 0],
                             cap, DISC))
    return join(parts)
