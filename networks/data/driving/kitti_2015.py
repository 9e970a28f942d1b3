"""KITTI 2015 (Menze and Geiger 2015; Alhaija et al. 2018): 200 labelled stereo pairs.

``training/image_2/NNNNNN_10.png`` are the images, ``training/semantic`` Cityscapes' label ids,
``training/disp_occ_0`` (or ``disp_noc_0``) laser disparities, 16 bits, pixels * 256, 0 unknown,
and ``training/calib_cam_to_cam/NNNNNN.txt`` the calibrations.  Labels and disparities may each be
absent.
"""

from pathlib import Path

import numpy as np

from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.base.stored_images import (
    ImageFile,
    StoredImages,
    images_below,
    read_bytes_map,
    read_words_map,
    require_images,
    require_split,
)
from scenecode.networks.data.driving.cityscapes import TRAIN_ID_OF_LABEL_ID, depth_of_disparity
from scenecode.networks.data.driving.kitti_calibration import (
    COLOUR_BASELINE,
    camera_by_size,
    camera_of_projection,
    matrix,
    read_matrices,
)
from scenecode.optim.geometry.camera import PinholeCamera

SPLITS = ("train", "val", "all")
#: Every so many-th image is held out; the truth of the test images is not published.
VAL_STEP = 5
DISPARITY_STEPS_PER_PIXEL = 256.0


class Kitti2015(StoredImages):
    """``train`` (160 images), ``val`` (every fifth, 40) or ``all`` of the training images."""

    title = "kitti2015"
    sparse_depth = True

    def __init__(self, root: str | Path, split: str, width: int, height: int):
        require_split("KITTI 2015", split, SPLITS)
        self._folder = _folder(Path(root))
        super().__init__(_files(self._folder, split), CITYSCAPES_19, width, height)

    def camera_of(self, file: ImageFile, width: int, height: int) -> PinholeCamera:
        path = self._calibration(file)
        if not path.is_file():
            return camera_by_size(width, height, file.image)
        projection = matrix(read_matrices(path), "P_rect_02", 3, 4, path)
        return camera_of_projection(projection, width, height, path)

    def read_depth(self, file: ImageFile, path: Path, width: int, height: int) -> np.ndarray:
        disparity = read_words_map(path).astype(np.float32) / DISPARITY_STEPS_PER_PIXEL
        focal, baseline = self.camera_of(file, width, height).fx, COLOUR_BASELINE
        calibration = self._calibration(file)
        if calibration.is_file():
            found = read_matrices(calibration)
            left, right = (matrix(found, f"P_rect_{n}", 3, 4, calibration) for n in ("02", "03"))
            baseline = float(left[0, 3] - right[0, 3]) / focal
        return depth_of_disparity(disparity, baseline * focal)

    def read_labels(self, file: ImageFile, path: Path) -> np.ndarray:
        return TRAIN_ID_OF_LABEL_ID[read_bytes_map(path)]

    def _calibration(self, file: ImageFile) -> Path:
        return self._folder / "calib_cam_to_cam" / f"{file.image.stem.split('_')[0]}.txt"


def is_kitti_2015(root: Path) -> bool:
    """True for the folder of the benchmark, or its ``training``."""
    folder = _folder(root)
    return (folder / "image_2").is_dir() and any(
        (folder / name).is_dir() for name in ("semantic", "disp_occ_0", "disp_noc_0"))


def _folder(root: Path) -> Path:
    return root / "training" if (root / "training").is_dir() else root


def _files(folder: Path, split: str) -> list[ImageFile]:
    disparities = next((folder / name for name in ("disp_occ_0", "disp_noc_0")
                        if (folder / name).is_dir()), None)
    labelled = (folder / "semantic").is_dir()
    images = images_below(folder / "image_2", "*_10.png")
    chosen = [image for i, image in enumerate(images)
              if split == "all" or (i % VAL_STEP == VAL_STEP - 1) == (split == "val")]
    files = [ImageFile(name=image.stem, image=image,
                       depth=None if disparities is None else disparities / image.name,
                       labels=folder / "semantic" / image.name if labelled else None)
             for image in chosen]
    require_images(files, folder, "image_2/NNNNNN_10.png")
    return files
