"""Writes tiny data sets in the published layouts of those that are read.

Images are ``WIDTH`` x ``HEIGHT``, dark left of the middle and bright right of it.  The left
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


def halves(left, right, top, kind, height: int = HEIGHT) -> np.ndarray:
    """(height, WIDTH) of the value of each half and of the top row of the central ``HEIGHT``."""
    values = np.tile(np.where(LEFT, left, right), (height, 1))
    values[:(height - HEIGHT) // 2 + 1] = top
    return values.astype(kind)


def write(path: Path, values: np.ndarray) -> Path:
    """An image file, with its folder; colours are BGR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), values)
    return path


def write_photo(path: Path, height: int = HEIGHT) -> Path:
    return write(path, np.repeat(halves(40, 200, 120, np.uint8, height)[..., None], 3, 2))


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


def write_kitti_inertial(root: Path, frames: int = 4) -> Path:
    """``write_kitti_raw`` with dates, 0.1 s apart, and an inertial unit at the scanner, which
    drives 2 m a frame to the north; gives the drive."""
    write_kitti_raw(root, frames)
    drive = root / "2011_09_26" / "2011_09_26_drive_0001_sync"
    write_text(drive / "image_02" / "timestamps.txt",
               "".join(f"2011-09-26 13:02:25.{n}00000000\n" for n in range(frames)))
    write_text(drive.parent / "calib_imu_to_velo.txt", "R: 1 0 0 0 1 0 0 0 1\nT: 0 0 0\n")
    for n in range(frames):
        # on the equator, where Mercator's projection stretches nothing
        latitude = np.degrees(2 * n / 6_378_137)
        write_text(drive / "oxts" / "data" / f"{n:010d}.txt",
                   f"{latitude:.12f} 8.4 112.8 0 0 {np.pi / 2} " + "0 " * 24)
    return drive


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


def write_kitti_2015(root: Path) -> None:
    """Ten pairs, of which the fifth and the tenth are held out."""
    folder, baseline = root / "training", 0.5
    for n in range(10):
        name = f"{n:06d}_10.png"
        write_photo(folder / "image_2" / name)
        write_photo(folder / "image_2" / f"{n:06d}_11.png")
        write(folder / "semantic" / name, halves(7, 26, 4, np.uint8))
        pixels = baseline * KITTI_FOCAL
        write(folder / "disp_occ_0" / name,
              halves(pixels / NEAR * 256, pixels / FAR * 256, 0, np.uint16))
        right = _KITTI_PROJECTION.split()
        right[3] = str(-baseline * KITTI_FOCAL)
        write_text(folder / "calib_cam_to_cam" / f"{n:06d}.txt",
                   f"P_rect_02: {_KITTI_PROJECTION}\nP_rect_03: {' '.join(right)}\n")


def write_synthia(root: Path) -> None:
    """Twenty images; the markings of a lane left, a car right."""
    zeros = np.zeros((HEIGHT, WIDTH), np.uint16)
    for n in range(20):
        name = f"{n:07d}.png"
        write_photo(root / "RGB" / name)
        depth = halves(NEAR * 100, FAR * 100, 65535, np.uint16)
        write(root / "Depth" / "Depth" / name, np.stack([depth] * 3, -1))
        write(root / "GT" / "LABELS" / name,
              np.stack([zeros, zeros + 7, halves(22, 8, 0, np.uint16)], -1))


def write_virtual_kitti(root: Path) -> None:
    """A scene of each split; the archive of labels in a folder of its own.  The camera moves 1 m
    forwards a frame."""
    for scene in ("Scene01", "Scene20"):
        drive = root / scene / "clone"
        labels = root / "vkitti_2.0.3_classSegmentation" / scene / "clone" / "frames"
        for n in range(2):
            write_photo(drive / "frames" / "rgb" / "Camera_0" / f"rgb_{n:05d}.jpg")
            write(drive / "frames" / "depth" / "Camera_0" / f"depth_{n:05d}.png",
                  halves(NEAR * 100, FAR * 100, 65535, np.uint16))
            colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            colours[:, LEFT], colours[:, ~LEFT] = (60, 100, 100), (80, 127, 255)
            colours[0] = 80
            write(labels / "classSegmentation" / "Camera_0" / f"classgt_{n:05d}.png", colours)
        write_text(drive / "colors.txt", "Category r g b\nRoad 100 100 60\nCar:0 255 127 80\n"
                   "Misc 80 80 80\n")
        lines = [f"{n} {c} 30 30 19.5 9.5\n" for n in range(2) for c in range(2)]
        write_text(drive / "intrinsic.txt",
                   "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n" + "".join(lines))
        lines = [f"{n} {c} 1 0 0 0 0 1 0 0 0 0 1 {-n} 0 0 0 1\n"
                 for n in range(2) for c in range(2)]
        write_text(drive / "extrinsic.txt", "frame cameraID r1,1 ...\n" + "".join(lines))


def write_stanford(root: Path) -> None:
    """Two images of an office of areas 1 and 5a: floor left, chair right.  The camera of frame n
    stands at (n, 2, 3) and looks along the world's y.  Images are square."""
    labels = ["<UNK>_0_<UNK>_0_0", *[f"wall_{n}_office_1_1" for n in range(300)],
              "floor_1_office_1_1", "chair_7_office_1_1"]
    write_text(root / "assets" / "semantic_labels.json", json.dumps(labels))
    floor, chair = len(labels) - 2, len(labels) - 1
    rotation = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # from the world to the camera
    for area in ("area_1", "area_5a"):
        data = root / area / "data"
        for n in range(2):
            stem = f"camera_0a1b_office_1_frame_{n}_domain_"
            write_photo(data / "rgb" / f"{stem}rgb.png", WIDTH)
            write(data / "depth" / f"{stem}depth.png",
                  halves(NEAR * 512, FAR * 512, 65535, np.uint16, WIDTH))
            index = halves(floor, chair, 0x0D0D0D, np.int32, WIDTH)
            write(data / "semantic" / f"{stem}semantic.png",
                  np.stack([index & 255, index >> 8 & 255, index >> 16], -1).astype(np.uint8))
            place = np.array([n, 2.0, 3.0])
            pose = {"camera_k_matrix": [[540, 0, 539.5], [0, 540, 539.5], [0, 0, 1]],
                    "camera_rt_matrix": np.column_stack([rotation, -rotation @ place]).tolist(),
                    "camera_location": place.tolist()}
            write_text(data / "pose" / f"{stem}pose.json", json.dumps(pose))


def turned_millimetres(near, far) -> np.ndarray:
    """Depth as SUN RGB-D stores it, its bits turned by three."""
    values = halves(near * 1000, far * 1000, 0, np.uint16)
    return (values << 3) | (values >> 13)


def write_sunrgbd(root: Path) -> None:
    """The folder form: 20 training images and a test one, a wall left, a bag right."""
    for split, count in (("train", 20), ("test", 1)):
        for n in range(1, count + 1):
            write_photo(root / "image" / split / f"img-{n:06d}.jpg")
            write(root / "depth" / split / f"{n:08d}.png", turned_millimetres(1.5, 6))
            write(root / "label37" / split / f"img37labels-{n:06d}.png",
                  halves(1, 37, 0, np.uint8))


def write_sunrgbd_official(root: Path) -> None:
    """A training image and a test one as the toolbox lists them."""
    import h5py
    import scipy.io

    toolbox = root / "SUNRGBDtoolbox"
    for folder in ("Metadata", "traintestSUNRGBD"):
        (toolbox / folder).mkdir(parents=True)
    there, meta = "/n/fs/sun3d/data/SUNRGBD", []
    for name in ("kv1/NYUdata/NYU0001", "xtion/sun3d/room"):
        folder = root / "SUNRGBD" / name
        write_photo(folder / "image" / "a.jpg")
        write(folder / "depth_bfx" / "a.png", turned_millimetres(1.5, 6))
        write_text(folder / "intrinsics.txt", "30 0 19.5 0 30 9.5 0 0 1")
        meta.append({"rgbpath": f"{there}/{name}/image/a.jpg",
                     "depthpath": f"{there}/{name}/depth/a.png"})
    kinds = np.array([tuple(entry.values()) for entry in meta],
                     dtype=[("rgbpath", object), ("depthpath", object)])
    scipy.io.savemat(toolbox / "Metadata" / "SUNRGBDMeta.mat", {"SUNRGBDMeta": kinds})
    training = np.array([f"{there}/kv1/NYUdata/NYU0001/"], object)
    scipy.io.savemat(toolbox / "traintestSUNRGBD" / "allsplit.mat", {"alltrain": training})
    with h5py.File(toolbox / "Metadata" / "SUNRGBD2Dseg.mat", "w") as file:
        group = file.create_group("SUNRGBD2Dseg")
        references = group.create_dataset("seglabel", (2, 1), h5py.ref_dtype)
        for i in range(2):
            labels = file.create_dataset(f"label{i}", data=halves(1, 37, 0, np.uint8).T)
            references[i, 0] = labels.ref
