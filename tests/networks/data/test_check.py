"""``scenecode data check``, on tiny sets written in the layouts of those that are read."""

import json

import pytest
from support import data_layouts as layouts
from support.own_images import write_own_images

from scenecode.cli.main import main
from scenecode.core.errors import DataError
from scenecode.networks.data.check import check_data

WRITERS = {
    "camvid": layouts.write_camvid, "cityscapes": layouts.write_cityscapes,
    "kitti": layouts.write_kitti_raw, "kitti2015": layouts.write_kitti_2015,
    "kitti_odometry": layouts.write_kitti_odometry, "synthia": layouts.write_synthia,
    "vkitti2": layouts.write_virtual_kitti, "stanford": layouts.write_stanford,
    "sunrgbd": layouts.write_sunrgbd, "folder": write_own_images}


@pytest.mark.parametrize("name", WRITERS)
def test_a_layout_is_recognised(tmp_path, name):
    WRITERS[name](tmp_path)
    report = check_data(tmp_path)
    assert report.data == name
    assert report.complete, report
    assert all(split.images for split in report.splits.values())


def test_it_says_how_much_there_is(tmp_path, capsys):
    layouts.write_cityscapes(tmp_path)
    assert main(["data", "check", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["data"] == "cityscapes" and found["complete"]
    train = found["splits"]["train"]
    assert (train["images"], train["with_depth"], train["with_labels"]) == (1, 1, 1)
    assert train["class_shares"] == pytest.approx({"road": 0.5, "car": 0.5}, abs=0.03)
    assert train["depth_range"] == pytest.approx([layouts.NEAR, layouts.FAR], rel=0.02)
    # the images of the test split are not there, which is not required
    assert "leftImg8bit/test: no images" in found["absent_splits"]["test"]


def test_something_required_is_missing(tmp_path, capsys):
    layouts.write_cityscapes(tmp_path)
    next((tmp_path / "gtFine" / "val").glob("*/*")).unlink()
    assert main(["data", "check", str(tmp_path)]) == 1
    assert "munster_000000_000019_gtFine_labelIds.png" in capsys.readouterr().out.replace("\n", "")
    (tmp_path / "gtFine").rename(tmp_path / "gone")
    report = check_data(tmp_path)
    assert [part.gives for part in report.parts if not part.there] == ["labels"]
    assert not report.complete


def test_another_folder(tmp_path):
    with pytest.raises(DataError, match="has the layout of no data set"):
        check_data(tmp_path)
    report = check_data(tmp_path, "camvid")
    assert not report.complete and "train.txt: no such list" in report.absent_splits["train"]
