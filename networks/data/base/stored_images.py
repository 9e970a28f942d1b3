"""Image files with depth and label files as labelled images of one size."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from scenecode.core.errors import DataError
from scenecode.core.images import (
    image_tensor,
    read_map,
    read_rgb,
    require_size,
    resample_area,
    resample_nearest,
)
from scenecode.networks.classes import VOID, ClassSet
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

#: Relative difference of two aspect ratios that rounding of sizes explains.
ASPECT_TOLERANCE = 0.01


@dataclass(frozen=True)
class ImageFile:
    """An image and where the truth about it is; ``None`` where the data set has none."""

    #: unique in its data set
    name: str
    image: Path
    depth: Path | None = None
    labels: Path | None = None


class StoredImages(ABC):
    """``LabelledImages`` of ``files``, cropped centrally to the aspect of ``width`` x ``height``
    and resampled to it; the camera is in step.

    A subclass says how one depth file is read and, unless it holds ids, one label file.  Depth
    is 0 and labels are ``VOID`` everywhere where there is no file of them.  ``DataError`` names
    a file that is missing or has another size than its image.
    """

    #: what names of samples begin with
    title: str
    #: whether depth files hold single measurements with gaps between, which shrinking must keep
    sparse_depth = False

    def __init__(self, files: Sequence[ImageFile], classes: ClassSet, width: int, height: int):
        self.files = tuple(files)
        self.classes = classes
        self.width, self.height = width, height

    @abstractmethod
    def camera_of(self, file: ImageFile, width: int, height: int) -> PinholeCamera:
        """The camera of the whole image, which has this size."""

    def read_depth(self, file: ImageFile, path: Path, width: int, height: int) -> np.ndarray:
        """(height, width) float32 z in metres of the depth file of an image of this size, 0 where
        unknown."""
        raise DataError(f"{path}: images of {self.title} have no depth")

    def read_labels(self, file: ImageFile, path: Path) -> np.ndarray:
        """(H, W) uint8 ids of ``classes`` of a label file, ``VOID`` where unknown; by default the
        file holds them."""
        return read_ids(path, self.classes)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.title}: index {index} of {len(self)}")
        file, size = self.files[index], (self.width, self.height)
        rgb = read_rgb(file.image)
        full_height, full_width = rgb.shape[:2]
        camera = self.camera_of(file, full_width, full_height)
        box = central_box(full_width, full_height, *size)
        depth = np.zeros(size[::-1], np.float32)
        if file.depth is not None:
            whole = require_size(self.read_depth(file, file.depth, full_width, full_height),
                                 full_width, full_height, file.depth)
            resample = resample_sparse if self.sparse_depth else resample_nearest
            depth = resample(whole, box, *size)
        labels = np.full(size[::-1], VOID, np.uint8)
        if file.labels is not None:
            ids = self.read_labels(file, file.labels)
            labels = resample_nearest(
                require_size(ids, full_width, full_height, file.labels), box, *size)
        return Sample(image=image_tensor(resample_area(rgb, box, *size)),
                      depth=torch.from_numpy(depth), labels=torch.from_numpy(labels),
                      camera=camera.cropped(*box).resized(*size),
                      name=f"{self.title}/{file.name}")


def central_box(full_width: int, full_height: int, width: int,
                height: int) -> tuple[int, int, int, int]:
    """(left, top, width, height) of the largest central window of an image of the full size that
    has the aspect of ``width`` x ``height``."""
    w = min(full_width, round(full_height * width / height))
    h = min(full_height, round(full_width * height / width))
    return (full_width - w) // 2, (full_height - h) // 2, w, h


def resample_sparse(depth: np.ndarray, box: tuple[int, int, int, int], width: int,
                    height: int) -> np.ndarray:
    """Window ``box`` = (left, top, width, height) of depth (H, W), 0 where unknown, at another
    size; each pixel takes the nearest of the measurements that fall into it."""
    left, top, w, h = box
    window = depth[top:top + h, left:left + w]
    v, u = np.nonzero(window)
    found = np.full((height, width), np.inf, np.float32)
    y = ((v + 0.5) * (height / h)).astype(np.intp)
    x = ((u + 0.5) * (width / w)).astype(np.intp)
    np.minimum.at(found, (y, x), window[v, u])
    found[np.isinf(found)] = 0
    return found


def scaled_to(camera: PinholeCamera, width: int, height: int, where: Path) -> PinholeCamera:
    """The camera of the same view at the size of the image at ``where``; ``DataError`` for an
    image of another shape."""
    if abs(camera.width * height / (camera.height * width) - 1) > ASPECT_TOLERANCE:
        raise DataError(f"{where}: is {width}x{height}, its calibration is for "
                        f"{camera.width}x{camera.height}; fetch the original file")
    return camera.resized(width, height)


def read_bytes_map(path: Path) -> np.ndarray:
    """(H, W) uint8 of an 8-bit single-channel image; ``DataError`` for another one."""
    return _map_of(path, np.uint8, "an 8-bit")


def read_words_map(path: Path) -> np.ndarray:
    """(H, W) uint16 of a 16-bit single-channel image; ``DataError`` for another one."""
    return _map_of(path, np.uint16, "a 16-bit")


def _map_of(path: Path, kind: type, in_words: str) -> np.ndarray:
    values = read_map(path)
    if values.dtype != kind:
        raise DataError(f"{path}: must be {in_words} PNG, is {values.dtype}; fetch the original "
                        "file")
    return values


def read_ids(path: Path, classes: ClassSet) -> np.ndarray:
    """(H, W) uint8 of an image that holds ids of ``classes``; larger values are ``VOID``."""
    ids = read_bytes_map(path)
    return np.where(ids < len(classes), ids, np.uint8(VOID))


def lookup_table(ids: dict[int, int]) -> np.ndarray:
    """(256,) uint8 from stored value to class id, ``VOID`` for all that ``ids`` does not name."""
    table = np.full(256, VOID, np.uint8)
    for stored, own in ids.items():
        table[stored] = own
    return table


def images_below(folder: Path, pattern: str = "*") -> list[Path]:
    """Photographs that match a glob pattern below a folder, in the order of their names."""
    return sorted(p for p in folder.glob(pattern) if p.suffix.lower() in (".png", ".jpg", ".jpeg"))


def if_there(path: Path) -> Path | None:
    """The path of a file, ``None`` where there is none."""
    return path if path.is_file() else None


def with_labels_from(files: Sequence[ImageFile], folder: Path) -> list[ImageFile]:
    """``files`` with the labels ``folder/STEM.png``, where STEM is that of the image; without
    labels where that file is absent.  ``DataError`` when all are."""
    labelled = [replace(file, labels=if_there(folder / f"{file.image.stem}.png"))
                for file in files]
    if all(file.labels is None for file in labelled):
        raise DataError(f"{folder}: holds no labels for these images; expected files such as "
                        f"{files[0].image.stem}.png")
    return labelled


def require_split(title: str, split: str, splits: Collection[str]) -> None:
    """Raise ``DataError`` for a split that a data set does not have."""
    if split not in splits:
        raise DataError(f"{title} split {split!r} is unknown; choose one of {', '.join(splits)}")


def require_images(files: Sequence[ImageFile], where: Path, expected: str) -> None:
    """Raise ``DataError`` where a data set has no images."""
    if not files:
        raise DataError(f"{where}: no images; expected {expected}")
