"""Drives of KITTI raw (Geiger et al. 2013), with poses of the GPS and inertial unit.

``DATE/DRIVE`` with ``image_0N/data``, ``image_0N/timestamps.txt``, ``oxts/data`` and
``velodyne_points`` or KITTI depth, the calibrations in ``DATE``; or one drive with its depth as
images, ``image_02`` and ``depth``.
"""

import logging
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError, SourceError
from scenecode.networks.data.driving.kitti import (
    camera_number,
    is_projected,
    kitti_camera,
    projected_file,
    raw_file,
    read_kitti_depth,
)
from scenecode.networks.data.driving.kitti_oxts import camera_from_unit, read_oxts
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.sources.base.image_files import image_files
from scenecode.slam.sources.base.image_sequence import (
    ImageItem,
    ImageSequence,
    true_trajectory,
)
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.rectifier import RawTruth
from scenecode.slam.sources.datasets.kitti import CAMERA_HEIGHT
from scenecode.slam.sources.datasets.stamped_lists import content_lines, rate_of

#: The colour cameras first.
_CAMERAS = ("image_02", "image_03", "image_00", "image_01")
#: Names of days and of drives.
_DAY, _DRIVE = "20??_??_??", "20??_??_??_drive_*"
#: End of the name of a drive whose images are not rectified.
_UNRECTIFIED = "_extract"
#: Frames per second where there is no ``timestamps.txt``.
_RATE = 10.0

_log = logging.getLogger(__name__)


def is_kitti_raw(folder: Path) -> bool:
    """True for a drive, one of its image folders, a day of drives, and a folder of days."""
    return _image_folder(folder) is not None or bool(_drives(folder))


def open_kitti_raw(folder: Path, options: SourceOptions) -> ImageSequence:
    """One camera of a drive (the left colour one where present, unless its folder is given),
    stamped by ``timestamps.txt`` or frame number / 10; depth is KITTI depth's or the projected
    laser scan's.

    Raises ``SourceError`` for a folder of several drives and for one before rectification, and
    ``DataError`` for a calibration that is missing or does not fit.
    """
    items = _items(folder, options.fps)
    first = items[0].image if items else folder
    rate = rate_of(np.array([item.timestamp for item in items]))
    return ImageSequence(
        str(folder), items, rate, options,
        known=lambda width, height: kitti_camera(first, width, height), read_truth=_read_truth,
        known_height=CAMERA_HEIGHT)


def read_unit_poses(folder: Path, fps: float | None = None) -> Trajectory:
    """The true poses of the camera that ``open_kitti_raw`` gives, at its images' times."""
    return true_trajectory(_items(folder, fps))


def _read_truth(item: ImageItem, camera: PinholeCamera) -> RawTruth:
    depth = None if item.depth is None else read_kitti_depth(item.image, item.depth)
    return RawTruth(T_world_cam=item.T_world_cam, depth=depth)


def _image_folder(folder: Path) -> Path | None:
    """The folder of the images of one camera of one drive."""
    if folder.name == "data" and folder.parent.name in _CAMERAS:
        return folder
    if folder.name in _CAMERAS:
        return folder / "data" if (folder / "data").is_dir() else \
            folder if is_projected(folder.parent) else None
    if is_projected(folder):
        return folder / "image_02"
    return next((folder / name / "data" for name in _CAMERAS
                 if (folder / name / "data").is_dir()), None)


def _items(folder: Path, fps: float | None) -> list[ImageItem]:
    images = _image_folder(folder)
    if images is None:
        drives = _drives(folder)
        raise SourceError(f"{folder}: holds {len(drives)} drives; give the folder of one of them, "
                          f"such as {drives[0]}")
    if any(part.endswith(_UNRECTIFIED) for part in images.parts):
        raise SourceError(f"{images}: its images are not rectified, its calibration is for "
                          "rectified ones; fetch the drive whose name ends with _sync")
    paths = image_files(images)
    if images.name != "data":
        files = [projected_file(images.parent, path) for path in paths]
        return [ImageItem(index=i, timestamp=i / (fps or _RATE), image=file.image,
                          depth=file.depth)
                for i, file in enumerate(files)]
    # DATE/DRIVE/image_0N/data
    drive = images.resolve().parents[1]
    files = [raw_file(drive.parents[1], drive / images.parent.name / "data" / path.name)
             for path in paths]
    times = _times(images.parent / "timestamps.txt", paths, fps)
    poses = _poses(drive, paths)
    return [ImageItem(index=i, timestamp=times[i], image=file.image, depth=file.depth,
                      T_world_cam=poses[i])
            for i, file in enumerate(files)]


def _drives(folder: Path) -> list[Path]:
    return sorted(p for pattern in (_DRIVE, f"{_DAY}/{_DRIVE}") for p in folder.glob(pattern)
                  if _image_folder(p) is not None)


def _times(path: Path, images: list[Path], fps: float | None) -> list[float]:
    """Seconds of each image from the first one; lines are dates, and line N belongs to the image
    of number N."""
    by_number = [i / (fps or _RATE) for i in range(len(images))]
    if not path.is_file():
        return by_number
    try:
        dates = np.array([line for _, line in content_lines(path)], "datetime64[ns]")
        times = (dates - dates[:1]).astype(np.int64) / 1e9
        times = times[[int(image.stem) for image in images]]
    except (ValueError, IndexError) as error:
        _log.warning("%s: must hold a date for each image (%s); taking frame number / %g", path,
                     error, fps or _RATE)
        return by_number
    if (np.diff(times) <= 0).any():
        _log.warning("%s: times must rise; taking frame number / %g", path, fps or _RATE)
        return by_number
    return [float(t) for t in times - times[0]]


def _poses(drive: Path, images: list[Path]) -> list[np.ndarray | None]:
    """``T_world_cam`` of each image, None where unknown; the world is the inertial unit at the
    first one, x east, z up."""
    unknown: list[np.ndarray | None] = [None] * len(images)
    if not (drive / "oxts" / "data").is_dir() or not images:
        return unknown
    try:
        T_cam_unit = camera_from_unit(drive.parent,
                                      camera_number(drive / images[0].parent.parent.name / "_"))
        units = read_oxts(drive / "oxts" / "data", [image.stem for image in images])
    except DataError as error:
        _log.warning("%s; going without true poses", error)
        return unknown
    T_unit_cam = np.linalg.inv(T_cam_unit)
    return [None if T is None else T @ T_unit_cam for T in units]
