import cv2
import numpy as np
import pytest
import torch
from support.own_images import HEIGHT, WIDTH, write_own_images

from scenecode.core.errors import DataError
from scenecode.networks.classes import NYU13, VOID
from scenecode.networks.data.datasets import open_dataset
from scenecode.networks.data.folder import FolderImages


@pytest.fixture
def root(tmp_path):
    return write_own_images(tmp_path)


def test_a_sample_is_what_the_files_say(root):
    data = FolderImages(root, "train", WIDTH, HEIGHT)
    assert len(data) == 2 and data.classes.names == ("wall", "door")
    sample = data[0]
    assert sample.image[:, 5, 10].tolist() == [1, 0, 0]
    assert sample.image[:, 5, 60].tolist() == [0, 0, 1]
    assert (sample.depth[5, 10], sample.depth[5, 60]) == (1.5, 3.0)
    assert sample.labels[5, [0, 1, 10, 60]].tolist() == [VOID, VOID, 0, 1]
    assert sample.labels.dtype == torch.uint8 and sample.name.endswith("/a")


def test_the_camera_follows_the_central_crop_and_the_size(root):
    """80x40 to 4:3 keeps the middle 53x40; at 32x24 the focal length is about 60 * 24 / 40."""
    sample = FolderImages(root, "val", 32, 24)[0]
    assert sample.image.shape == (3, 24, 32) and sample.depth.shape == (24, 32)
    camera = sample.camera
    assert camera.fy == pytest.approx(36) and camera.fx == pytest.approx(60 * 32 / 53)
    # the edge between the halves, at u = 39.5 of the original, stays at the principal point
    edge = int((sample.depth[12] < 2).sum()) - 0.5
    assert camera.cx == pytest.approx(edge, abs=0.5)


def test_without_a_label_file_the_classes_are_those_of_nyu(root):
    (root / "classes.yaml").unlink()
    assert FolderImages(root).classes == NYU13


def test_evaluation_opens_it_by_name(root):
    assert len(open_dataset("folder", str(root), "val", 32, 24)) == 1
    with pytest.raises(DataError, match="test.txt: no such list.*another split"):
        open_dataset("folder", str(root), "test", 32, 24)


@pytest.mark.parametrize("file, text", [
    ("camera.json", '{"fx": 60, "fy": 60, "cx": 39.5, "cy": 19.5, "width": 80, "height": 40, '
     '"depth_unit": 0.01}'),
    ("camera.txt", "60 60 39.5 19.5 80 40\ndepth_unit 0.01\n")])
def test_a_folder_states_its_unit_of_depth(root, file, text):
    """Millimetres end at 65.5 m."""
    (root / "camera.txt").unlink()
    (root / file).write_text(text)
    sample = FolderImages(root, "train", WIDTH, HEIGHT)[0]
    assert (sample.depth[5, 10], sample.depth[5, 60]) == (15, 30) and sample.camera.fx == 60


def write(root, path, values):
    cv2.imwrite(str(root / path), values)


@pytest.mark.parametrize("damage, message", [
    (lambda r: (r / "rgb" / "a.png").unlink(), "rgb/a.jpg: no such file"),
    (lambda r: (r / "depth" / "a.png").unlink(), "depth/a.png: no such file"),
    (lambda r: (r / "labels" / "a.png").write_bytes(b"?"), "labels/a.png: cannot be decoded"),
    (lambda r: write(r, "depth/a.png", np.ones((HEIGHT, WIDTH), np.uint8)),
     "depth/a.png: has 8 bits; depth must be a 16-bit PNG in millimetres"),
    (lambda r: write(r, "labels/a.png", np.ones((HEIGHT, WIDTH, 3), np.uint8)),
     "labels/a.png: expected one channel"),
    (lambda r: write(r, "labels/a.png", np.full((HEIGHT, WIDTH), 2, np.uint8)),
     "labels/a.png: holds the id 2, but the label set has ids 0 to 1; use 255"),
    (lambda r: write(r, "rgb/a.png", np.ones((20, 30, 3), np.uint8)),
     "rgb/a.png: is 30x20, camera.txt says 80x40"),
])
def test_an_image_that_breaks_the_layout_is_named(root, damage, message):
    damage(root)
    with pytest.raises(DataError, match=message):
        FolderImages(root)[0]


@pytest.mark.parametrize("file, text, message", [
    ("camera.txt", None, "camera.txt: cannot be read.*write one line 'fx fy cx cy width height'"),
    ("camera.txt", "60 60 39.5 19.5", "camera.txt: .*write one line"),
    ("camera.txt", "60 60 x 19.5 80 40", "camera.txt: .*'x'; write one line"),
    ("camera.txt", "60 60 39.5 19.5 80.5 40", "camera.txt: .*whole numbers"),
    ("camera.txt", "0.1 60 39.5 19.5 80 40", "camera.txt: focal length"),
    ("train.txt", None, "train.txt: no such list; write one NAME a line"),
    ("train.txt", "\n \n", "train.txt: names no images"),
    ("classes.yaml", "3", "classes.yaml: must be a list"),
])
def test_a_file_that_breaks_the_layout_is_named(root, file, text, message):
    (root / file).unlink() if text is None else (root / file).write_text(text)
    with pytest.raises(DataError, match=message):
        FolderImages(root)


def test_a_folder_of_something_else_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no folder 'rgb'; expected rgb/, depth/, labels/"):
        FolderImages(tmp_path)
