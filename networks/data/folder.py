"""Your own images: a folder of RGB, depth and labels (layout in docs/training.md).

``rgb/NAME.jpg`` or ``.png``; ``depth/NAME.png``, 16 bits, z in millimetres or the unit that
the folder states (``scenecode.networks.data.base.depth_unit``), 0 unknown;
``labels/NAME.png``, 8 bits, class ids, 255 unknown; all of one size.  ``camera.txt`` holds
``fx fy cx cy width height``, or ``camera.json`` these keys; ``train.txt``, ``val.txt``,
``test.txt`` a NAME a line;
``classes.yaml`` the label set (without it: NYUv2's 13 classes).
"""

import json
from pathlib import Path

import numpy as np
import torch

from scenecode.core.errors import DataError
from scenecode.core.images import (
    image_tensor,
    read_map,
    read_rgb,
    resample_area,
    resample_nearest,
)
from scenecode.core.text_file import read_text
from scenecode.networks.classes import NYU13, VOID, ClassSet, load_classes
from scenecode.networks.data.base.depth_unit import stated_depth_scale, without_depth_unit
from scenecode.networks.data.base.stored_images import ImageFile, central_box
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

MILLIMETRES_PER_METRE = 1000.0
RGB_ENDINGS = (".jpg", ".jpeg", ".png")
_CAMERA_FORM = "one line 'fx fy cx cy width height', in pixels of the images"


class FolderImages:
    """One split of such a folder, cropped centrally to the aspect of
    ``width`` x ``height`` and resampled to it; the camera is in step.

    ``classes`` are those of ``classes.yaml`` in the folder, or ``NYU13``.  Raises ``DataError``
    for a folder, a list, a camera, an image or an id that is missing or breaks the layout.
    """

    def __init__(self, root: str | Path, split: str = "train",
                 width: int = 256, height: int = 192):
        self._root = Path(root)
        if not (self._root / "rgb").is_dir():
            raise DataError(f"{self._root}: holds no folder 'rgb'; expected rgb/, depth/, "
                            "labels/, camera.txt and train.txt as docs/training.md says")
        label_file = self._root / "classes.yaml"
        self.classes: ClassSet = load_classes(label_file) if label_file.exists() else NYU13
        stated = self._root / "camera.json"
        self._full = read_camera(stated if stated.is_file() else self._root / "camera.txt")
        self._depth_scale = stated_depth_scale(self._root) or MILLIMETRES_PER_METRE
        self._box = central_box(self._full.width, self._full.height, width, height)
        self.camera = self._full.cropped(*self._box).resized(width, height)
        self.names = _read_names(self._root / f"{split}.txt")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def files(self) -> list[ImageFile]:
        """Where the files of each image should be."""
        return [ImageFile(name=name, image=self._rgb_path(name),
                          depth=self._root / "depth" / f"{name}.png",
                          labels=self._root / "labels" / f"{name}.png") for name in self.names]

    def __getitem__(self, index: int) -> Sample:
        name, size = self.names[index], (self.camera.width, self.camera.height)
        image = self._sized(read_rgb(self._rgb_path(name)), self._rgb_path(name))
        depth = self._depth(self._root / "depth" / f"{name}.png")
        labels = self._labels(self._root / "labels" / f"{name}.png")
        return Sample(
            image=image_tensor(resample_area(image, self._box, *size)),
            depth=torch.from_numpy(resample_nearest(depth, self._box, *size)),
            labels=torch.from_numpy(resample_nearest(labels, self._box, *size)),
            camera=self.camera, name=f"{self._root.name}/{name}")

    def _rgb_path(self, name: str) -> Path:
        paths = [self._root / "rgb" / (name + ending) for ending in RGB_ENDINGS]
        return next((path for path in paths if path.is_file()), paths[0])

    def _sized(self, values: np.ndarray, path: Path) -> np.ndarray:
        if values.shape[:2] != (self._full.height, self._full.width):
            raise DataError(f"{path}: is {values.shape[1]}x{values.shape[0]}, camera.txt says "
                            f"{self._full.width}x{self._full.height}; all images of a folder "
                            "must have that one size")
        return values

    def _depth(self, path: Path) -> np.ndarray:
        """(H, W) float32 metres."""
        values = self._sized(read_map(path), path)
        if values.dtype != np.uint16:
            raise DataError(f"{path}: has {8 * values.itemsize} bits; depth must be a 16-bit PNG "
                            "in millimetres")
        return values.astype(np.float32) / np.float32(self._depth_scale)

    def _labels(self, path: Path) -> np.ndarray:
        """(H, W) uint8 ids."""
        values = self._sized(read_map(path), path)
        wrong = values[(values >= len(self.classes)) & (values != VOID)]
        if wrong.size:
            raise DataError(f"{path}: holds the id {int(wrong[0])}, but the label set has ids 0 "
                            f"to {len(self.classes) - 1}; use {VOID} for unlabelled pixels, "
                            "or add the class to classes.yaml")
        return values.astype(np.uint8)


def read_camera(path: Path) -> PinholeCamera:
    """The camera that ``camera.txt`` (``#`` begins a comment) or ``camera.json`` describes.

    Raises ``DataError`` when it is missing or not ``fx fy cx cy width height``.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); write {_CAMERA_FORM}") from error
    try:
        words = _words(path, lines)
        fx, fy, cx, cy, width, height = (float(word) for word in words)
        if width % 1 or height % 1:
            raise ValueError("width and height must be whole numbers")
        return PinholeCamera(fx=fx, fy=fy, cx=cx, cy=cy, width=int(width), height=int(height))
    except ValueError as error:
        raise DataError(f"{path}: {error}; write {_CAMERA_FORM}") from error


def _words(path: Path, lines: list[str]) -> list[str]:
    if path.suffix != ".json":
        stated = without_depth_unit([line.partition("#")[0] for line in lines])
        return " ".join(stated).replace(",", " ").split()
    try:
        found = json.loads("\n".join(lines))
        return [str(found[key]) for key in ("fx", "fy", "cx", "cy", "width", "height")]
    except (KeyError, TypeError) as error:
        raise ValueError(f"lacks {error}") from error


def _read_names(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"{path}: no such list; write one NAME a line, or choose another split")
    names = read_text(path).split("\n")
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise DataError(f"{path}: names no images; write one NAME a line")
    return names
