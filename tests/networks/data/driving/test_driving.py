"""The data sets of roads, each on a tiny one written in its layout."""

import numpy as np
import pytest
from support import data_layouts as layouts
from support.checked_sample import SIZE, found

from scenecode.core.atomic_write import write_bytes
from scenecode.core.errors import DataError
from scenecode.core.images import png_bytes, read_rgb
from scenecode.networks.classes import CAMVID_11, CITYSCAPES_19, VOID
from scenecode.networks.data.datasets import open_dataset


@pytest.mark.parametrize("write", [layouts.write_camvid, layouts.write_segnet])
def test_camvid(tmp_path, write):
    write(tmp_path)
    sample = found("camvid", tmp_path, "train", depth=None, labels=("road", "car"))
    assert (sample.depth == 0).all()
    found("camvid", tmp_path, "val", depth=None, labels=("road", "car"), classes=19)
    assert len(open_dataset("camvid", str(tmp_path), "val", *SIZE).classes) == len(CAMVID_11)


def test_cityscapes(tmp_path):
    """labelIds become train ids; depth is baseline * fx / disparity."""
    layouts.write_cityscapes(tmp_path)
    for split in ("train", "val"):
        sample = found("cityscapes", tmp_path, split, depth=1, labels=("road", "car"))
    assert sample.camera.fx == pytest.approx(2000 * layouts.WIDTH / 2048)
    assert sample.camera.cx == pytest.approx(19.5)


def test_cityscapes_without_stereo_has_labels_alone(tmp_path):
    layouts.write_cityscapes(tmp_path)
    (tmp_path / "disparity").rename(tmp_path / "elsewhere")
    (tmp_path / "camera").rename(tmp_path / "elsewhere" / "camera")
    sample = found("cityscapes", tmp_path, "val", depth=None, labels=("road", "car"))
    assert (sample.depth == 0).all()
    assert sample.camera.fx == pytest.approx(2262.52 * layouts.WIDTH / 2048)


def test_a_drive_with_projected_depth_is_divided_in_time(tmp_path):
    layouts.write_kitti_projected(tmp_path)
    sample = found("kitti", tmp_path, "train", depth=1, count=3)
    assert sample.camera.fx == layouts.KITTI_FOCAL
    assert found("kitti", tmp_path, "test", depth=1).name == "kitti/0000000003"


def test_kitti_raw_projects_its_scans(tmp_path):
    layouts.write_kitti_raw(tmp_path)
    found("kitti", tmp_path, "val", depth=1)
    first = open_dataset("kitti", str(tmp_path), "train", *SIZE)[0]
    assert (first.depth == 0).all()  # its scan is lost


@pytest.mark.parametrize("lines", [
    "2011_09_26/2011_09_26_drive_0001_sync 3 l\n",
    "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000003.png None 721.5\n"])
def test_kitti_raw_by_a_list(tmp_path, lines):
    layouts.write_kitti_raw(tmp_path)
    layouts.write_text(tmp_path / "splits" / "eigen_test_files.txt", lines)
    for split in ("test", "splits/eigen_test_files.txt"):
        assert found("kitti", tmp_path, split, depth=1).name.endswith("0000000003")


def test_kitti_depth_comes_before_the_scans(tmp_path):
    layouts.write_kitti_depth(tmp_path)
    assert found("kitti", tmp_path, "train", depth=2).name.endswith("0000000002")
    assert found("kitti", tmp_path, "val", depth=2).name.endswith("0000000003")


def test_kitti_2015(tmp_path):
    layouts.write_kitti_2015(tmp_path)
    found("kitti2015", tmp_path, "train", depth=1, labels=("road", "car"), count=8)
    sample = found("kitti2015", tmp_path / "training", "val", depth=1, labels=("road", "car"),
                   count=2)
    assert sample.name == "kitti2015/000004_10"


def test_synthia(tmp_path):
    """Markings of lanes are road."""
    layouts.write_synthia(tmp_path)
    found("synthia", tmp_path, "train", depth=1, labels=("road", "car"), count=19)
    sample = found("synthia", tmp_path, "val", depth=1, labels=("road", "car"))
    assert sample.camera.fx == pytest.approx(532.74 * layouts.WIDTH / 1280, rel=1e-4)


def test_virtual_kitti(tmp_path):
    layouts.write_virtual_kitti(tmp_path)
    sample = found("vkitti2", tmp_path, "train", depth=1, labels=("road", "car"), count=2)
    assert sample.name == "vkitti2/Scene01/clone/00000" and sample.camera.fx == 30
    found("vkitti2", tmp_path, "test", depth=1, labels=("road", "car"), count=2)


def test_labels_of_another_folder(tmp_path):
    layouts.write_kitti_projected(tmp_path)
    layouts.write(tmp_path / "guesses" / "0000000000.png", layouts.halves(0, 13, 255, "uint8"))
    data = open_dataset("kitti", str(tmp_path), "train", *SIZE,
                        labels=str(tmp_path / "guesses"))
    assert data[0].labels[5, [5, 30]].tolist() == [0, 13] and (data[1].labels == VOID).all()
    with pytest.raises(DataError, match="holds no labels for these images"):
        open_dataset("kitti", str(tmp_path), "test", *SIZE, labels=str(tmp_path / "guesses"))


def test_kitti_odometry(tmp_path):
    layouts.write_kitti_odometry(tmp_path)
    found("kitti_odometry", tmp_path, "train", depth=1, count=2)
    assert (found("kitti_odometry", tmp_path, "val", depth=None, count=2).depth == 0).all()
    assert found("kitti_odometry", tmp_path / "sequences" / "00", "val", depth=1).name.endswith(
        "00/000001")
    with pytest.raises(DataError, match="no images; expected sequences/NN of 07"):
        open_dataset("kitti_odometry", str(tmp_path), "07", *SIZE)


def test_images_without_labels_of_their_own_take_those_of_a_folder(tmp_path):
    layouts.write_kitti_odometry(tmp_path)
    own = open_dataset("kitti_odometry", str(tmp_path), "train", *SIZE)
    height, width = read_rgb(own.files[0].image).shape[:2]
    road = CITYSCAPES_19.names.index("road")
    (tmp_path / "others").mkdir()
    for file in own.files:
        write_bytes(tmp_path / "others" / f"{file.image.stem}.png",
                    png_bytes(np.full((height, width), road, np.uint8)))
    labelled = open_dataset("kitti_odometry", str(tmp_path), "train", *SIZE,
                            labels=str(tmp_path / "others"))
    assert (own[0].labels == VOID).all() and (labelled[0].labels == road).all()


@pytest.mark.parametrize("name, write", [
    ("camvid", layouts.write_camvid), ("cityscapes", layouts.write_cityscapes),
    ("kitti", layouts.write_kitti_projected)])
def test_an_unknown_split_and_a_missing_file_are_named(tmp_path, name, write):
    write(tmp_path)
    with pytest.raises(DataError, match="split 'all' is unknown; choose one of"):
        open_dataset(name, str(tmp_path), "all", *SIZE)
    data = open_dataset(name, str(tmp_path), "train", *SIZE)
    (data.files[0].labels or data.files[0].depth).unlink()
    with pytest.raises(DataError, match=r"\.png: no such file"):
        data[0]
