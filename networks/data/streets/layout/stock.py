"""Models made once for a town, of which its streets are full."""

from collections.abc import Callable

import numpy as np

from scenecode.networks.data.streets.layout.parts import Collector
from scenecode.networks.data.streets.layout.plan import Plan
from scenecode.networks.data.streets.models import people, plants, roadside, two_wheelers, vehicles
from scenecode.networks.data.streets.models.palette import Palette
from scenecode.networks.data.streets.models.shapes import Model

_MAKERS: dict[str, tuple[int, Callable]] = {
    "car": (12, vehicles.car), "truck": (3, vehicles.truck), "bus": (2, vehicles.bus),
    "bicycle": (4, two_wheelers.bicycle), "motorcycle": (3, two_wheelers.motorcycle),
    "cyclist": (4, two_wheelers.cyclist), "motorcyclist": (2, two_wheelers.motorcyclist),
    "bush": (4, plants.bush), "lamp": (1, roadside.lamp), "sign": (8, roadside.sign),
    "bollard": (1, roadside.bollard), "hoarding": (3, roadside.hoarding),
}
#: people, and the steps of each one's walk
_PEOPLE, _STEPS = 8, 6
_TREES = 6
#: trees nearer than this are drawn with all their leaves, metres
_LEAVES = 42.0


class Stock:
    """The models of a seed."""

    def __init__(self, palette: Palette, seed: int):
        rng = np.random.default_rng([seed, 30])
        self._models = {name: [make(rng, palette) for _ in range(count)]
                        for name, (count, make) in _MAKERS.items()}
        self._trees = [plants.tree(rng, palette) for _ in range(_TREES)]
        phase = np.sin(np.arange(_STEPS) * (2 * np.pi / _STEPS))
        #: the walkers, each in the steps of a walk
        self.walkers = []
        for _ in range(_PEOPLE):
            worn, carries = people.clothes(rng, palette, "person"), rng.random() < 0.3
            self.walkers.append([people.person(worn, float(s), carries) for s in phase])
        for name in ("stop", "priority"):
            self._models[name] = [roadside.sign(rng, palette, name)]
        for colour in ("red", "green"):
            self._models[f"lights_{colour}"] = [roadside.traffic_light(rng, palette, colour)]

    def pick(self, rng, name: str) -> Model:
        """One of the models of a name."""
        models = self._models[name]
        return models[int(rng.integers(len(models)))]

    def walker(self, rng) -> list[Model]:
        """A person in the steps of a walk."""
        return self.walkers[int(rng.integers(len(self.walkers)))]

    def plant_tree(self, things: Collector, rng, plan: Plan, u: float, v: float, z: float,
                   kind: int | None = None) -> None:
        """A tree at a place of the plan, one of few ``kind``s or any."""
        kind = int(rng.integers(len(self._trees))) if kind is None else kind % len(self._trees)
        near, far = self._trees[kind]
        rotation, place = plan.frame(u, v, rng.uniform(0, 2 * np.pi))
        rotation = rotation * rng.uniform(0.8, 1.2)
        place = place + [0.0, 0.0, z]
        things.stand(near, rotation, place, farthest=_LEAVES)
        things.stand(far, rotation, place, nearest=_LEAVES)
