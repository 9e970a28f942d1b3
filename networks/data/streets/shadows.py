"""Which points the sun reaches: a depth image of what casts shadows, seen from the sun."""

from dataclasses import dataclass

import numpy as np

from scenecode.networks.data.rendering.faces import Faces
from scenecode.networks.data.rendering.poses import look_at
from scenecode.networks.data.rendering.raster import rasterise
from scenecode.optim.geometry.camera import PinholeCamera

#: the sun's camera: distance, half the side of what it sees, metres, and pixels of its side
_FAR, _REACH, _SIDE = 2500.0, 72.0, 1024
#: a blocker shades what is behind it by at least this much, metres
_BEHIND = 0.05


@dataclass(frozen=True)
class Shadows:
    """What the sun sees of a neighbourhood."""

    T_sun_world: np.ndarray
    camera: PinholeCamera
    #: (S, S) 1/z of the nearest blocker, 0 for none, and to which thing it belongs, -1 for none
    inverse_depth: np.ndarray
    thing: np.ndarray

    def lit(self, points: np.ndarray, thing: np.ndarray) -> np.ndarray:
        """Share (N,) of the sun that reaches (N, 3) points of things (N,), which do not shade
        themselves; 1 outside of the neighbourhood."""
        x = points @ self.T_sun_world[:3, :3].T + self.T_sun_world[:3, 3]
        u = self.camera.fx * x[:, 0] / x[:, 2] + self.camera.cx
        v = self.camera.fy * x[:, 1] / x[:, 2] + self.camera.cy
        inside = (u >= 0) & (u < _SIDE - 1) & (v >= 0) & (v < _SIDE - 1)
        u, v = u[inside], v[inside]
        u0, v0 = u.astype(np.int32), v.astype(np.int32)
        fu, fv = u - u0, v - v0
        limit = (1 / (x[inside, 2] - _BEHIND)).astype(np.float32)
        own = thing[inside]
        shaded = np.zeros(len(u), np.float32)
        flat, owner = self.inverse_depth.reshape(-1), self.thing.reshape(-1)
        for du, dv, weight in ((0, 0, (1 - fu) * (1 - fv)), (1, 0, fu * (1 - fv)),
                               (0, 1, (1 - fu) * fv), (1, 1, fu * fv)):
            at = (v0 + dv) * _SIDE + u0 + du
            shaded += weight * ((flat[at] > limit) & (owner[at] != own))
        lit = np.ones(len(points), np.float32)
        lit[inside] = 1 - shaded
        return lit


def cast(blockers: Faces, thing: np.ndarray, sun: np.ndarray, middle: np.ndarray) -> Shadows:
    """Shadows round a ``middle`` (3,) of ``blockers`` that belong to things (B,)."""
    T = look_at(middle + _FAR * sun, middle)
    camera = PinholeCamera.centred(_FAR / _REACH * _SIDE / 2, _SIDE, _SIDE)
    seen = rasterise(blockers, T, camera)
    owner = np.where(seen.face >= 0, thing[seen.face], -1) if len(thing) else seen.face
    return Shadows(T_sun_world=np.linalg.inv(T), camera=camera, inverse_depth=seen.inverse_depth,
                   thing=owner)
