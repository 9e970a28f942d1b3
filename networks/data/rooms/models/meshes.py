"""Furniture from a folder of ``.glb`` models, recognised by file name and scaled to real size."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenecode.networks.data.rendering.faces import join, triangles
from scenecode.networks.data.rendering.glb import Part, models_by_role
from scenecode.networks.data.rooms.models.furniture import Item, Top
from scenecode.networks.data.rooms.models.materials import Materials

#: models with more triangles are left out: they would take longer to draw than all else
_MOST_TRIANGLES = 2000


@dataclass(frozen=True)
class _Sort:
    """Models whose name starts with one of ``names``."""

    names: tuple[str, ...]
    #: what it stands in for, as ``layout`` names furniture
    role: str
    label: str
    #: real size of one axis (0 width, 1 depth, 2 height), metres
    axis: int
    size: tuple[float, float]
    material: str


#: names that would fit a sort by their beginning but do not stand on a floor along a wall
_EXCLUDED = ("kitchencabinetupper", "desk_", "deskcorner", "barrels")
#: the first sort that fits a name counts
_SORTS = (
    _Sort(("bedbunk", "bedsingle"), "bed", "bed", 1, (1.9, 2.1), "fabric"),
    _Sort(("bed",), "bed", "bed", 1, (1.95, 2.15), "fabric"),
    _Sort(("cabinettelevision", "cabinetbed", "sidetabledrawers"), "low_cabinet", "furniture", 2,
          (0.45, 0.65), "wood"),
    _Sort(("kitchenfridge", "washerdryer"), "cabinet", "furniture", 2, (1.5, 1.9), "plain"),
    _Sort(("kitchencabinet", "kitchenbar", "kitchenstove", "kitchensink", "washer",
           "bathroomcabinet", "dresser"), "low_cabinet", "furniture", 2, (0.8, 0.95), "plain"),
    _Sort(("bookcaseopenlow",), "shelf", "furniture", 2, (0.8, 1.0), "wood"),
    _Sort(("bookcase", "shelf", "wardrobe", "cabinet"), "shelf", "furniture", 2, (1.6, 2.1),
          "wood"),
    _Sort(("chairdesk",), "office_chair", "chair", 2, (0.85, 1.05), "fabric"),
    _Sort(("stoolbar",), "chair", "chair", 2, (0.65, 0.8), "wood"),
    _Sort(("chair",), "chair", "chair", 2, (0.8, 1.0), "wood"),
    _Sort(("loungechair", "loungedesignchair", "armchair"), "sofa", "sofa", 2, (0.75, 0.95),
          "fabric"),
    _Sort(("loungesofaottoman",), "carton", "sofa", 2, (0.38, 0.45), "fabric"),
    _Sort(("loungesofa", "loungedesignsofa", "sofa", "couch"), "sofa", "sofa", 2, (0.75, 0.9),
          "fabric"),
    _Sort(("desk",), "desk", "table", 2, (0.7, 0.78), "wood"),
    _Sort(("tablecoffee",), "coffee_table", "table", 2, (0.4, 0.5), "wood"),
    _Sort(("tableround",), "round_table", "table", 2, (0.7, 0.78), "wood"),
    _Sort(("table",), "table", "table", 2, (0.7, 0.78), "wood"),
    _Sort(("computerscreen", "televisionvintage", "televisionantenna"), "monitor", "tv", 2,
          (0.35, 0.5), "plain"),
    _Sort(("books",), "small", "books", 0, (0.2, 0.35), "plain"),
    _Sort(("lampsquarefloor", "lamproundfloor"), "floor_lamp", "objects", 2, (1.4, 1.7), "plain"),
    _Sort(("lampsquaretable", "lamproundtable"), "small", "objects", 2, (0.35, 0.55), "fabric"),
    _Sort(("pottedplant",), "floor_plant", "objects", 2, (0.7, 1.3), "leaves"),
    _Sort(("plantsmall",), "small", "objects", 2, (0.2, 0.35), "leaves"),
    _Sort(("bear", "radio", "toaster", "kitchenblender", "kitchencoffeemachine", "laptop",
           "kitchenmicrowave"), "small", "objects", 0, (0.2, 0.4), "plain"),
    _Sort(("trashcan", "cardboardbox", "speaker", "barrel"), "carton", "objects", 2, (0.3, 0.7),
          "plain"),
    _Sort(("coatrackstanding",), "floor_lamp", "objects", 2, (1.6, 1.8), "wood"),
)


@dataclass(frozen=True)
class Model:
    """Triangles of one file, grouped by colour, in the frame of ``furniture.Item``, unscaled."""

    sort: _Sort
    #: (T, 3, 3) corners and an (r, g, b) in [0, 1] each
    parts: tuple[Part, ...]

    def item(self, rng: np.random.Generator, materials: Materials) -> Item:
        """The model at a plausible real size, coloured as it is or in the room's materials."""
        corners = np.concatenate([c for c, _ in self.parts]).reshape(-1, 3)
        extent = np.ptp(corners, axis=0)
        scale = rng.uniform(*self.sort.size) / extent[self.sort.axis] * rng.uniform(0.9, 1.1, 3)
        scale[self.sort.axis] /= rng.uniform(0.95, 1.05)
        dressed = rng.random() < 0.6
        faces = []
        for triangle, colour in self.parts:
            surface = (materials.surface(self.sort.material, self.sort.label)
                       if dressed else materials.flat(colour, self.sort.label))
            faces.append(triangles(triangle * scale, surface))
        joined, size = join(faces), tuple((extent * scale).tolist())
        return Item(joined, size, _tops(joined, size))


def _tops(faces, size) -> tuple[Top, ...]:
    """The top of the bounding box, where most of it is really there and flat."""
    w, d, h = size
    normal = faces.normal
    flat = (normal[:, 2] > 0.99 * np.linalg.norm(normal, axis=1)) \
        & (faces.corners[..., 2].min(1) > h - 0.02)
    if 0.5 * normal[flat, 2].sum() < 0.6 * w * d:
        return ()
    return (Top((-0.42 * w, 0.42 * w), (-0.42 * d, 0.42 * d), h),)


@lru_cache(maxsize=2)
def load_models(folder: str) -> dict[str, list[Model]]:
    """Models below ``folder`` by the role they can play.

    Raises ``DataError`` when trimesh is missing or no file name is one of furniture.
    """
    return models_by_role(folder, _SORTS, Model, _MOST_TRIANGLES, "furniture (chair.glb, "
                          "tableRound.glb, bookcaseOpen.glb, ...)", _EXCLUDED)
