"""KITTI odometry (Geiger et al. 2012) as images: 22 drives, with depth where there are scans.

``sequences/NN/image_2`` (or 3, 0, 1), ``calib.txt`` and ``velodyne``; or one such sequence.
"""

from pathlib import Path

import numpy as np

from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.base.stored_images import (
    ImageFile,
    StoredImages,
    if_there,
    images_below,
    require_images,
    require_split,
)
from scenecode.networks.data.driving.kitti import part_of_drives
from scenecode.networks.data.driving.kitti_calibration import (
    LaserCalibration,
    camera_of_projection,
    matrix,
    read_matrices,
    read_scan,
    rigid,
)
from scenecode.optim.geometry.camera import PinholeCamera

SPLITS = ("train", "val", "test")
#: Sequences of each split as most authors divide them; the poses of ``test`` are not published.
SEQUENCES = {"train": tuple(f"{n:02d}" for n in range(9)), "val": ("09", "10"),
             "test": tuple(f"{n:02d}" for n in range(11, 22))}
_CAMERAS = ("image_2", "image_3", "image_0", "image_1")


class KittiOdometry(StoredImages):
    """The sequences of one split, or the sequence whose number ``split`` is (``"07"``).

    Where ``root`` is a single sequence, ``train`` is its first three quarters, ``val`` and
    ``test`` are both the rest.
    """

    title = "kitti_odometry"
    sparse_depth = True

    def __init__(self, root: str | Path, split: str, width: int, height: int):
        super().__init__(_files(Path(root), split), CITYSCAPES_19, width, height)

    def camera_of(self, file: ImageFile, width: int, height: int) -> PinholeCamera:
        path, name = _calibration(file.image)
        return camera_of_projection(matrix(read_matrices(path), name, 3, 4, path), width, height,
                                    path)

    def read_depth(self, file: ImageFile, path: Path, width: int, height: int) -> np.ndarray:
        return read_odometry_depth(file.image, path, width, height)


def read_odometry_depth(image: Path, scan: Path, width: int, height: int) -> np.ndarray:
    """(height, width) float32 metres of a laser scan at the pixels of an image of its sequence, 0
    where unknown."""
    calibration, name = _calibration(image)
    found = read_matrices(calibration)
    velo = matrix(found, "Tr", 3, 4, calibration)
    laser = LaserCalibration(matrix(found, name, 3, 4, calibration)
                             @ rigid(velo[:, :3], velo[:, 3]))
    return laser.depth(read_scan(scan), width, height)


def is_kitti_odometry(root: Path) -> bool:
    """True for the folder of the sequences, the one above it, or one sequence."""
    return _is_sequence(root) or bool(_sequences(root))


def _files(root: Path, split: str) -> list[ImageFile]:
    if _is_sequence(root):
        require_split("KITTI odometry", split, SPLITS)
        return part_of_drives([_sequence_files(root)], split, root)
    names = SEQUENCES.get(split, (split,))
    folders = [folder for folder in _sequences(root) if folder.name in names]
    files = [file for folder in folders for file in _sequence_files(folder)]
    require_images(files, root, f"sequences/NN of {split} (train, val, test or a number) with "
                   "image_2 and calib.txt")
    return files


def _is_sequence(folder: Path) -> bool:
    return (folder / "calib.txt").is_file() and any((folder / c).is_dir() for c in _CAMERAS)


def _sequences(root: Path) -> list[Path]:
    inner = next((p for p in (root / "sequences", root / "dataset" / "sequences")
                  if p.is_dir()), root)
    return [p for p in sorted(inner.glob("[0-9][0-9]")) if _is_sequence(p)]


def _sequence_files(folder: Path) -> list[ImageFile]:
    images = next(folder / camera for camera in _CAMERAS if (folder / camera).is_dir())
    return [ImageFile(name=f"{folder.name}/{image.stem}", image=image,
                      depth=if_there(folder / "velodyne" / f"{image.stem}.bin"))
            for image in images_below(images)]


def _calibration(image: Path) -> tuple[Path, str]:
    """``calib.txt`` and the name of the projection of the image's camera."""
    return image.parent.parent / "calib.txt", f"P{image.parent.name[-1]}"
