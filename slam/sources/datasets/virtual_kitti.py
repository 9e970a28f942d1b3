"""Drives of Virtual KITTI 2 (Cabon et al. 2020), with exact poses, depth and labels.

``SceneNN/VARIATION`` with ``frames/rgb/Camera_N``, in the folder of its archive or of all.
"""

from pathlib import Path

from scenecode.core.errors import SourceError
from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.driving.virtual_kitti import (
    VirtualDrive,
    read_virtual_depth,
    virtual_drives,
)
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.sources.base.image_sequence import (
    ImageItem,
    ImageSequence,
    true_trajectory,
)
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.rectifier import RawTruth

#: Frames per second.
_RATE = 10.0


def is_virtual_drive(folder: Path) -> bool:
    """True for a variation of a scene, one of its image folders, and folders of these."""
    return _image_folder(folder) is not None or bool(_drives(folder))


def open_virtual_kitti(folder: Path, options: SourceOptions) -> ImageSequence:
    """One camera (the left one, unless its folder is given) of a variation of a scene, at 10
    frames a second.

    Raises ``SourceError`` for a folder of several drives and ``DataError`` for a calibration or
    poses that are missing or flawed.
    """
    drive = _drive(folder)
    files = drive.files()

    def read_truth(item: ImageItem, camera: PinholeCamera) -> RawTruth:
        file = files[item.index]
        return RawTruth(
            T_world_cam=item.T_world_cam,
            depth=None if file.depth is None else read_virtual_depth(file.depth),
            labels=None if file.labels is None else drive.labels(file.labels),
            classes=None if file.labels is None else CITYSCAPES_19)

    return ImageSequence(str(folder), _items(drive, options.fps), options.fps or _RATE, options,
                         known=drive.camera, read_truth=read_truth)


def read_drive_poses(folder: Path, fps: float | None = None) -> Trajectory:
    """The poses of the camera that ``open_virtual_kitti`` gives, at its images' times."""
    return true_trajectory(_items(_drive(folder), fps))


def _items(drive: VirtualDrive, fps: float | None) -> list[ImageItem]:
    poses = drive.poses()
    return [ImageItem(index=i, timestamp=i / (fps or _RATE), image=file.image,
                      T_world_cam=poses.get(int(file.image.stem.removeprefix("rgb_"))))
            for i, file in enumerate(drive.files())]


def _image_folder(folder: Path) -> Path | None:
    if folder.parent.name == "rgb" and folder.parents[1].name == "frames":
        return folder
    images = folder / "frames" / "rgb" / "Camera_0"
    return images if images.is_dir() else None


def _drives(folder: Path) -> list[Path]:
    """Variations of scenes in a scene, or below the folder of the scenes or of their archives."""
    own = [images.parents[2] for images in sorted(folder.glob("*/frames/rgb/Camera_0"))]
    return own or [drive.rgb.parents[2] for drive in virtual_drives(folder)]


def _drive(folder: Path) -> VirtualDrive:
    images = _image_folder(folder)
    if images is None:
        drives = _drives(folder)
        raise SourceError(f"{folder}: holds {len(drives)} drives; give the folder of one of them, "
                          f"such as {drives[0]}")
    variation = images.resolve().parents[2]
    root = variation.parents[1]
    if not any(variation.glob("*.txt")):
        # the archive of images may lie in a folder of its own beside the others
        beside = root.parent.glob(f"*/{variation.parent.name}/{variation.name}/intrinsic.txt")
        root = root.parent if any(beside) else root
    return VirtualDrive(root=root, scene=variation.parent.name, variation=variation.name,
                        rgb=images)
