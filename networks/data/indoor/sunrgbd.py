"""SUN RGB-D (Song et al. 2015): 10,335 indoor images of four sensors, 37 classes.

Two forms are read.  The *official* one is ``SUNRGBD/SENSOR/.../image``, ``depth_bfx`` and
``intrinsics.txt`` beside ``SUNRGBDtoolbox`` with ``Metadata/SUNRGBDMeta.mat``,
``Metadata/SUNRGBD2Dseg.mat`` and ``traintestSUNRGBD/allsplit.mat``.  The *folder* form is
``image/SPLIT/img-NNNNNN.jpg``, ``depth/SPLIT/NNNNNNNN.png`` and ``label37/SPLIT/img37labels-NNNNNN
.png`` (or any PNG that ends with the number).  Labels are 1..37, 0 void; depth is 16 bits, turned
by three bits: (v >> 3 | v << 13) millimetres.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError
from scenecode.core.text_file import read_text
from scenecode.networks.classes import SUNRGBD_37
from scenecode.networks.data.base.stored_images import (
    ImageFile,
    StoredImages,
    images_below,
    lookup_table,
    read_bytes_map,
    read_words_map,
    require_images,
    require_split,
)
from scenecode.optim.geometry.camera import PinholeCamera

SPLITS = ("train", "val", "test")
#: Every so many-th training image is ``val``; ``train`` is all of them but these.
VAL_STEP = 20
MILLIMETRES_PER_METRE = 1000.0
#: Metres beyond which the authors take depth for unmeasured.
LARGEST_DEPTH = 8.0
#: Focal length over width of the sensors' images, where ``intrinsics.txt`` is not there.
FOCAL_OVER_WIDTH = 0.83
_IDS = lookup_table({i + 1: i for i in range(len(SUNRGBD_37))})
_NUMBER = re.compile(r"(\d+)$")
_TOOLBOX = "SUNRGBDtoolbox"


class SunRgbd(StoredImages):
    """One split of SUN RGB-D: ``test`` (5,050), and 19 of 20 and every 20th of the 5,285
    training images."""

    title = "sunrgbd"

    def __init__(self, root: str | Path, split: str, width: int, height: int):
        require_split("SUN RGB-D", split, SPLITS)
        root = Path(root)
        self._official = _Official.open(root) if (root / _TOOLBOX).is_dir() else None
        listed = self._official.files if self._official else _folder_files
        files = listed(root, "test" if split == "test" else "train")
        if split != "test":
            files = [file for i, file in enumerate(files)
                     if (i % VAL_STEP == VAL_STEP - 1) == (split == "val")]
        require_images(files, root, f"images of the split {split}")
        super().__init__(files, SUNRGBD_37, width, height)

    def camera_of(self, file: ImageFile, width: int, height: int) -> PinholeCamera:
        path = file.image.parent.parent / "intrinsics.txt"
        if not path.is_file():
            return PinholeCamera.centred(FOCAL_OVER_WIDTH * width, width, height)
        try:
            K = np.array(read_text(path).split(), np.float64).reshape(3, 3)
            return PinholeCamera(fx=float(K[0, 0]), fy=float(K[1, 1]), cx=float(K[0, 2]),
                                 cy=float(K[1, 2]), width=width, height=height)
        except ValueError as error:
            raise DataError(f"{path}: must be the nine numbers of a camera matrix ({error}); "
                            "fetch it again") from error

    def read_depth(self, file: ImageFile, path: Path, width: int, height: int) -> np.ndarray:
        stored = read_words_map(path)
        depth = ((stored >> 3) | (stored << 13)).astype(np.float32) / MILLIMETRES_PER_METRE
        return np.where(depth > LARGEST_DEPTH, 0, depth).astype(np.float32)

    def read_labels(self, file: ImageFile, path: Path) -> np.ndarray:
        if self._official is not None and path == self._official.labels_file:
            return _IDS[self._official.labels(file)]
        return _IDS[read_bytes_map(path)]


def is_sunrgbd(root: Path) -> bool:
    """True for a folder of one of the two forms."""
    return (root / _TOOLBOX).is_dir() or (root / "label37").is_dir()


def _folder_files(root: Path, split: str) -> list[ImageFile]:
    depths, labels = (_by_number(root / kind / split) for kind in ("depth", "label37"))
    return [ImageFile(name=f"{split}/{image.stem}", image=image, depth=depths.get(_number(image)),
                      labels=labels.get(_number(image)))
            for image in images_below(root / "image" / split)]


def _number(path: Path) -> int:
    match = _NUMBER.search(path.stem)
    return int(match[1]) if match else -1


def _by_number(folder: Path) -> dict[int, Path]:
    return {_number(path): path for path in images_below(folder)}


@dataclass(frozen=True)
class _Official:
    """The toolbox's lists; labels are in one file, in the order of the metadata."""

    #: paths of images and of depth below ``SUNRGBD``, and the folder of each
    images: tuple[Path, ...]
    depths: tuple[Path, ...]
    training: frozenset[str]
    labels_file: Path
    #: position by name of the image
    positions: Mapping[str, int]

    @staticmethod
    def open(root: Path) -> "_Official":
        toolbox = root / _TOOLBOX
        meta = _mat(toolbox / "Metadata" / "SUNRGBDMeta.mat", "SUNRGBDMeta").ravel()
        training = _mat(toolbox / "traintestSUNRGBD" / "allsplit.mat", "alltrain").ravel()
        images, depths = [], []
        for entry in meta:
            image = Path(_below_set(str(entry.rgbpath)))
            folder = image.parent.parent
            images.append(root / "SUNRGBD" / image)
            depths.append(root / "SUNRGBD" / folder / "depth_bfx" / Path(entry.depthpath).name)
        return _Official(
            images=tuple(images), depths=tuple(depths),
            training=frozenset(_below_set(str(folder)).strip("/") for folder in training),
            labels_file=toolbox / "Metadata" / "SUNRGBD2Dseg.mat",
            positions={str(image): i for i, image in enumerate(images)})

    def files(self, root: Path, split: str) -> list[ImageFile]:
        base = root / "SUNRGBD"
        files = []
        for image, depth in zip(self.images, self.depths):
            folder = str(image.parent.parent.relative_to(base))
            if (folder in self.training) == (split == "train"):
                files.append(ImageFile(name=folder, image=image, depth=depth,
                                       labels=self.labels_file))
        return files

    def labels(self, file: ImageFile) -> np.ndarray:
        """(H, W) uint8 of 0..37; MATLAB writes columns first."""
        import h5py
        try:
            with h5py.File(self.labels_file, "r") as found:
                references = found["SUNRGBD2Dseg"]["seglabel"]
                reference = references[self.positions[str(file.image)]][0]
                return np.array(found[reference]).T.astype(np.uint8)
        except (OSError, KeyError) as error:
            raise DataError(f"{self.labels_file}: has no labels of {file.name} ({error}); fetch "
                            "it again") from error


def _below_set(path: str) -> str:
    """The part of a path of the authors' machine below the folder of the set."""
    return path.rpartition("/SUNRGBD/")[2]


def _mat(path: Path, key: str) -> np.ndarray:
    if not path.is_file():
        raise DataError(f"{path}: no such file; it belongs to SUN RGB-D's toolbox")
    import scipy.io
    from scipy.io.matlab import MatReadError
    try:
        return np.asarray(scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)[key])
    except (MatReadError, ValueError, NotImplementedError, KeyError) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB file with {key} ({error}); fetch it "
                        "again") from error
