"""Vehicles and trees from a folder of ``.glb`` models, recognised by file name and brought to real
size."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenecode.networks.data.rendering.faces import join, triangles
from scenecode.networks.data.rendering.glb import Part, models_by_role
from scenecode.networks.data.streets.models.palette import Palette
from scenecode.networks.data.streets.models.shapes import Model, model
from scenecode.networks.data.streets.models.vehicles import ground_below

#: models with more triangles are left out: they would take longer to draw than all else
_MOST_TRIANGLES = 2600


@dataclass(frozen=True)
class _Sort:
    """Models whose name starts with one of ``names``."""

    names: tuple[str, ...]
    #: what it stands in for, as ``stock`` names models
    role: str
    label: str
    #: real width, length and height, metres; None: as the model's height asks for
    size: tuple[float | None, float | None, float]


#: the first sort that fits a name counts
_SORTS = (
    _Sort(("sedan", "hatchback", "police", "taxi", "car"), "car", "car", (1.8, 4.4, 1.5)),
    _Sort(("suv",), "car", "car", (1.9, 4.6, 1.75)),
    _Sort(("van", "ambulance"), "car", "car", (2.0, 5.2, 2.1)),
    _Sort(("bus",), "bus", "bus", (2.5, 11.5, 3.1)),
    _Sort(("truck", "delivery", "firetruck", "garbage", "lorry"), "truck", "truck",
          (2.4, 7.0, 3.1)),
    _Sort(("motorcycle", "motorbike"), "motorcycle", "motorcycle", (0.8, 2.1, 1.15)),
    _Sort(("bicycle", "bike"), "bicycle", "bicycle", (0.6, 1.75, 1.05)),
    _Sort(("tree", "pine", "oak", "birch"), "tree", "vegetation", (None, None, 8.0)),
)


@dataclass(frozen=True)
class Mesh:
    """Triangles of one file, by colour, unscaled."""

    sort: _Sort
    parts: tuple[Part, ...]

    def model(self, rng: np.random.Generator, palette: Palette) -> Model:
        """The model at about its real size, in its own colours."""
        points = np.concatenate([corners for corners, _ in self.parts]).reshape(-1, 3)
        extent = np.ptp(points, axis=0)
        width, length, height = self.sort.size
        scale = np.full(3, height / extent[2])
        if width is not None and length is not None:
            scale[:2] = width / extent[0], length / extent[1]
        scale = scale * rng.uniform(0.93, 1.07)
        faces = [triangles(corners * scale, palette.paint(colour, self.sort.label))
                 for corners, colour in self.parts]
        if self.sort.role in ("car", "truck", "bus"):
            faces.append(ground_below(float(extent[1] * scale[1]), float(extent[0] * scale[0]),
                                      palette))
        whole = join(faces)
        return model(whole, whole if self.sort.role == "tree" else None)


@lru_cache(maxsize=2)
def load_meshes(folder: str) -> dict[str, list[Mesh]]:
    """Models below ``folder`` by the role they can play.

    Raises ``DataError`` when trimesh is missing or no file is named like something of a street.
    """
    return models_by_role(folder, _SORTS, Mesh, _MOST_TRIANGLES, "something of a street "
                          "(sedan.glb, van.glb, truck.glb, tree.glb, ...)")
