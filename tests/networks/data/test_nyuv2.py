"""NYUv2 in both forms, on small files written here; and on the real set where there is one."""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
import torch

from scenecode.core.errors import DataError
from scenecode.networks.classes import NYU13, VOID
from scenecode.networks.data.nyuv2 import FULL_CAMERA, NYUv2, held_out

#: a vertical edge of the written images, between columns EDGE - 1 and EDGE of 640
EDGE = 300
WALL_40, BED_40, OTHERPROP_40 = 1, 4, 40
#: steps of the 8-bit depth, left and right of the edge
NEAR, FAR = 50, 101


@dataclass(frozen=True)
class Scene:
    """One whole 640x480 image: bed on the left, wall on the right, void at the top."""

    image: np.ndarray
    steps: np.ndarray
    labels40: np.ndarray


def scene() -> Scene:
    image = np.full((480, 640, 3), 255, np.uint8)
    image[45:470, 40:600] = (30, 90, 150)
    image[45:470, EDGE:600] = (200, 140, 60)
    steps = np.full((240, 320), NEAR, np.uint8)
    steps[:, EDGE // 2:] = FAR
    labels = np.full((480, 640), BED_40, np.uint8)
    labels[:, EDGE:] = WALL_40
    labels[:100] = 0
    return Scene(image, steps, labels)


@pytest.fixture
def folder(tmp_path):
    s, root = scene(), tmp_path / "folder"
    for name in ("rgb", "depth8", "labels40"):
        (root / name).mkdir(parents=True)
    for number in (1, 2, 3, 5):
        cv2.imwrite(str(root / "rgb" / f"{number:04d}.jpg"), s.image[..., ::-1],
                    [cv2.IMWRITE_JPEG_QUALITY, 100])
        cv2.imwrite(str(root / "depth8" / f"{number:04d}.png"), s.steps)
        labels = s.labels40.copy()
        # only training images have pixels that are void or otherprop
        labels[300:, 500:] = OTHERPROP_40 if number == 5 else 255
        cv2.imwrite(str(root / "labels40" / f"{number:04d}.png"), labels)
    (root / "train.txt").write_text("0001\n0002\n0003\n")
    (root / "test.txt").write_text("0005\n")
    return root


@pytest.fixture
def official(tmp_path):
    """The same scene as MATLAB writes it: columns first, 894 classes, metres."""
    s, root = scene(), tmp_path / "official"
    root.mkdir()
    # of the 894 classes, 7 is a wall, 9 a bed, 11 otherprop, and nothing else is used
    to_40 = np.full(894, OTHERPROP_40, np.uint8)
    to_40[7 - 1], to_40[9 - 1] = WALL_40, BED_40
    labels = np.select([s.labels40 == WALL_40, s.labels40 == BED_40], [7, 9], 0)
    labels[300:, 500:] = 11
    depth = (np.kron(s.steps, np.ones((2, 2))) + 0.5) / 25.5
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w") as file:
        for key, value, kind in (("images", s.image.transpose(2, 1, 0), np.uint8),
                                 ("depths", depth.T, np.float32), ("labels", labels.T, np.uint16)):
            data = np.stack([value] * 3).astype(kind)
            file.create_dataset(key, data=data, chunks=(1, *value.shape), compression=1)
        file["depths"][1] = 0
    scipy.io.savemat(root / "splits.mat", {"trainNdxs": np.array([[1], [2]], np.uint16),
                                           "testNdxs": np.array([[3]], np.uint16)})
    scipy.io.savemat(root / "classMapping40.mat", {"mapClass": to_40[None]})
    return root


def check_scene(sample, bottom_right: int):
    assert sample.image.shape == (3, 192, 256) and sample.image.dtype == torch.float32
    assert sample.depth.dtype == torch.float32 and sample.labels.dtype == torch.uint8
    assert sample.image.max() < 0.85, "no white border is left inside the crop"
    left, right = sample.image[:, 96, 10], sample.image[:, 96, 200]
    torch.testing.assert_close(left, torch.tensor([30, 90, 150]) / 255, atol=0.02, rtol=0)
    torch.testing.assert_close(right, torch.tensor([200, 140, 60]) / 255, atol=0.02, rtol=0)
    assert sample.depth[96, 10] == pytest.approx((NEAR + 0.5) / 25.5)
    assert sample.depth[96, 200] == pytest.approx((FAR + 0.5) / 25.5)
    assert (sample.labels[:24] == VOID).all()
    assert NYU13.names[sample.labels[40, 10]] == "bed"
    assert NYU13.names[sample.labels[40, 200]] == "wall"
    assert sample.labels[180, 250] == bottom_right


def test_folder_form(folder):
    train, test = NYUv2(folder, "train"), NYUv2(folder, "test")
    assert (len(train), len(test)) == (3, 1) and test[0].name == "nyuv2/0005"
    check_scene(train[0], bottom_right=VOID)
    check_scene(test[0], bottom_right=NYU13.names.index("objects"))


@pytest.mark.slow
def test_official_form(official):
    train, test = NYUv2(official, "train"), NYUv2(official, "test")
    assert (len(train), len(test)) == (2, 1)
    check_scene(train[0], bottom_right=NYU13.names.index("objects"))
    check_scene(test[0], bottom_right=NYU13.names.index("objects"))
    assert (train[1].depth == 0).all(), "holes in the depth stay unknown"


def test_both_forms_agree(folder, official):
    a, b = NYUv2(folder, "test")[0], NYUv2(official, "test")[0]
    assert a.camera == b.camera and torch.equal(a.labels, b.labels)
    torch.testing.assert_close(a.depth, b.depth)
    # away from edges, where JPEG rings
    for columns in (slice(10, 110), slice(128, 246)):
        inside = (slice(None), slice(10, -10), columns)
        torch.testing.assert_close(a.image[inside], b.image[inside], atol=0.02, rtol=0)


@pytest.mark.parametrize("size", [(256, 192), (320, 240)])
def test_camera_is_cropped_and_resized_with_the_image(folder, size):
    sample = NYUv2(folder, "train", *size)[0]
    # where the whole image's camera sees the edge, the sample's camera must see it too
    x = (EDGE - 0.5 - FULL_CAMERA.cx) / FULL_CAMERA.fx
    edge = sample.camera.fx * x + sample.camera.cx
    columns = torch.arange(size[0])
    row = size[1] // 2
    assert torch.equal(sample.labels[row] == NYU13.names.index("wall"), columns > edge)
    assert torch.equal(sample.depth[row] > 3, columns > edge)
    brightness = sample.image[0, row]
    assert (brightness[columns < edge - 1] < 0.2).all()
    assert (brightness[columns > edge + 1] > 0.7).all()


def test_published_camera():
    camera = FULL_CAMERA.cropped(40, 45, 560, 425).resized(256, 192)
    assert (camera.fx, camera.fy) == (pytest.approx(237.19, abs=0.01),
                                      pytest.approx(234.68, abs=0.01))


def test_held_out_images_share_no_run_with_the_rest():
    # runs of 1 to 12 neighbours, a gap between each two
    numbers, n = [], 1
    for k in range(150):
        numbers += range(n, n + 1 + k * 7 % 12)
        n = numbers[-1] + 2
    val = held_out(numbers)
    assert len(val) == round(len(numbers) * 60 / 795)
    rest = set(numbers) - set(val)
    assert not any(v + 1 in rest or v - 1 in rest for v in val)
    quarters = np.histogram(val, 4, (numbers[0], numbers[-1]))[0]
    assert quarters.min() >= len(val) / 10, "spread over the whole set"
    assert val == held_out(numbers)


def test_errors_name_the_file_and_the_cure(folder):
    with pytest.raises(DataError, match="'dev' is unknown"):
        NYUv2(folder, "dev")
    with pytest.raises(DataError, match="no NYUv2 here"):
        NYUv2(folder / "rgb")
    (folder / "rgb" / "0001.jpg").write_bytes(b"\xff\xd8 cut short")
    (folder / "depth8" / "0002.png").unlink()
    cv2.imwrite(str(folder / "labels40" / "0003.png"), np.zeros((100, 100), np.uint8))
    images = NYUv2(folder, "train")
    for index, message in enumerate(("0001.jpg: cannot be decoded", "0002.png: no such file",
                                     "0003.png: is 100x100, must be 640x480")):
        with pytest.raises(DataError, match=message):
            images[index]
    (folder / "train.txt").write_text("0001\nbedroom\n")
    with pytest.raises(DataError, match="train.txt: every line must be an image number"):
        NYUv2(folder, "train")


def test_errors_of_the_official_form(official):
    mat = official / "nyu_depth_v2_labeled.mat"
    with h5py.File(mat, "a") as file:
        file.move("depths", "rawDepths")
    with pytest.raises(DataError, match="no variable 'depths'"):
        NYUv2(official, "train")[0]
    with h5py.File(mat, "a") as file:
        file["depths"] = np.zeros((3, 480, 640), np.float32)
    with pytest.raises(DataError, match=r"depths is \(3, 480, 640\), must be \(N, 640, 480\)"):
        NYUv2(official, "train")[0]
    mat.write_bytes(mat.read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be read as HDF5"):
        NYUv2(official, "train")[0]
    (official / "splits.mat").write_bytes(b"nothing")
    with pytest.raises(DataError, match="splits.mat: cannot be read"):
        NYUv2(official, "train")
    (official / "classMapping40.mat").unlink()
    with pytest.raises(DataError, match="classMapping40.mat: no such file"):
        NYUv2(official, "train")


@pytest.fixture
def real():
    root = os.environ.get("SCENECODE_DATA")
    if not root or not (Path(root) / "nyuv2").is_dir():
        pytest.skip("NYUv2 is third-party data: set SCENECODE_DATA to a folder that has nyuv2/")
    return Path(root) / "nyuv2"


def test_real_set_has_its_published_counts(real):
    counts = {split: len(NYUv2(real, split)) for split in ("train", "test", "trainfit", "val")}
    assert counts == {"train": 795, "test": 654, "trainfit": 735, "val": 60}
    sample = NYUv2(real, "test")[100]
    assert 0.3 < sample.depth[sample.depth > 0].min() and sample.depth.max() < 10.1
    assert set(sample.labels.unique().tolist()) <= {*range(13), VOID}
    mapping = scipy.io.loadmat(real / "class13Mapping.mat")["classMapping13"][0, 0]
    names = [str(n[0]) for n in mapping["classNames"].ravel()]
    assert tuple(names) == NYU13.names
