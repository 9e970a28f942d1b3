"""Opening a data set by name, for training and evaluation.

``FORMATS`` is the only list of those that are read from a folder: ``open_dataset`` and
``scenecode data check`` go through it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scenecode.core.errors import DataError
from scenecode.networks.classes import CLASS_SETS, NYU13, NYU_40
from scenecode.networks.data.base.stored_images import (
    StoredImages,
    require_split,
    with_labels_from,
)
from scenecode.networks.data.driving import (
    camvid,
    cityscapes,
    kitti,
    kitti_2015,
    kitti_odometry,
    synthia,
    virtual_kitti,
)
from scenecode.networks.data.folder import FolderImages
from scenecode.networks.data.indoor import stanford, sunrgbd
from scenecode.networks.data.nyuv2 import SPLITS as NYUV2_SPLITS
from scenecode.networks.data.nyuv2 import NYUv2
from scenecode.networks.data.relabelled import with_classes
from scenecode.networks.data.rooms.images import FIRST_TRAINING_SEED, RoomsImages, ViewsConfig
from scenecode.networks.data.scenenet.dataset import SceneNet
from scenecode.networks.data.streets.splits import open_streets
from scenecode.networks.sample import LabelledImages

DatasetName = Literal["nyuv2", "rooms", "streets", "folder", "scenenet", "camvid", "cityscapes",
                      "kitti", "kitti2015", "kitti_odometry", "synthia", "sunrgbd", "stanford",
                      "vkitti2"]

#: Environment variable with the folder of data sets and ImageNet weights.
DATA_VARIABLE = "SCENECODE_DATA"

#: First room of each split; training rooms start far above the held-out ones.
ROOMS_SPLITS = {"test": 5_000, "val": 7_000, "train": FIRST_TRAINING_SEED}
ROOMS_EVALUATED = 40
VIEWS_EVALUATED = 2


@dataclass(frozen=True)
class Part:
    """Something that belongs to a data set on disk."""

    #: what it gives, for people
    gives: str
    #: glob patterns below the root, of which one must match
    patterns: tuple[str, ...]
    required: bool = False


@dataclass(frozen=True)
class DataFormat:
    """A data set that is read from a folder."""

    name: DatasetName
    title: str
    splits: tuple[str, ...]
    parts: tuple[Part, ...]
    recognises: Callable[[Path], bool]
    #: root, split, width, height and, where it has labels of several sets, the number of classes
    open: Callable[[Path, str, int, int, int | None], LabelledImages]


def _reader(opens: Callable[[Path, str, int, int], LabelledImages]
            ) -> Callable[[Path, str, int, int, int | None], LabelledImages]:
    """An opener of a data set with labels of one set only."""
    return lambda root, split, width, height, classes: opens(root, split, width, height)


def _open_nyuv2(root: Path, split: str, width: int, height: int,
                classes: int | None) -> LabelledImages:
    own = NYU13 if classes in (None, len(NYU13)) else NYU_40
    return NYUv2(root, split, width, height, own)


def _is_nyuv2(root: Path) -> bool:
    return (root / "nyu_depth_v2_labeled.mat").is_file() or (root / "labels40").is_dir()


def _is_folder(root: Path) -> bool:
    return (root / "rgb").is_dir() and any((root / name).is_file()
                                           for name in ("camera.txt", "camera.json"))


def _is_scenenet(root: Path) -> bool:
    return any(root.glob("**/scenenet_rgbd_*.pb"))


#: In the order in which a folder is recognised.
FORMATS: tuple[DataFormat, ...] = (
    DataFormat(
        name="nyuv2", title="NYU Depth v2", splits=NYUV2_SPLITS, recognises=_is_nyuv2,
        open=_open_nyuv2, parts=(
            Part("images", ("nyu_depth_v2_labeled.mat", "rgb"), required=True),
            Part("depth", ("nyu_depth_v2_labeled.mat", "depth8"), required=True),
            Part("labels", ("classMapping40.mat", "labels40"), required=True),
            Part("splits", ("splits.mat", "train.txt"), required=True))),
    DataFormat(
        name="stanford", title="Stanford 2D-3D-S", splits=stanford.SPLITS,
        recognises=stanford.is_stanford, open=_reader(stanford.Stanford), parts=(
            Part("images", ("area_*/data/rgb",), required=True),
            Part("cameras and poses", ("area_*/data/pose",), required=True),
            Part("depth", ("area_*/data/depth",)),
            Part("labels", ("area_*/data/semantic",)),
            Part("names of the labels", ("assets/semantic_labels.json", "semantic_labels.json",
                                         "../assets/semantic_labels.json")))),
    DataFormat(
        name="sunrgbd", title="SUN RGB-D", splits=sunrgbd.SPLITS,
        recognises=sunrgbd.is_sunrgbd, open=_reader(sunrgbd.SunRgbd), parts=(
            Part("images", ("SUNRGBD", "image"), required=True),
            Part("labels", ("SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat", "label37"),
                 required=True),
            Part("splits", ("SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat", "image/train"),
                 required=True),
            Part("depth", ("SUNRGBD", "depth")))),
    DataFormat(
        name="camvid", title="CamVid", splits=camvid.SPLITS, recognises=camvid.is_camvid,
        open=_reader(camvid.CamVid), parts=(
            Part("images", ("rgb", "train"), required=True),
            Part("labels", ("labels", "trainannot"), required=True))),
    DataFormat(
        name="cityscapes", title="Cityscapes", splits=cityscapes.SPLITS,
        recognises=cityscapes.is_cityscapes, open=_reader(cityscapes.Cityscapes), parts=(
            Part("images", ("leftImg8bit",), required=True),
            Part("labels", ("gtFine",), required=True),
            Part("depth", ("disparity",)), Part("cameras", ("camera",)))),
    DataFormat(
        name="synthia", title="SYNTHIA-RAND-CITYSCAPES", splits=synthia.SPLITS,
        recognises=synthia.is_synthia, open=_reader(synthia.Synthia), parts=(
            Part("images", ("RGB",), required=True), Part("labels", ("GT/LABELS",), required=True),
            Part("depth", ("Depth",)))),
    DataFormat(
        name="vkitti2", title="Virtual KITTI 2", splits=virtual_kitti.SPLITS,
        recognises=virtual_kitti.is_virtual_kitti, open=_reader(virtual_kitti.VirtualKitti2),
        parts=(
            Part("images", ("**/frames/rgb",), required=True),
            Part("cameras", ("**/intrinsic.txt",), required=True),
            Part("poses", ("**/extrinsic.txt",)), Part("depth", ("**/frames/depth",)),
            Part("labels", ("**/frames/class[Ss]egmentation",)),
            Part("colours of the labels", ("**/colors.txt",)))),
    DataFormat(
        name="kitti2015", title="KITTI 2015", splits=kitti_2015.SPLITS,
        recognises=kitti_2015.is_kitti_2015, open=_reader(kitti_2015.Kitti2015), parts=(
            Part("images", ("training/image_2", "image_2"), required=True),
            Part("labels", ("training/semantic", "semantic")),
            Part("depth", ("training/disp_*_0", "disp_*_0")),
            Part("cameras", ("training/calib_cam_to_cam", "calib_cam_to_cam")))),
    DataFormat(
        name="kitti", title="KITTI raw or depth", splits=kitti.SPLITS,
        recognises=kitti.is_kitti_depth, open=_reader(kitti.Kitti), parts=(
            Part("images", ("image_02", "2011_*/*/image_02/data", "**/groundtruth_depth"),
                 required=True),
            Part("depth", ("depth", "2011_*/*/velodyne_points", "**/groundtruth",
                           "**/groundtruth_depth"), required=True),
            Part("cameras", ("2011_*/calib_cam_to_cam.txt", "calib_cam_to_cam.txt",
                             "**/intrinsics")),
            Part("poses", ("2011_*/*/oxts",)), Part("labels", ("labels",)),
            Part("lists of the splits", ("*.txt", "splits/*.txt")))),
    DataFormat(
        name="kitti_odometry", title="KITTI odometry", splits=kitti_odometry.SPLITS,
        recognises=kitti_odometry.is_kitti_odometry,
        open=_reader(kitti_odometry.KittiOdometry), parts=(
            Part("images", ("image_?", "**/[0-9][0-9]/image_?"), required=True),
            Part("cameras", ("calib.txt", "**/[0-9][0-9]/calib.txt"), required=True),
            Part("poses", ("poses.txt", "**/poses/[0-9][0-9].txt")),
            Part("depth", ("velodyne", "**/[0-9][0-9]/velodyne")))),
    DataFormat(
        name="folder", title="a folder of one's own", splits=("train", "val", "test"),
        recognises=_is_folder, open=_reader(FolderImages), parts=(
            Part("images", ("rgb",), required=True), Part("depth", ("depth",), required=True),
            Part("labels", ("labels",), required=True),
            Part("camera", ("camera.txt", "camera.json"), required=True),
            Part("splits", ("train.txt", "val.txt", "test.txt"), required=True),
            Part("classes", ("classes.yaml",)))),
    DataFormat(
        name="scenenet", title="SceneNet RGB-D", splits=("train", "val"),
        recognises=_is_scenenet, open=_reader(SceneNet), parts=(
            Part("images, depth and labels", ("train", "val"), required=True),
            Part("poses and names of the labels", ("**/scenenet_rgbd_*.pb",), required=True))),
)


def data_path(text: str) -> Path:
    """A path as it is, or below ``$SCENECODE_DATA`` when it is relative and not found here."""
    path = Path(text)
    base = os.environ.get(DATA_VARIABLE)
    if path.is_absolute() or path.exists() or base is None:
        return path
    return Path(base) / path


def open_dataset(name: DatasetName, root: str, split: str, width: int, height: int,
                 classes: int | None = None, labels: str | None = None) -> LabelledImages:
    """A data set at one image size; rooms and streets need no ``root``;
    that of streets may hold shards of training images.

    ``classes`` is the number of classes of the labels, by default those that the data set is
    usually evaluated with; labels of another set are translated (``with_classes``).  ``labels``
    is a folder of label images to take instead of the data set's own, of the same names and ids.

    Raises ``DataError`` for an unknown split or number of classes, and when ``root`` does not
    hold the data.
    """
    dataset = _open(name, root, split, width, height, classes)
    if labels is not None:
        if not isinstance(dataset, StoredImages):
            raise DataError(f"{name}: takes no folder of other labels; leave 'labels' out")
        dataset.files = tuple(with_labels_from(dataset.files, data_path(labels)))
    if classes is None or classes == len(dataset.classes):
        return dataset
    if classes not in CLASS_SETS:
        raise DataError(f"there is no set of {classes} classes; choose one of "
                        f"{', '.join(map(str, sorted(CLASS_SETS)))}")
    return with_classes(dataset, CLASS_SETS[classes])


def _open(name: DatasetName, root: str, split: str, width: int, height: int,
          classes: int | None) -> LabelledImages:
    if name == "rooms":
        return _rooms(split, width, height)
    if name == "streets":
        return open_streets(data_path(root) if root else None, split, width, height)
    path = data_path(root)
    if not path.exists():
        raise DataError(f"{path}: no such folder; give --root, or set {DATA_VARIABLE} to the "
                        "folder that holds it")
    form = next(form for form in FORMATS if form.name == name)
    return form.open(path, split, width, height, classes)


def _rooms(split: str, width: int, height: int) -> LabelledImages:
    require_split("rooms", split, ROOMS_SPLITS)
    views = ViewsConfig(rooms=ROOMS_EVALUATED, views_per_room=VIEWS_EVALUATED,
                        first_seed=ROOMS_SPLITS[split], width=width, height=height)
    return RoomsImages(views)
