"""Models made once for a town, of which its streets are full."""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from scenecode.networks.data.streets.layout.parts import Collector
from scenecode.networks.data.streets.layout.plan import Plan
from scenecode.networks.data.streets.models import people, plants, roadside, two_wheelers, vehicles
from scenecode.networks.data.streets.models.meshes import load_meshes
from scenecode.networks.data.streets.models.palette import Palette
from scenecode.networks.data.streets.models.shapes import Model

_MAKERS: dict[str, tuple[int, Callable]] = {
    "car": (12, vehicles.car), "truck": (3, vehicles.truck), "bus": (2, vehicles.bus),
    "bicycle": (4, two_wheelers.bicycle), "motorcycle": (3, two_wheelers.motorcycle),
    "cyclist": (4, two_wheelers.cyclist), "motorcyclist": (2, two_wheelers.motorcyclist),
    "bush": (4, plants.bush), "lamp": (1, roadside.lamp), "sign": (8, roadside.sign),
    "bollard": (1, roadside.bollard), "hoarding": (3, roadside.hoarding),
    "stop": (1, partial(roadside.sign, texture="stop")),
    "priority": (1, partial(roadside.sign, texture="priority")),
    "lights_red": (1, partial(roadside.traffic_light, colour="red")),
    "lights_green": (1, partial(roadside.traffic_light, colour="green")),
}
#: people, and the steps of each one's walk
_PEOPLE, _STEPS = 8, 6
_TREES = 6
#: trees nearer than this are drawn with all their leaves, metres
LEAVES = 34.0


class Stock:
    """The models of a seed, each made when it is first needed."""

    def __init__(self, palette: Palette, seed: int, meshes: str | None = None,
                 share: float = 0.5):
        """``share`` of the models comes from the folder ``meshes`` where it has fitting ones."""
        self._palette, self._seed = palette, seed
        self._meshes, self._share = load_meshes(meshes) if meshes else {}, share
        self._model = lru_cache(maxsize=None)(self._make)
        self._tree = lru_cache(maxsize=None)(self._grow)
        self._walker = lru_cache(maxsize=None)(self._dress)

    def pick(self, rng, name: str) -> Model:
        """One of the models of a name."""
        return self._model(name, int(rng.integers(_MAKERS[name][0])))

    def walker(self, rng) -> tuple[Model, ...]:
        """A person in the steps of a walk."""
        return self._walker(int(rng.integers(_PEOPLE)))

    def _make(self, name: str, number: int) -> Model:
        rng = np.random.default_rng([self._seed, 30, list(_MAKERS).index(name), number])
        return self._from_mesh(rng, name) or _MAKERS[name][1](rng, self._palette)

    def _from_mesh(self, rng, name: str) -> Model | None:
        meshes = self._meshes.get(name)
        if not meshes or rng.random() > self._share:
            return None
        return meshes[int(rng.integers(len(meshes)))].model(rng, self._palette)

    def _grow(self, kind: int) -> tuple[Model, Model]:
        rng = np.random.default_rng([self._seed, 31, kind])
        made = self._from_mesh(rng, "tree")
        return (made, made) if made is not None else plants.tree(rng, self._palette)

    def _dress(self, number: int) -> tuple[Model, ...]:
        rng = np.random.default_rng([self._seed, 32, number])
        worn, carries = people.clothes(rng, self._palette, "person"), rng.random() < 0.3
        return tuple(people.person(worn, float(np.sin(k * 2 * np.pi / _STEPS)), carries)
                     for k in range(_STEPS))

    def plant_tree(self, things: Collector, rng, plan: Plan, u: float, v: float, z: float,
                   kind: int | None = None) -> None:
        """A tree at a place of the plan, one of few ``kind``s or any."""
        near, far = self._tree(int(rng.integers(_TREES)) if kind is None else kind % _TREES)
        rotation, place = plan.frame(u, v, rng.uniform(0, 2 * np.pi))
        rotation = rotation * rng.uniform(0.8, 1.2)
        place = place + [0.0, 0.0, z]
        things.stand(near, rotation, place, farthest=LEAVES)
        things.stand(far, rotation, place, nearest=LEAVES)
