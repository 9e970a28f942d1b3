"""Writes tiny data sets in the published layouts of those that are read.

Every image is ``WIDTH`` x ``HEIGHT``, dark left of the middle and bright right of it.  The left
half is ``NEAR`` metres away and of the first of two classes, the right half ``FAR`` metres and of
the second one; the top row has neither depth nor label.
"""

import json
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 40, 20
NEAR, FAR = 5.0, 20.0
LEFT = np.arange(WIDTH) < WIDTH // 2


def halves(left, right, top, kind) -> np.ndarray:
    """(HEIGHT, WIDTH) of the value of each half and of the top row."""
    values = np.tile(np.where(LEFT, left, right), (HEIGHT, 1))
    values[0] = top
    return values.astype(kind)


def write(path: Path, values: np.ndarray) -> Path:
    """An image file, with its folder; colours are BGR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), values)
    return path


def write_photo(path: Path) -> Path:
    return write(path, np.repeat(halves(40, 200, 120, np.uint8)[..., None], 3, 2))


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_camvid(root: Path) -> None:
    """The folder form: a road left, a car right."""
    for name in ("0001TP_000001", "0001TP_000031"):
        write_photo(root / "rgb" / f"{name}.jpg")
        write(root / "labels" / f"{name}.png", halves(3, 8, 11, np.uint8))
    write_text(root / "train.txt", "0001TP_000001\n")
    write_text(root / "val.txt", "0001TP_000031\n")


def write_segnet(root: Path) -> None:
    """CamVid as the SegNet tutorial has it."""
    for split in ("train", "val", "test"):
        write_photo(root / split / "0001TP_000001.png")
        write(root / f"{split}annot" / "0001TP_000001.png", halves(3, 8, 11, np.uint8))


def write_cityscapes(root: Path) -> None:
    """A road left, a car right; 0.2 m * 2000 px at 2048 px of width, of which these are 40."""
    camera = {"extrinsic": {"baseline": 0.2},
              "intrinsic": {"fx": 2000.0, "fy": 2000.0, "u0": 1023.5, "v0": 511.5}}
    for split, city in (("train", "aachen"), ("val", "munster")):
        name = f"{city}_000000_000019"
        write_photo(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png")
        write(root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png",
              halves(7, 26, 3, np.uint8))
        pixels = 0.2 * 2000 * WIDTH / 2048
        write(root / "disparity" / split / city / f"{name}_disparity.png",
              halves(pixels / NEAR * 256 + 1, pixels / FAR * 256 + 1, 0, np.uint16))
        write_text(root / "camera" / split / city / f"{name}_camera.json", json.dumps(camera))


#: Of the tiny KITTI cameras, in pixels.
KITTI_FOCAL = 30.0
_KITTI_PROJECTION = f"{KITTI_FOCAL} 0 19.5 0 0 {KITTI_FOCAL} 9.5 0 0 0 1 0"
#: from the laser scanner (x forward, y left, z up) to the camera
_KITTI_AXES = "0 -1 0 0 0 -1 1 0 0"


def write_kitti_projected(root: Path, frames: int = 4) -> None:
    """One drive, with its laser depth as images; the calibration of its day beside it."""
    for n in range(frames):
        write_photo(root / "image_02" / f"{n:010d}.jpg")
        write(root / "depth" / f"{n:010d}.png", halves(NEAR * 256, FAR * 256, 0, np.uint16))
    write_kitti_calibration(root)


def write_kitti_calibration(folder: Path) -> None:
    write_text(folder / "calib_cam_to_cam.txt",
               "calib_time: 09-Jan-2012 13:57:47\nR_rect_00: 1 0 0 0 1 0 0 0 1\n"
               + "".join(f"S_rect_0{c}: {WIDTH} {HEIGHT}\nP_rect_0{c}: {_KITTI_PROJECTION}\n"
                         for c in (2, 3)))
    write_text(folder / "calib_velo_to_cam.txt", f"R: {_KITTI_AXES}\nT: 0 0 0\ndelta_f: 0 0\n")


def kitti_scan() -> np.ndarray:
    """(N, 4) float32: a point in every pixel but those of the top row, and some behind."""
    v, u = np.mgrid[1:HEIGHT, 0:WIDTH]
    z = np.where(LEFT[u], NEAR, FAR)
    points = np.stack([z, -(u - 19.5) / KITTI_FOCAL * z, -(v - 9.5) / KITTI_FOCAL * z,
                       np.zeros_like(z)], -1).reshape(-1, 4)
    return np.concatenate([points, [[-3.0, 0, 0, 0]]]).astype(np.float32)


def write_kitti_raw(root: Path, frames: int = 4) -> None:
    """A drive with laser scans, of which the first is lost."""
    date, drive = "2011_09_26", "2011_09_26_drive_0001_sync"
    for n in range(frames):
        write_photo(root / date / drive / "image_02" / "data" / f"{n:010d}.png")
        if n:
            path = root / date / drive / "velodyne_points" / "data" / f"{n:010d}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            kitti_scan().tofile(path)
    write_kitti_calibration(root / date)


def write_kitti_depth(root: Path) -> None:
    """``write_kitti_raw`` with KITTI depth's images, of the last two frames only."""
    write_kitti_raw(root)
    for split, n in (("train", 2), ("val", 3)):
        write(root / split / "2011_09_26_drive_0001_sync" / "proj_depth" / "groundtruth"
              / "image_02" / f"{n:010d}.png", halves(2 * NEAR * 256, 2 * FAR * 256, 0, np.uint16))


def write_kitti_odometry(root: Path) -> None:
    """Sequences 00 and 09, of two frames each, 00 with scans."""
    for name in ("00", "09"):
        folder = root / "sequences" / name
        write_text(folder / "calib.txt", f"P0: {_KITTI_PROJECTION}\nP2: {_KITTI_PROJECTION}\n"
                   "Tr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n")
        for n in range(2):
            write_photo(folder / "image_2" / f"{n:06d}.png")
            if name == "00":
                (folder / "velodyne").mkdir(exist_ok=True)
                kitti_scan().tofile(folder / "velodyne" / f"{n:06d}.bin")
