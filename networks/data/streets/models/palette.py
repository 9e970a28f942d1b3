"""The textures of one town, by name, and surfaces made of them."""

import numpy as np

from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.rendering.atlas import mip_atlas
from scenecode.networks.data.rendering.faces import Surface
from scenecode.networks.data.streets.models import textures

#: textures rescaled once over a face
WHOLE = None
#: how many of each a town has
_VARIETY = {"asphalt": 2, "paving": 2, "leaves": 4, "poster": 3, "roof_tiles": 2, "grass": 1,
            "shop_front": 4, "door": 3, "directions": 2, "speed_limit": 2, "blue_arrow": 2}
_SINGLE = ("concrete", "soil", "bark", "paintwork", "worn_paint", "cloth", "car_glass",
           "fence_boards", "no_entry", "warning", "stop", "priority", "parking", "siding")
#: styles of facade in a town, and windows of each
FACADES, WINDOWS = 6, 3
#: metres covered by one repeat
_TILE = {"asphalt": 4.0, "paving": 2.4, "concrete": 2.5, "grass": 3.0, "soil": 3.0, "leaves": 1.6,
         "bark": 1.0, "paintwork": 1.5, "worn_paint": 2.0, "cloth": 0.7, "fence_boards": 1.2,
         "roof_tiles": 2.4, "siding": 2.0}


class Palette:
    """Deals surfaces by the name of their texture and of their class."""

    def __init__(self, rng: np.random.Generator):
        self._images: list[np.ndarray] = []
        self._by_name: dict[str, list[int]] = {}
        names = {**_VARIETY, **dict.fromkeys(_SINGLE, 1)}
        wall = textures.rendered_wall(rng)
        for name in sorted(names):
            for _ in range(names[name]):
                make = getattr(textures, name)
                self._add(name, make(rng, wall) if name == "shop_front" else make(rng))
        for style in range(FACADES):
            self._facade(rng, style)
        self.atlas = mip_atlas(self._images)

    def _facade(self, rng, style: int) -> None:
        """Windows of one style: ``facade0`` with variants, and its wall ``wall0``."""
        wall = np.clip(textures.WALLS[int(rng.integers(len(textures.WALLS)))](rng), 0, 1)
        self._add(f"wall{style}", wall)
        proportions = textures.window_proportions(rng)
        office = style == FACADES - 1
        for _ in range(WINDOWS):
            self._add(f"facade{style}", textures.curtain_wall(rng) if office
                      else textures.window_tile(rng, wall, proportions))

    def _add(self, name: str, image: np.ndarray) -> None:
        self._by_name.setdefault(name, []).append(len(self._images))
        self._images.append(np.clip(image, 0, 1).astype(np.float32))

    def count(self, name: str) -> int:
        """How many textures have this name."""
        return len(self._by_name[name])

    def surface(self, name: str, label: str, tint=1.0, variant: int = 0, emission: float = 0.0
                ) -> Surface:
        """A surface of class ``label``; ``tint`` is a factor on the colour, one or three."""
        red, green, blue = np.broadcast_to(np.asarray(tint, float), 3).tolist()
        known = self._by_name[name]
        tile = _TILE.get("siding" if name.startswith("wall") else name, WHOLE)
        return Surface(label=CITYSCAPES_19.names.index(label),
                       texture=known[variant % len(known)], tile=tile, tint=(red, green, blue),
                       emission=emission)

    def paint(self, colour, label: str, emission: float = 0.0) -> Surface:
        """Coated in one (r, g, b) colour in [0, 1]."""
        return self.surface("paintwork", label, np.asarray(colour, float) / 0.92,
                            emission=emission)
