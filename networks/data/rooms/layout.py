"""From a seed to a furnished, lit room."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scenecode.core.errors import ConfigError
from scenecode.networks.data.rendering.atlas import mip_atlas
from scenecode.networks.data.rendering.faces import Faces, box, join, revolve
from scenecode.networks.data.rooms.lighting import Light, Lightmap, bake
from scenecode.networks.data.rooms.models import furniture, objects
from scenecode.networks.data.rooms.models.furniture import Item
from scenecode.networks.data.rooms.models.materials import Materials
from scenecode.networks.data.rooms.models.meshes import load_models
from scenecode.networks.data.rooms.placing import FloorPlan, Solid, on_solid


@dataclass(frozen=True)
class RoomConfig:
    """What rooms look like.  Ranges are (low, high) in metres."""

    side: tuple[float, float] = (3.0, 7.0)
    height: tuple[float, float] = (2.3, 3.0)
    #: probability that one corner is built in
    l_shaped: float = 0.25
    #: pieces of furniture tried per square metre
    density: float = 1.0
    #: folder of texture tiles in sub-folders by material; None: all procedural
    textures: str | None = None
    #: share of textures taken from the folder
    texture_share: float = 0.5
    #: folder of .glb models named by what they are; None: all primitives
    meshes: str | None = None
    #: share of furniture taken from the models
    mesh_share: float = 0.5

    def __post_init__(self):
        for name in ("side", "height"):
            low, high = getattr(self, name)
            if not 2.0 <= low <= high <= 20.0:
                raise ConfigError(f"rooms: {name}={low, high}; expected 2 <= low <= high <= 20")
        for name in ("l_shaped", "texture_share", "mesh_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"rooms: {name}={getattr(self, name)}; expected 0 to 1")


@dataclass(frozen=True)
class Room:
    """A finished room; world frame with the origin in a lower corner, z up."""

    seed: int
    #: width (x), depth (y), height (z)
    size: tuple[float, float, float]
    faces: Faces
    #: bounding boxes of all furniture
    solids: tuple[Solid, ...]
    #: textures with their mip levels, see ``atlas.mip_atlas``
    atlas: np.ndarray
    lightmap: Lightmap

    def clearance(self, points: np.ndarray) -> np.ndarray:
        """Distance (N,) of points (N, 3) to the nearest surface; negative outside the room."""
        edge = np.minimum(points, np.array(self.size) - points).min(1)
        return np.minimum.reduce([edge] + [s.distance(points) for s in self.solids])


_BUILDERS: dict[str, Callable] = {
    "bed": furniture.bed, "sofa": furniture.sofa, "table": furniture.table,
    "round_table": furniture.round_table, "coffee_table": furniture.coffee_table,
    "desk": furniture.desk, "shelf": furniture.shelf, "cabinet": furniture.cabinet,
    "low_cabinet": furniture.low_cabinet, "tv_stand": furniture.tv_stand,
    "chair": furniture.chair, "office_chair": furniture.office_chair,
    "floor_lamp": objects.floor_lamp, "floor_plant": objects.floor_plant,
    "carton": objects.carton, "ball": objects.ball, "small": objects.small_object,
    "monitor": objects.monitor,
}
#: kinds of room: what must be there, in this order, before the rest is drawn from _FILLERS
_KINDS = {
    "bedroom": ("bed", "cabinet", "desk", "low_cabinet", "shelf"),
    "living": ("sofa", "coffee_table", "tv_stand", "shelf", "sofa", "low_cabinet"),
    "office": ("desk", "desk", "shelf", "cabinet", "shelf"),
    "dining": ("table", "cabinet", "low_cabinet", "sofa"),
    "studio": ("bed", "sofa", "table", "tv_stand", "shelf"),
}
_FILLERS = ("cabinet", "low_cabinet", "shelf", "shelf", "chair", "sofa", "tv_stand", "desk",
            "floor_lamp", "floor_plant", "carton", "carton", "ball", "round_table", "bed")
#: these stand in the room, everything else along a wall
_FREE = ("table", "round_table", "coffee_table", "carton", "ball", "chair", "office_chair")
_TABLES = ("table", "round_table", "desk")


def generate_room(seed: int, config: RoomConfig = RoomConfig()) -> Room:
    """The room of a seed; the same seed and config give the same room everywhere."""
    rng = np.random.default_rng([seed, 1])
    materials = Materials(rng, config.textures, config.texture_share)
    size = (float(rng.uniform(*config.side)), float(rng.uniform(*config.side)),
            float(rng.uniform(*config.height)))
    plan = FloorPlan(size)
    _shell(plan, rng, materials)
    if rng.random() < config.l_shaped:
        _corner_block(plan, rng, materials)
    lights = _openings(plan, rng, materials)
    _furnish(plan, rng, _Workshop(materials, config), config.density)
    _hang(plan, rng, materials)
    lights += _ceiling_lamps(plan, rng, materials)
    faces = plan.faces()
    atlas = mip_atlas(materials.textures)
    lightmap = bake(faces, lights, atlas, np.random.default_rng([seed, 2]))
    return Room(seed=seed, size=size, faces=faces, solids=tuple(plan.solids), atlas=atlas,
                lightmap=lightmap)


def _shell(plan: FloorPlan, rng, materials: Materials) -> None:
    w, d, h = plan.size
    low, high = (0, 0, 0), plan.size
    paper = materials.surface("wall", "wall")
    for side in ("+x", "-x", "+y", "-y"):
        if rng.random() < 0.25:
            paper = materials.surface("wall", "wall")
        plan.add_faces(box(low, high, paper, only=(side,), inward=True))
    plan.add_faces(box(low, high, materials.surface("floor", "floor"), only=("-z",), inward=True))
    plan.add_faces(box(low, high, materials.surface("ceiling", "ceiling"), only=("+z",),
                       inward=True))
    if rng.random() < 0.8:
        skirt, t, z = materials.surface("wood", "wall"), 0.015, rng.uniform(0.06, 0.12)
        plan.add_faces(join([box((0, 0, 0), (w, t, z), skirt, only=("+y", "+z")),
                             box((0, d - t, 0), (w, d, z), skirt, only=("-y", "+z")),
                             box((0, 0, 0), (t, d, z), skirt, only=("+x", "+z")),
                             box((w - t, 0, 0), (w, d, z), skirt, only=("-x", "+z"))]))
    if rng.random() < 0.5:
        rw, rd = rng.uniform(0.3, 0.6) * w, rng.uniform(0.3, 0.6) * d
        x, y = rng.uniform(0.1, w - rw - 0.1), rng.uniform(0.1, d - rd - 0.1)
        plan.add_faces(box((x, y, 0), (x + rw, y + rd, 0.008), materials.surface("rug", "floor"),
                           skip=("-z",)))


def _corner_block(plan: FloorPlan, rng, materials: Materials) -> None:
    w, d, h = plan.size
    bw, bd = rng.uniform(0.15, 0.35) * w, rng.uniform(0.15, 0.35) * d
    size = (bw, bd, h - 0.002)
    half = np.array(size) / 2
    block = Item(box((-half[0], -half[1], 0), (half[0], half[1], size[2]),
                     materials.surface("wall", "wall"), skip=("-z", "+z")), size)
    x = bw / 2 + 1e-3 if rng.random() < 0.5 else w - bw / 2 - 1e-3
    y = bd / 2 + 1e-3 if rng.random() < 0.5 else d - bd / 2 - 1e-3
    plan.place(block, (x, y, 0.001), 0.0)


def _openings(plan: FloorPlan, rng, materials: Materials) -> list[Light]:
    """A door and windows; each window is a light."""
    placed = plan.along_wall(objects.door(rng, materials), rng, gap=1e-3)
    if placed is not None:
        x, y, _ = on_solid(placed, 0.0, 0.5, 0.0)
        plan.reserve(Solid((x, y, 0.0), placed.yaw, (0.9, 0.8, 2.0)))
    lights: list[Light] = []
    for _ in range(int(rng.integers(1, 4))):
        sill = rng.uniform(0.78, 1.0)
        pane = objects.window(rng, materials, plan.size[2] - sill - 0.25)
        placed = plan.along_wall(pane, rng, z=sill, gap=1e-3)
        if placed is not None and len(lights) < 2:
            day = np.array([0.85, 0.95, 1.1], np.float32) * rng.uniform(2.0, 6.0)
            position = on_solid(placed, 0.0, 0.3, 0.6 * pane.size[2])
            lights.append(Light(np.array(position), day))
    return lights


class _Workshop:
    """Makes furniture by name, from primitives or from the models."""

    def __init__(self, materials: Materials, config: RoomConfig):
        self._materials = materials
        self._share = config.mesh_share
        self._models = load_models(config.meshes) if config.meshes else {}

    def __call__(self, name: str, rng) -> Item:
        models = self._models.get(name)
        if models and rng.random() < self._share:
            return models[int(rng.integers(len(models)))].item(rng, self._materials)
        return _BUILDERS[name](rng, self._materials)


def _furnish(plan: FloorPlan, rng, make: _Workshop, density: float) -> None:
    kind = list(_KINDS)[int(rng.integers(len(_KINDS)))]
    count = max(4, round(density * plan.size[0] * plan.size[1]))
    names = list(_KINDS[kind])
    names += [str(rng.choice(_FILLERS)) for _ in range(max(0, count - len(names)))]
    for name in names:
        item = make(name, rng)
        if name in _FREE:
            solid = plan.freely(item, rng, turned=name in ("chair", "carton"))
        else:
            solid = plan.along_wall(item, rng, gap=rng.uniform(0.02, 0.08))
        if solid is None:
            continue
        if name in _TABLES:
            _chairs_around(plan, rng, make, item, solid, name == "desk")
        _fill_tops(plan, rng, make, item, solid, name == "desk")


def _chairs_around(plan, rng, make, item: Item, solid: Solid, is_desk: bool) -> None:
    w, d, _ = item.size
    places = [(0.0, d / 2, np.pi)] if is_desk else [
        (-w / 4, d / 2, np.pi), (w / 4, d / 2, np.pi), (-w / 4, -d / 2, 0.0),
        (w / 4, -d / 2, 0.0), (w / 2, 0.0, np.pi / 2), (-w / 2, 0.0, -np.pi / 2)]
    chair = make("office_chair" if is_desk else "chair", rng)
    for x, y, yaw in places:
        if rng.random() > 0.75:
            continue
        out = chair.size[1] / 2 + rng.uniform(0.03, 0.2)
        x, y, _ = on_solid(solid, x + out * np.sin(yaw), y - out * np.cos(yaw), 0.0)
        plan.place(chair, (x, y, 0.0), solid.yaw + yaw + rng.uniform(-0.2, 0.2))


def _fill_tops(plan, rng, make, item: Item, solid: Solid, is_desk: bool) -> None:
    if is_desk and rng.random() < 0.7:
        x = rng.uniform(-0.2, 0.1)
        plan.place(make("monitor", rng), on_solid(solid, x, -0.15, item.size[2]), solid.yaw)
    for top in item.tops:
        area = (top.x[1] - top.x[0]) * (top.y[1] - top.y[0])
        for _ in range(int(rng.poisson(min(7.0, 1.0 + 7.0 * area)))):
            thing = make("small", rng)
            reach = max(thing.size[:2]) / 2
            if min(top.x[1] - top.x[0], top.y[1] - top.y[0]) <= 2 * reach:
                continue
            x = rng.uniform(top.x[0] + reach, top.x[1] - reach)
            y = rng.uniform(top.y[0] + reach, top.y[1] - reach)
            plan.place(thing, on_solid(solid, x, y, top.z), solid.yaw + rng.uniform(-0.4, 0.4))


def _hang(plan: FloorPlan, rng, materials: Materials) -> None:
    """Pictures, and maybe a television, on what is left of the walls."""
    if rng.random() < 0.35:
        screen = furniture.television(rng, materials, rng.uniform(0.8, 1.3))
        plan.along_wall(screen, rng, z=rng.uniform(0.95, 1.2), gap=2e-3)
    for _ in range(int(rng.integers(4, 11))):
        picture = objects.framed_picture(rng, materials)
        low = rng.uniform(1.1, 1.5)
        if low + picture.size[2] < plan.size[2] - 0.1:
            plan.along_wall(picture, rng, z=low, gap=2e-3)


def _ceiling_lamps(plan: FloorPlan, rng, materials: Materials) -> list[Light]:
    w, d, h = plan.size
    lights = []
    for _ in range(int(rng.integers(1, 3))):
        x, y = rng.uniform(0.25, 0.75) * w, rng.uniform(0.25, 0.75) * d
        glow = materials.surface("plain", "objects", emission=1.3)
        r = rng.uniform(0.12, 0.25)
        drop = 0.06
        lamp = revolve([(0.0, -drop), (r, -drop * 0.6), (r, 0.0)], glow, 14)
        plan.add_faces(lamp.moved(np.eye(3), (x, y, h)))
        warm = np.array([1.1, 1.0, rng.uniform(0.7, 1.0)], np.float32) * rng.uniform(2.0, 6.0)
        lights.append(Light(np.array([x, y, h - 0.25]), warm))
    return lights
