"""Training images: random views of random rooms, rendered on demand."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13
from scenecode.networks.data.rendering.effects import EffectsConfig, camera_effects
from scenecode.networks.data.rendering.shading import View
from scenecode.networks.data.rendering.shards import as_sample
from scenecode.networks.data.rooms.layout import Room, RoomConfig, generate_room
from scenecode.networks.data.rooms.paths import random_view
from scenecode.networks.data.rooms.render import render
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

#: training rooms start here, so that the demo's and the tests' rooms (0 to 9999) stay unseen
FIRST_TRAINING_SEED = 100_000


@dataclass(frozen=True)
class ViewsConfig:
    """How rooms are photographed for training."""

    rooms: int = 300
    views_per_room: int = 5
    first_seed: int = FIRST_TRAINING_SEED
    width: int = 256
    height: int = 192
    #: focal length over image width, (low, high); NYUv2's crop has 0.926
    focal: tuple[float, float] = (0.75, 1.15)
    #: largest shift of the principal point, as a share of the width
    centre_shift: float = 0.02
    #: colours averaged over this many rays per pixel side
    supersample: int = 2

    def __post_init__(self):
        if min(self.rooms, self.views_per_room, self.supersample) < 1 or self.first_seed < 0:
            raise ConfigError(f"rooms: {self}; expected counts of at least 1, seeds of at least 0")


class RoomsImages:
    """``LabelledImages`` of procedural rooms; item i is deterministic in the config and i."""

    classes = NYU13

    def __init__(self, views: ViewsConfig = ViewsConfig(), room: RoomConfig = RoomConfig(),
                 effects: EffectsConfig | None = EffectsConfig()):
        self._views, self._room_config, self._effects = views, room, effects
        self._room = lru_cache(maxsize=2)(self._generate)

    def __len__(self) -> int:
        return self._views.rooms * self._views.views_per_room

    def __getitem__(self, index: int) -> Sample:
        view, camera = self.view(index)
        return as_sample(view.image, view.depth, view.labels, camera, f"rooms {index}")

    def view(self, index: int) -> tuple[View, PinholeCamera]:
        """Item ``index`` as arrays; raises ``IndexError`` beyond the end."""
        if not 0 <= index < len(self):
            raise IndexError(f"rooms: index {index} of {len(self)}")
        seed = self._views.first_seed + index // self._views.views_per_room
        shot = index % self._views.views_per_room
        rng = np.random.default_rng([seed, 6, shot])
        camera, room = self._camera(rng), self._room(seed)
        view = render(room, random_view(room, rng), camera, self._views.supersample)
        if self._effects is None:
            return view, camera
        image = camera_effects(view.image, int(rng.integers(1 << 31)), config=self._effects)
        return View(image, view.depth, view.labels), camera

    def _generate(self, seed: int) -> Room:
        return generate_room(seed, self._room_config)

    def _camera(self, rng) -> PinholeCamera:
        v = self._views
        f = float(np.exp(rng.uniform(*np.log(v.focal)))) * v.width
        shift = rng.uniform(-v.centre_shift, v.centre_shift, 2) * v.width
        return PinholeCamera(fx=f, fy=f, cx=(v.width - 1) / 2 + float(shift[0]),
                             cy=(v.height - 1) / 2 + float(shift[1]), width=v.width,
                             height=v.height)
