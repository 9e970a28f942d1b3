"""Training images: random moments of drives through random towns, rendered on demand."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.rendering.effects import EffectsConfig, camera_effects
from scenecode.networks.data.rendering.shading import View
from scenecode.networks.data.rendering.shards import as_sample
from scenecode.networks.data.streets.drive import Drive, DriveConfig, drive
from scenecode.networks.data.streets.layout.town import StreetConfig, Town
from scenecode.networks.data.streets.render import render
from scenecode.networks.data.streets.traffic import Traffic
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

#: training streets start here, so that the demo's and the tests' streets (0 to 9999) stay unseen
FIRST_TRAINING_SEED = 100_000
#: moments of a drive per second, and seconds between those that become images
_FPS, _APART = 5.0, 3.0


@dataclass(frozen=True)
class ViewsConfig:
    """How streets are photographed for training."""

    streets: int = 300
    views_per_street: int = 12
    first_seed: int = FIRST_TRAINING_SEED
    width: int = 416
    height: int = 128
    #: focal length over image width, (low, high); KITTI's has 0.58, Cityscapes' 1.1
    focal: tuple[float, float] = (0.5, 1.1)
    #: height of the principal point over the image's, (low, high); wide images are often cropped
    horizon: tuple[float, float] = (0.42, 0.56)
    #: colours averaged over this many rays per pixel side
    supersample: int = 2

    def __post_init__(self):
        if min(self.streets, self.views_per_street, self.supersample) < 1 or self.first_seed < 0:
            raise ConfigError(f"streets: {self}; expected counts of at least 1, seeds of at least "
                              "0")


class StreetsImages:
    """``LabelledImages`` of procedural streets; item i is deterministic in the config and i."""

    classes = CITYSCAPES_19

    def __init__(self, views: ViewsConfig = ViewsConfig(), street: StreetConfig = StreetConfig(),
                 effects: EffectsConfig | None = EffectsConfig(),
                 driving: DriveConfig = DriveConfig(pitch=(-6.0, 4.0))):
        self._views, self._config, self._effects, self._driving = views, street, effects, driving
        self._drive = lru_cache(maxsize=1)(self._generate)

    def __len__(self) -> int:
        return self._views.streets * self._views.views_per_street

    def __getitem__(self, index: int) -> Sample:
        view, camera = self.view(index)
        return as_sample(view.image, view.depth, view.labels, camera, f"streets {index}")

    def view(self, index: int) -> tuple[View, PinholeCamera]:
        """Item ``index`` as arrays; raises ``IndexError`` beyond the end."""
        if not 0 <= index < len(self):
            raise IndexError(f"streets: index {index} of {len(self)}")
        v = self._views
        seed, shot = v.first_seed + index // v.views_per_street, index % v.views_per_street
        town, way, traffic = self._drive(seed)
        rng = np.random.default_rng([seed, 6, shot])
        frame = int((shot + rng.uniform(0.1, 0.9)) * _APART * _FPS)
        camera = self._camera(rng)
        view = render(town, way.T_world_cam[frame], camera, v.supersample, traffic.at(frame)).view
        if self._effects is None:
            return view, camera
        image = camera_effects(view.image, int(rng.integers(1 << 31)), config=self._effects)
        return View(image, view.depth, view.labels), camera

    def _generate(self, seed: int) -> tuple[Town, Drive, Traffic]:
        town = Town(seed, self._config)
        frames = int(self._views.views_per_street * _APART * _FPS)
        way = drive(town, seed, frames, _FPS, self._driving)
        return town, way, Traffic(town, way, seed, _FPS)

    def _camera(self, rng) -> PinholeCamera:
        v = self._views
        f = float(np.exp(rng.uniform(*np.log(v.focal)))) * v.width
        shift = rng.uniform(-0.02, 0.02) * v.width
        return PinholeCamera(fx=f, fy=f, cx=(v.width - 1) / 2 + float(shift),
                             cy=float(rng.uniform(*v.horizon)) * (v.height - 1), width=v.width,
                             height=v.height)
