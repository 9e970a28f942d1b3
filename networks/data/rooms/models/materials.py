"""The textures of one room: chosen by material, procedural or from a folder of tiles."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from scenecode.core.errors import DataError
from scenecode.core.images import read_rgb
from scenecode.networks.classes import NYU13
from scenecode.networks.data.rendering.atlas import TEXTURE_SIZE
from scenecode.networks.data.rendering.faces import Surface
from scenecode.networks.data.rooms.models.textures import procedural

#: material -> sub-folders of a texture folder that fit it
TILE_FOLDERS = {
    "wall": ("Plaster", "Wallpaper", "Bricks", "Concrete", "Paint", "WoodSiding", "Travertine"),
    "floor": ("WoodFloor", "Tiles", "Carpet", "Planks", "Terrazzo", "Marble", "Concrete",
              "Tatami"),
    "ceiling": ("OfficeCeiling", "Plaster", "Paint", "Planks"),
    "wood": ("Wood", "WoodFloor", "Planks", "Chipboard", "Cork", "Bamboo"),
    "fabric": ("Fabric", "Carpet"),
    "plain": ("Plastic", "Metal", "Porcelain", "Paint"),
    "stone": ("Marble", "Granite", "Tiles", "Terrazzo", "Onyx"),
    "leaves": ("Grass", "Moss"),
    "rug": ("Fabric", "Carpet"),
}
#: metres covered by one repeat, by material (low, high)
TILE_METRES = {"wall": (0.8, 1.6), "floor": (0.8, 1.8), "ceiling": (0.8, 1.6), "wood": (0.5, 1.0),
               "fabric": (0.4, 0.9), "plain": (0.4, 0.9), "stone": (0.5, 1.0),
               "leaves": (0.2, 0.4)}
#: materials rescaled once over a face
_WHOLE = ("picture", "spines", "screen", "outside", "rug")
#: how many different textures of a material one room has at most
_VARIETY = {"wall": 2, "floor": 1, "ceiling": 1, "picture": 6, "spines": 4, "plain": 4}
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


class Materials:
    """Deals surfaces to the parts of a room and collects the textures they use."""

    def __init__(self, rng: np.random.Generator, folder: str | None = None, share: float = 0.5):
        """``share`` of the textures comes from ``folder`` where it has fitting ones."""
        self._rng = rng
        self._tiles = tile_paths(folder) if folder else {}
        self._share = share
        self._by_material: dict[str, list[int]] = {}
        self.textures: list[np.ndarray] = []

    def surface(self, material: str, label: str, emission: float = 0.0) -> Surface:
        """A surface of class ``label``; each call may deal another texture and tint."""
        known = self._by_material.setdefault(material, [])
        if len(known) < _VARIETY.get(material, 4) and (not known or self._rng.random() < 0.7):
            known.append(len(self.textures))
            self.textures.append(self._make(material))
        texture = int(known[-1] if self._rng.random() < 0.5 else self._rng.choice(known))
        tile = None if material in _WHOLE else float(self._rng.uniform(*TILE_METRES[material]))
        tint = self._rng.uniform(0.8, 1.15) * self._rng.uniform(0.93, 1.07, 3)
        return Surface(label=NYU13.names.index(label), texture=texture, tile=tile,
                       tint=tuple(tint.tolist()), emission=emission)

    def flat(self, colour, label: str) -> Surface:
        """A surface of one (r, g, b) colour in [0, 1] with a fine grain."""
        grain = self.surface("plain", label)
        mean = self.textures[grain.texture].mean((0, 1)).clip(0.05)
        tint = np.asarray(colour, float) / mean
        return replace(grain, tint=tuple(tint.tolist()))

    def _make(self, material: str) -> np.ndarray:
        folders = [f for f in TILE_FOLDERS.get(material, ()) if f.lower() in self._tiles]
        if folders and self._rng.random() < self._share:
            paths = self._tiles[str(self._rng.choice(folders)).lower()]
            return _read_tile(paths[int(self._rng.integers(len(paths)))])
        return procedural(material, self._rng)


@lru_cache(maxsize=4)
def tile_paths(folder: str) -> dict[str, list[Path]]:
    """Images of each sub-folder, by the sub-folder's name in lower case.

    Raises ``DataError`` when the folder holds no sub-folder with images.
    """
    root = Path(folder)
    found = {}
    for sub in sorted(p for p in root.glob("*") if p.is_dir()):
        images = sorted(p for p in sub.iterdir() if p.suffix.lower() in _IMAGE_SUFFIXES)
        if images:
            found[sub.name.lower()] = images
    if not found:
        raise DataError(f"{folder}: no textures; expected sub-folders by material "
                        f"({', '.join(sorted({f for v in TILE_FOLDERS.values() for f in v})[:6])}"
                        ", ...) with .jpg or .png tiles")
    return found


def _read_tile(path: Path) -> np.ndarray:
    image = cv2.resize(read_rgb(path), (TEXTURE_SIZE, TEXTURE_SIZE),
                       interpolation=cv2.INTER_AREA)
    return image.astype(np.float32) / 255
