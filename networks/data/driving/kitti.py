"""KITTI raw (Geiger et al. 2013) and KITTI depth (Uhrig et al. 2017): drives with laser depth.

Three forms are read.

* *raw*: ``DATE/DATE_drive_NNNN_sync/image_02/data/NNNNNNNNNN.png`` (or ``.jpg``; ``image_03``
  too) with ``DATE/calib_cam_to_cam.txt`` and ``calib_velo_to_cam.txt``.  Depth is that of KITTI
  depth where it is there (``train`` and ``val`` with ``DRIVE/proj_depth/groundtruth``, beside the
  dates or in ``data_depth_annotated``), else the scan of ``velodyne_points/data`` projected.
* *projected*: ``image_02/NAME`` and ``depth/NAME.png`` of one drive.
* *selection*: KITTI depth's ``val_selection_cropped`` with ``image``, ``groundtruth_depth`` and
  ``intrinsics``.

Depth images hold metres * 256 in 16 bits, 0 for unknown.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError
from scenecode.core.text_file import read_text
from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.base.stored_images import (
    ImageFile,
    StoredImages,
    if_there,
    images_below,
    read_words_map,
    require_images,
    require_split,
    scaled_to,
)
from scenecode.networks.data.driving.kitti_calibration import (
    CAMERAS_BY_DATE,
    LaserCalibration,
    camera_by_size,
    camera_of_projection,
    matrix,
    read_matrices,
    read_scan,
    rigid,
)
from scenecode.optim.geometry.camera import PinholeCamera

SPLITS = ("train", "val", "test")
DEPTH_STEPS_PER_METRE = 256.0
#: Part of the frames of a drive that its ``train`` begins with, where no list divides it.
TRAINING_PART = 0.75
#: Where a list of a split may be, below the root.
_LISTS = ("eigen_{}_files.txt", "{}_files.txt", "eigen_{}.txt", "{}.txt")
_LIST_FOLDERS = ("", "splits", "eigen", "splits/eigen")
_SIDES = {"l": "image_02", "r": "image_03", "2": "image_02", "3": "image_03"}
_ENDINGS = (".png", ".jpg", ".jpeg")


class Kitti(StoredImages):
    """One split of KITTI raw or KITTI depth.

    ``split`` is ``train``, ``val``, ``test`` or the path of a list such as those of the Eigen
    split: lines ``DATE/DRIVE FRAME l`` or ``DATE/DRIVE/image_02/data/FRAME.png ...``.  A name is
    looked for as a list below the root (``eigen_train_files.txt``, ``train.txt``, also in
    ``splits/``), then as the ``train`` and ``val`` of KITTI depth; without either, ``train`` is
    the first three quarters of each drive, ``val`` and ``test`` are both the rest.
    """

    title = "kitti"
    sparse_depth = True

    def __init__(self, root: str | Path, split: str, width: int, height: int):
        self._root = Path(root)
        super().__init__(kitti_files(self._root, split), CITYSCAPES_19, width, height)

    def camera_of(self, file: ImageFile, width: int, height: int) -> PinholeCamera:
        return kitti_camera(file.image, width, height)

    def read_depth(self, file: ImageFile, path: Path, width: int, height: int) -> np.ndarray:
        return read_kitti_depth(file.image, path)


def kitti_camera(image: Path, width: int, height: int) -> PinholeCamera:
    """The camera of an image of this size: of the calibration beside it or beside its drive, else
    the published one of its day."""
    intrinsics = image.parent.parent / "intrinsics" / f"{image.stem}.txt"
    if intrinsics.is_file():
        K = matrix(read_matrices(intrinsics), "P0", 3, 3, intrinsics)
        return camera_of_projection(K, width, height, intrinsics)
    path, camera = _calibration_file(image), camera_number(image)
    if path is not None:
        found = read_matrices(path)
        size = matrix(found, f"S_rect_{camera}", 1, 2, path)[0]
        projection = matrix(found, f"P_rect_{camera}", 3, 4, path)
        stated = camera_of_projection(projection, int(size[0]), int(size[1]), path)
    else:
        date = next((p.name for p in image.parents if p.name in CAMERAS_BY_DATE), None)
        stated = CAMERAS_BY_DATE[date] if date else camera_by_size(width, height, image)
    return scaled_to(stated, width, height, image)


def read_kitti_depth(image: Path, path: Path) -> np.ndarray:
    """(H, W) float32 metres at the pixels of an image, 0 where unknown, of its depth image or
    laser scan."""
    if path.suffix == ".png":
        return read_words_map(path).astype(np.float32) / DEPTH_STEPS_PER_METRE
    calibration = _calibration_file(image)
    if calibration is None:
        raise DataError(f"{path}: has no calib_cam_to_cam.txt beside its drive; fetch the "
                        "calibration of its day")
    number = camera_number(image)
    size = matrix(read_matrices(calibration), f"S_rect_{number}", 1, 2, calibration)[0]
    return _laser_calibration(calibration, number).depth(read_scan(path), int(size[0]),
                                                         int(size[1]))


def is_kitti_depth(root: Path) -> bool:
    """True for a folder of one of the three forms."""
    return is_projected(root) or _selection(root) is not None \
        or next(_drives(root), None) is not None


def kitti_files(root: Path, split: str) -> list[ImageFile]:
    """The images of a split, see ``Kitti``."""
    if split.endswith(".txt"):
        return _listed(root, root / split if (root / split).is_file() else Path(split))
    require_split("KITTI", split, SPLITS)
    for folder in _LIST_FOLDERS:
        for name in _LISTS:
            path = root / folder / name.format(split)
            if path.is_file():
                return _listed(root, path)
    if is_projected(root):
        files = [projected_file(root, image) for image in images_below(root / "image_02")]
        return part_of_drives([files], split, root)
    selection = _selection(root)
    if selection is not None:
        return _selected(selection, split)
    annotated = _annotated(root) / split
    if annotated.is_dir():
        return _annotated_files(root, annotated)
    drives = [[raw_file(root, image) for image in images_below(drive / "image_02" / "data")]
              for drive in _drives(root)]
    return part_of_drives(drives, split, root)


def part_of_drives(drives: Sequence[Sequence[ImageFile]], split: str,
                   root: Path) -> list[ImageFile]:
    """The first three quarters of each drive for ``train``, else the rest."""
    found: list[ImageFile] = []
    for files in drives:
        border = int(TRAINING_PART * len(files))
        found += files[:border] if split == "train" else files[border:]
    require_images(found, root, "DATE/DRIVE/image_02/data, or image_02 and depth")
    return found


def is_projected(root: Path) -> bool:
    """True for ``image_02/NAME`` and ``depth/NAME.png`` of one drive."""
    return (root / "image_02").is_dir() and (root / "depth").is_dir()


def projected_file(root: Path, image: Path) -> ImageFile:
    """An image of the projected form below a root."""
    return ImageFile(name=image.stem, image=image, depth=root / "depth" / f"{image.stem}.png",
                     labels=if_there(root / "labels" / f"{image.stem}.png"))


def _selection(root: Path) -> Path | None:
    """The folder of KITTI depth's thousand selected images."""
    candidates = (root, root / "val_selection_cropped",
                  root / "depth_selection" / "val_selection_cropped")
    return next((p for p in candidates if (p / "groundtruth_depth").is_dir()), None)


def _selected(folder: Path, split: str) -> list[ImageFile]:
    if split == "train":
        raise DataError(f"{folder}: is for validation only; choose the split val")
    files = [ImageFile(name=image.stem, image=image, depth=folder / "groundtruth_depth"
                       / image.name.replace("sync_image", "sync_groundtruth_depth"))
             for image in images_below(folder / "image")]
    require_images(files, folder, "image/NAME.png")
    return files


def _drives(root: Path) -> Iterator[Path]:
    """Folders of drives, by name."""
    for date in sorted(root.iterdir()) if root.is_dir() else ():
        if date.name in CAMERAS_BY_DATE:
            yield from sorted(p for p in date.iterdir() if (p / "image_02" / "data").is_dir())


def _annotated(root: Path) -> Path:
    inner = root / "data_depth_annotated"
    return inner if inner.is_dir() else root


def _annotated_files(root: Path, split: Path) -> list[ImageFile]:
    files = []
    for depth in sorted(split.glob("*/proj_depth/groundtruth/image_0[23]/*.png")):
        drive, camera = depth.parents[3].name, depth.parent.name
        image = _existing_image(root / drive[:10] / drive / camera / "data", depth.stem)
        files.append(ImageFile(name=f"{drive}/{camera}/{depth.stem}", image=image, depth=depth))
    require_images(files, split, "DRIVE/proj_depth/groundtruth/image_02/NNNNNNNNNN.png")
    return files


def raw_file(root: Path, image: Path) -> ImageFile:
    """An image ``DATE/DRIVE/image_0N/data/NAME`` below a root, with its depth where there is
    any."""
    drive, camera = image.parents[2], image.parent.parent.name
    inside = Path("proj_depth") / "groundtruth" / camera / f"{image.stem}.png"
    candidates = (drive / inside, _annotated(root) / "train" / drive.name / inside,
                  _annotated(root) / "val" / drive.name / inside,
                  drive / "velodyne_points" / "data" / f"{image.stem}.bin")
    # the first frames of a drive have no annotated depth, and a few scans are lost
    depth = next((path for path in candidates if path.is_file()), None)
    return ImageFile(name=f"{drive.name}/{camera}/{image.stem}", image=image, depth=depth)


def _listed(root: Path, path: Path) -> list[ImageFile]:
    if not path.is_file():
        raise DataError(f"{path}: no such list; give train, val, test or a list of images")
    files = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        image = _listed_image(root, parts)
        if image is None:
            raise DataError(f"{path}, line {number}: must be 'DATE/DRIVE FRAME l' or the path of "
                            f"an image, got '{line}'")
        files.append(projected_file(root, image) if is_projected(root)
                     else raw_file(root, image))
    require_images(files, path, "lines such as 'DATE/DRIVE FRAME l'")
    return files


def _listed_image(root: Path, parts: list[str]) -> Path | None:
    first = Path(parts[0])
    if first.suffix.lower() in _ENDINGS:
        return _existing_image((root / first).parent, first.stem)
    if is_projected(root) and len(parts) == 1:
        return _existing_image(root / "image_02", parts[0])
    if len(parts) < 2 or not parts[1].isdecimal():
        return None
    side = _SIDES.get(parts[2]) if len(parts) > 2 else "image_02"
    return None if side is None else \
        _existing_image(root / first / side / "data", f"{int(parts[1]):010d}")


def _existing_image(folder: Path, stem: str) -> Path:
    """The image of that name with the ending that it has here."""
    paths = [folder / f"{stem}{ending}" for ending in _ENDINGS]
    return next((path for path in paths if path.is_file()), paths[0])


def camera_number(image: Path) -> str:
    """Such as ``02``, of the folder ``image_02`` that the image is in."""
    return next((p.name[-2:] for p in image.parents if p.name.startswith("image_0")), "02")


def _calibration_file(image: Path) -> Path | None:
    """The nearest ``calib_cam_to_cam.txt`` above the image, not above the folder of its day."""
    for folder in image.parents:
        if (folder / "calib_cam_to_cam.txt").is_file():
            return folder / "calib_cam_to_cam.txt"
        if folder.name in CAMERAS_BY_DATE:
            break
    return None


def _laser_calibration(cameras: Path, number: str) -> LaserCalibration:
    """Of ``calib_cam_to_cam.txt`` and ``calib_velo_to_cam.txt`` beside it (Geiger et al. 2013,
    eq. 8): P_rect R_rect_00 T_velo_cam."""
    found = read_matrices(cameras)
    laser = cameras.with_name("calib_velo_to_cam.txt")
    velo = read_matrices(laser)
    T_cam_velo = rigid(matrix(velo, "R", 3, 3, laser), matrix(velo, "T", 3, 1, laser))
    R_rect = rigid(matrix(found, "R_rect_00", 3, 3, cameras), np.zeros(3))
    return LaserCalibration(matrix(found, f"P_rect_{number}", 3, 4, cameras)
                            @ R_rect @ T_cam_velo)
