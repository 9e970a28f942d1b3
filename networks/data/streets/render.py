"""Image, depth and labels of a town from a camera pose."""

from dataclasses import dataclass

import numpy as np

from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.rendering.faces import Faces
from scenecode.networks.data.rendering.shading import Hits, View, draw, sample, shoulder, textured
from scenecode.networks.data.streets.layout.parts import Parts, chosen
from scenecode.networks.data.streets.layout.stock import LEAVES
from scenecode.networks.data.streets.layout.town import Town
from scenecode.networks.data.streets.layout.weather import Weather
from scenecode.networks.data.streets.shadows import Shadows, cast
from scenecode.optim.geometry.camera import PinholeCamera

_SKY, _VEGETATION = (CITYSCAPES_19.names.index(name) for name in ("sky", "vegetation"))
#: things nearer than this to the edge of the picture, metres, count as in view
_MARGIN = 1.0
#: pieces of the town are looked for this much beside the picture, radians
_TILT = 0.05
#: the middle of the shadows is this far before the camera, metres
_AHEAD = 45.0
_GAMMA = 1 / 2.2


@dataclass(frozen=True)
class StreetView:
    """What a camera sees of a street."""

    view: View
    #: (H, W) bool, where something that moves is seen
    moving: np.ndarray


def render(town: Town, T_world_cam: np.ndarray, camera: PinholeCamera, supersample: int = 1,
           moving: Parts | None = None) -> StreetView:
    """View from ``T_world_cam`` (4, 4) with x right, y down, z forward, of the town and of what
    is ``moving`` in it at this moment; the depth of the sky is 0.

    ``supersample`` n averages the colours of n x n rays in the pixels at the edges of faces.
    """
    T_world_cam = np.asarray(T_world_cam, float)
    pieces = _neighbourhood(town, T_world_cam, camera, moving)
    faces, thing, moves = chosen(pieces, lambda part: _in_view(part, T_world_cam, camera))
    shader = _Shader(faces=faces, thing=thing, atlas=town.atlas, weather=town.weather,
                     T_world_cam=T_world_cam, shadows=_shadows(pieces, T_world_cam, town.weather))
    view, visible = draw(faces, T_world_cam, camera, shader, supersample)
    hidden = visible.face < 0
    labels = np.where(hidden, _SKY, view.labels).astype(np.uint8)
    dynamic = moves[thing[visible.face]] & ~hidden
    return StreetView(View(view.image, view.depth, labels), dynamic)


def _neighbourhood(town: Town, T_world_cam: np.ndarray, camera: PinholeCamera,
                   moving: Parts | None) -> list[Parts]:
    """The pieces of the town that can be seen, or throw a shadow on what is."""
    x, y = T_world_cam[:2, 3]
    heading = np.arctan2(T_world_cam[1, 2], T_world_cam[0, 2])
    half = np.arctan(max(camera.cx, camera.width - camera.cx) / camera.fx) + _TILT
    pieces = [town.piece(*p) for p in town.pieces_around(float(x), float(y), town.reach)
              if town.may_show(*p, float(x), float(y), float(heading), float(half))]
    return pieces if moving is None else [*pieces, moving]


def _in_view(parts: Parts, T_world_cam: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    """(I,) bool, which things are in the picture."""
    x = (parts.centre - T_world_cam[:3, 3]) @ T_world_cam[:3, :3]
    distance, r = np.linalg.norm(x, axis=1), parts.radius + _MARGIN
    keep = (x[:, 2] > -r) & (distance >= parts.distance[:, 0]) & (
        distance - parts.radius < parts.distance[:, 1])
    for axis, f, c, size in ((0, camera.fx, camera.cx, camera.width),
                             (1, camera.fy, camera.cy, camera.height)):
        for sign, edge in ((1.0, (size - c) / f), (-1.0, (c + 1) / f)):
            # distance beyond the plane through the camera and one edge of the picture
            keep &= (sign * x[:, axis] - edge * x[:, 2]) / np.hypot(1.0, edge) < r
    return keep


def _shadows(pieces: list[Parts], T_world_cam: np.ndarray, weather: Weather) -> Shadows | None:
    if weather.direct.max() < 0.05:
        return None
    forward = T_world_cam[:3, 2] * [1.0, 1.0, 0.0]
    middle = T_world_cam[:3, 3] + _AHEAD * forward

    def casts(parts: Parts) -> np.ndarray:
        offset = parts.centre - middle
        aside = offset - (offset @ weather.sun)[:, None] * weather.sun
        near = parts.casts & (np.abs(aside).max(1) - parts.radius < 75.0)
        # of trees in two versions the one for the distance casts the shadow
        return near & (parts.distance[:, 1] > LEAVES)

    blockers, blocking, _ = chosen(pieces, casts, blockers=True)
    return cast(blockers, blocking, weather.sun, middle)


@dataclass(frozen=True)
class _Shader:
    """Colours of pixels; see ``shading.Shader``."""

    faces: Faces
    thing: np.ndarray
    atlas: np.ndarray
    weather: Weather
    T_world_cam: np.ndarray
    shadows: Shadows | None

    def __call__(self, hits: Hits) -> np.ndarray:
        rays = self._rays(hits)
        sky = self._sky(rays)
        seen = np.flatnonzero(hits.seen)
        if len(seen) == 0:
            return sky
        near = Hits(u=hits.u[seen], v=hits.v[seen], face=hits.face[seen], seen=hits.seen[seen],
                    st=hits.st[:, seen], depth=hits.depth[seen], planes=hits.planes[seen],
                    camera=hits.camera)
        colour = textured(self.faces, self.atlas, near) * self._lit(near, rays[seen]) \
            * self.faces.tint[near.face]
        fade = np.exp(-near.depth / self.weather.visibility)[:, None].astype(np.float32)
        colour = colour * fade + (1 - fade) * self.weather.horizon
        sky[seen] = shoulder(colour)
        return sky

    def _rays(self, hits: Hits) -> np.ndarray:
        """World directions (N, 3) with one metre of depth."""
        c = hits.camera
        rays = np.stack([(hits.u - c.cx) / c.fx, (hits.v - c.cy) / c.fy, np.ones(len(hits.u))], 1)
        return rays @ self.T_world_cam[:3, :3].T

    def _lit(self, hits: Hits, rays: np.ndarray) -> np.ndarray:
        """Brightness (N, 3)."""
        w, face = self.weather, hits.face
        normal = self.faces.normal
        normal = normal / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)[:, None]
        cosine = normal @ w.sun
        leafy = self.faces.label == _VEGETATION
        # light shines through leaves
        facing = np.where(leafy, np.clip(0.35 + 0.65 * cosine, 0.1, 1), np.maximum(cosine, 0))
        open_sky = 0.62 + 0.38 * normal[:, 2]
        direct = facing[face].astype(np.float32)
        if self.shadows is not None:
            lit = np.flatnonzero(direct > 0.01)
            points = self.T_world_cam[:3, 3] + hits.depth[lit, None] * rays[lit]
            direct[lit] *= self.shadows.lit(points, self.thing[face[lit]])
        light = open_sky[face, None] * w.ambient + direct[:, None] * w.direct
        bright = (w.exposure * np.clip(light, 0.01, 4) ** _GAMMA).astype(np.float32)
        glow = self.faces.emission[face]
        return np.where(glow[:, None] > 0, glow[:, None], bright)

    def _sky(self, rays: np.ndarray) -> np.ndarray:
        """Colours (N, 3) float32 of the sky in world directions (N, 3)."""
        w = self.weather
        d = rays / np.linalg.norm(rays, axis=1)[:, None]
        up = np.clip(d[:, 2], 0, 1)
        blend = (1 - (1 - up) ** 4)[:, None]
        colour = w.horizon * (1 - blend) + w.zenith * blend
        size = len(w.clouds)
        reach = 0.9 * size / (up + 0.12)
        clouds = np.pad(w.clouds, ((0, 1), (0, 1)), mode="wrap")
        amount = sample(clouds, (d[:, 0] * reach) % size, (d[:, 1] * reach) % size)
        amount = amount * np.clip(up * 8, 0, 1)[:, None]
        colour = colour * (1 - amount) + amount * (0.35 * w.horizon + 0.62)
        toward = np.clip(d @ w.sun, 0, 1)[:, None]
        glow = (0.25 * toward ** 8 + 0.8 * (toward > 0.9994)) * w.direct
        return np.clip((colour + glow) * w.exposure, 0, 1).astype(np.float32)
