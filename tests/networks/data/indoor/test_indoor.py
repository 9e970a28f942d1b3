"""Stanford 2D-3D-S and SUN RGB-D, each on a tiny set written in its layout."""

import json

import numpy as np
import pytest
from support import data_layouts as layouts
from support.checked_sample import SIZE, found

from scenecode.core.atomic_write import write_bytes
from scenecode.core.errors import DataError
from scenecode.core.images import png_bytes, read_rgb
from scenecode.networks.data.datasets import open_dataset


def test_stanford(tmp_path):
    """Labels are an index into a JSON list of instances; areas are the splits."""
    layouts.write_stanford(tmp_path)
    sample = found("stanford", tmp_path, "train", depth=1, labels=("floor", "chair"), count=2)
    assert sample.name.startswith("stanford/area_1/camera_0a1b_office_1_frame_0")
    assert sample.camera.fx == pytest.approx(540 * layouts.WIDTH / 1080)
    found("stanford", tmp_path, "test", depth=1, labels=("floor", "chair"), count=2)
    found("stanford", tmp_path, "area_5a", depth=1, labels=("floor", "chair"), count=2,
          classes=40)


def test_a_pose_that_contradicts_itself_is_named(tmp_path):
    layouts.write_stanford(tmp_path)
    path = next((tmp_path / "area_1" / "data" / "pose").glob("*frame_0*"))
    pose = json.loads(path.read_text())
    path.write_text(json.dumps({**pose, "camera_location": [0, 0, 9]}))
    with pytest.raises(DataError, match="camera_location disagree"):
        open_dataset("stanford", str(tmp_path), "train", *SIZE)[0]


def test_sunrgbd(tmp_path):
    layouts.write_sunrgbd(tmp_path)
    for split, count in (("train", 19), ("val", 1), ("test", 1)):
        found("sunrgbd", tmp_path, split, depth=1, metres=(1.5, 6), labels=("wall", "bag"),
              count=count)
    found("sunrgbd", tmp_path, "test", depth=1, metres=(1.5, 6), labels=("wall", "objects"),
          classes=13)


def test_sunrgbd_as_published(tmp_path):
    layouts.write_sunrgbd_official(tmp_path)
    sample = found("sunrgbd", tmp_path, "train", depth=1, metres=(1.5, 6),
                   labels=("wall", "bag"))
    assert sample.name == "sunrgbd/kv1/NYUdata/NYU0001" and sample.camera.fx == 30
    found("sunrgbd", tmp_path, "test", depth=1, metres=(1.5, 6), labels=("wall", "bag"))


def test_sunrgbd_as_published_takes_labels_of_a_folder(tmp_path):
    layouts.write_sunrgbd_official(tmp_path)
    own = open_dataset("sunrgbd", str(tmp_path), "train", *SIZE)
    height, width = read_rgb(own.files[0].image).shape[:2]
    floor = own.classes.names.index("floor")
    (tmp_path / "others").mkdir()
    for file in own.files:
        write_bytes(tmp_path / "others" / f"{file.image.stem}.png",
                    png_bytes(np.full((height, width), 1 + floor, np.uint8)))
    labelled = open_dataset("sunrgbd", str(tmp_path), "train", *SIZE,
                            labels=str(tmp_path / "others"))
    assert (labelled[0].labels == floor).all() and (own[0].labels != floor).any()
