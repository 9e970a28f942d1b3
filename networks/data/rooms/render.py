"""Image, depth and labels of a room from a camera pose."""

import numpy as np

from scenecode.networks.data.rendering.shading import Hits, View, draw, sample, shoulder, textured
from scenecode.networks.data.rooms.layout import Room
from scenecode.optim.geometry.camera import PinholeCamera


def render(room: Room, T_world_cam: np.ndarray, camera: PinholeCamera,
           supersample: int = 1) -> View:
    """View from ``T_world_cam`` (4, 4) with x right, y down, z forward.

    ``supersample`` n averages the colours of n x n rays in the pixels at the edges of
    faces (textures are filtered anyway); depth and labels belong to the pixel centre.
    """
    view, _ = draw(room.faces, T_world_cam, camera, lambda hits: _shade(room, hits), supersample)
    return view


def _shade(room: Room, hits: Hits) -> np.ndarray:
    """Colours (N, 3) float32, about [0, 1]."""
    colour = (textured(room.faces, room.atlas, hits) * _lit(room, hits)
              * room.faces.tint[hits.face])
    return np.where(hits.seen[:, None], shoulder(colour), 0).astype(np.float32)


def _lit(room: Room, hits: Hits) -> np.ndarray:
    """Brightness (N, 3)."""
    light, st = room.lightmap, np.clip(hits.st, 0, 1)
    x, y = (light.corner[hits.face, k] + st[k] * light.intervals[hits.face, k] for k in (0, 1))
    return sample(light.image, x, y)
