"""SYNTHIA-RAND-CITYSCAPES (Ros et al. 2016): 9,400 rendered street scenes.

``RGB/NNNNNNN.png`` are the images, ``Depth/Depth`` (or ``Depth``) 16-bit depth in centimetres in
the first channel, ``GT/LABELS`` 16-bit images whose first channel is the class.
"""

from pathlib import Path

import numpy as np

from scenecode.core.images import read_deep_rgb
from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.base.stored_images import (
    ImageFile,
    StoredImages,
    images_below,
    lookup_table,
    require_images,
    require_split,
)
from scenecode.optim.geometry.camera import PinholeCamera

SPLITS = ("train", "val", "all")
#: The authors divide nothing: every so many-th image is held out.
VAL_STEP = 20
#: Focal length over image width: 532.74 pixels of 1280.
FOCAL_OVER_WIDTH = 532.740352 / 1280
UNITS_PER_METRE = 100.0
#: Stored values from this one on are sky.
FARTHEST = 65_000

#: Stored class -> Cityscapes' class; markings of lanes are road, parking slots and road works
#: void.
CLASSES = {1: "sky", 2: "building", 3: "road", 4: "sidewalk", 5: "fence", 6: "vegetation",
           7: "pole", 8: "car", 9: "traffic sign", 10: "person", 11: "bicycle", 12: "motorcycle",
           15: "traffic light", 16: "terrain", 17: "rider", 18: "truck", 19: "bus", 20: "train",
           21: "wall", 22: "road"}
_IDS = lookup_table({value: CITYSCAPES_19.names.index(name) for value, name in CLASSES.items()})


class Synthia(StoredImages):
    """``train``, ``val`` (every 20th image) or ``all``, with train ids of Cityscapes."""

    title = "synthia"

    def __init__(self, root: str | Path, split: str, width: int, height: int):
        require_split("SYNTHIA", split, SPLITS)
        super().__init__(_files(Path(root), split), CITYSCAPES_19, width, height)

    def camera_of(self, file: ImageFile, width: int, height: int) -> PinholeCamera:
        return PinholeCamera.centred(FOCAL_OVER_WIDTH * width, width, height)

    def read_depth(self, file: ImageFile, path: Path, width: int, height: int) -> np.ndarray:
        stored = read_deep_rgb(path)[..., 0].astype(np.float32)
        return np.where(stored < FARTHEST, stored, 0) / UNITS_PER_METRE

    def read_labels(self, file: ImageFile, path: Path) -> np.ndarray:
        return _IDS[np.minimum(read_deep_rgb(path)[..., 0], 255)]


def is_synthia(root: Path) -> bool:
    """True for a folder with the images and labels of the set."""
    return (root / "RGB").is_dir() and (root / "GT").is_dir()


def _files(root: Path, split: str) -> list[ImageFile]:
    depth = root / "Depth" / "Depth" if (root / "Depth" / "Depth").is_dir() else root / "Depth"
    labels = root / "GT" / "LABELS"
    files = [ImageFile(name=image.stem, image=image,
                       depth=depth / image.name if depth.is_dir() else None,
                       labels=labels / image.name if labels.is_dir() else None)
             for i, image in enumerate(images_below(root / "RGB"))
             if split == "all" or (i % VAL_STEP == VAL_STEP - 1) == (split == "val")]
    require_images(files, root / "RGB", "NNNNNNN.png")
    return files
