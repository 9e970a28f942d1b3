"""Cityscapes (Cordts et al. 2016): fine labels of 5,000 street scenes of 50 cities, with stereo.

``leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png`` are the images, ``gtFine/.../NAME_gtFine_labelIds
.png`` the labels, ``disparity/.../NAME_disparity.png`` semi-global matching, 16 bits, value p for
(p - 1) / 256 pixels and 0 for unknown, and ``camera/.../NAME_camera.json`` the calibration.
"""

import json
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError
from scenecode.core.text_file import read_text
from scenecode.networks.classes import CITYSCAPES_19, CITYSCAPES_LABEL_IDS
from scenecode.networks.data.base.stored_images import (
    ImageFile,
    StoredImages,
    images_below,
    lookup_table,
    read_bytes_map,
    read_words_map,
    require_images,
    require_split,
    scaled_to,
)
from scenecode.optim.geometry.camera import PinholeCamera

#: The labels of ``test`` are not published: void in this reader, as in the files.
SPLITS = ("train", "val", "test")
TRAIN_ID_OF_LABEL_ID = lookup_table({label: i for i, label in enumerate(CITYSCAPES_LABEL_IDS)})

#: The calibration of nearly all recordings, for images without a file of their own, and the
#: stereo baseline in metres.
USUAL_CAMERA = PinholeCamera(fx=2262.52, fy=2265.30, cx=1096.98, cy=513.137, width=2048,
                             height=1024)
USUAL_BASELINE = 0.209313
#: Stored disparity p > 0 is (p - 1) / 256 pixels.
DISPARITY_STEPS_PER_PIXEL = 256.0


class Cityscapes(StoredImages):
    """One split of Cityscapes: train ids, and depth = baseline * fx / disparity in metres."""

    title = "cityscapes"

    def __init__(self, root: str | Path, split: str, width: int, height: int):
        require_split("Cityscapes", split, SPLITS)
        self._root = Path(root)
        super().__init__(_files(self._root, split), CITYSCAPES_19, width, height)

    def camera_of(self, file: ImageFile, width: int, height: int) -> PinholeCamera:
        camera, _ = _calibration(self._beside(file, "camera", ".json"))
        return scaled_to(camera, width, height, file.image)

    def read_depth(self, file: ImageFile, path: Path, width: int, height: int) -> np.ndarray:
        camera, baseline = _calibration(self._beside(file, "camera", ".json"))
        stored = read_words_map(path)
        # disparity is in pixels of the image at hand
        fx = camera.fx * stored.shape[1] / camera.width
        return depth_of_disparity((stored.astype(np.float32) - 1) / DISPARITY_STEPS_PER_PIXEL,
                                  baseline * fx)

    def read_labels(self, file: ImageFile, path: Path) -> np.ndarray:
        return TRAIN_ID_OF_LABEL_ID[read_bytes_map(path)]

    def _beside(self, file: ImageFile, kind: str, ending: str) -> Path:
        relative = file.image.relative_to(self._root / "leftImg8bit")
        return self._root / kind / relative.parent / f"{file.name}_{kind}{ending}"


def is_cityscapes(root: Path) -> bool:
    """True for a folder with the images of Cityscapes."""
    return (root / "leftImg8bit").is_dir()


def depth_of_disparity(disparity: np.ndarray, baseline_focal: float) -> np.ndarray:
    """(H, W) float32 metres of disparities in pixels, 0 where they are not positive;
    ``baseline_focal`` is the baseline in metres times the focal length in pixels."""
    known = disparity > 0
    return np.where(known, baseline_focal / np.where(known, disparity, 1), 0).astype(np.float32)


def _files(root: Path, split: str) -> list[ImageFile]:
    def file(image: Path) -> ImageFile:
        name = image.name.removesuffix("_leftImg8bit.png")
        city = image.parent.name
        labels = root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png"
        depth = root / "disparity" / split / city / f"{name}_disparity.png"
        return ImageFile(name=name, image=image,
                         depth=depth if (root / "disparity").is_dir() else None,
                         labels=labels if (root / "gtFine").is_dir() else None)

    files = [file(image) for image in
             images_below(root / "leftImg8bit" / split, "*/*_leftImg8bit.png")]
    require_images(files, root / "leftImg8bit" / split, "CITY/NAME_leftImg8bit.png")
    return files


def _calibration(path: Path) -> tuple[PinholeCamera, float]:
    """Camera and baseline in metres of a ``camera.json``, the usual ones where it is absent."""
    if not path.is_file():
        return USUAL_CAMERA, USUAL_BASELINE
    try:
        found = json.loads(read_text(path))
        inner = found["intrinsic"]
        camera = PinholeCamera(fx=float(inner["fx"]), fy=float(inner["fy"]),
                               cx=float(inner["u0"]), cy=float(inner["v0"]),
                               width=USUAL_CAMERA.width, height=USUAL_CAMERA.height)
        return camera, float(found["extrinsic"]["baseline"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: must hold intrinsic (fx, fy, u0, v0) and extrinsic (baseline): "
                        f"{error}; fetch it again") from error
