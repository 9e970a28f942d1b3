"""``scenecode predict`` and ``scenecode models``."""

import json

import cv2
import numpy as np
import pytest
import torch

from scenecode.cli.main import main
from scenecode.core.images import read_map, read_rgb, write_rgb
from scenecode.networks.classes import NYU13, UNLABELLED
from scenecode.networks.inference.checkpoint import describe, find_weights, load_predictor
from scenecode.networks.inference.combined import Combined, load_front_end
from scenecode.networks.inference.whole_image import predict_whole, windows
from scenecode.networks.prediction import Prediction
from scenecode.optim.geometry.camera import PinholeCamera


class Flat:
    """Depth is the red channel times 10 m at a focal length of 60; the brighter of green and
    blue tells the class."""

    classes, width, height = NYU13, 64, 48

    def predict(self, image, camera):
        depth = (image[0] * 10).clamp(min=0.1) * camera.focal / 60
        logits = torch.full((13, *depth.shape), -9.0)
        logits[:2] = image[1:] * 20
        return Prediction.without_codes(depth, 0.2 * depth, logits, NYU13)


def picture(width, height):
    """Depth rises along the image, and the class changes in its middle."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(60, 200, width)
    rgb[:, :width // 2, 1] = rgb[:, width // 2:, 2] = 255
    return rgb


@pytest.mark.parametrize("size", [(64, 48), (320, 60), (50, 200), (1500, 1500)])
def test_every_part_of_an_image_of_any_shape_is_predicted(size):
    width, height = size
    covered = np.zeros((height, width), int)
    for left, top, w, h in windows(width, height, 64 / 48):
        covered[top:top + h, left:left + w] += 1
        assert w / h == pytest.approx(64 / 48, rel=0.06)
    assert covered.min() >= 1
    rgb = picture(width, height)
    camera = PinholeCamera(max(size), max(size), width / 2, height / 2, width, height)
    found = predict_whole(Flat(), rgb, camera)
    assert found.depth.shape == found.labels.shape == (height, width)
    # a window that is a part of the image shows the same focal length on fewer pixels
    box = next(windows(width, height, 64 / 48))
    truth = rgb[..., 0] / 25.5 * max(size) * (64 / box[2] + 48 / box[3]) / 2 / 60
    inside = np.s_[:, width // 20:-(width // 20)]
    assert np.abs(found.depth / truth - 1)[inside].max() < 0.1
    assert (found.labels == rgb[..., 2] // 255).mean() > 0.95


@pytest.mark.slow
def test_files_of_a_folder_and_of_a_video(tiny_weights, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in"
    folder.mkdir()
    write_rgb(folder / "a.jpg", picture(80, 64))
    (folder / "b.png").write_bytes(b"no image")
    command = ["predict", "in", "--out", "out", "--model", str(tiny_weights), "--device", "cpu"]
    assert main([*command, "--intrinsics", "70,70,40,32", "--crf"]) == 0
    assert "1 image in out" in capsys.readouterr().out
    out = tmp_path / "out"
    depth, labels = read_map(out / "a.depth.png"), read_map(out / "a.labels.png")
    assert depth.dtype == np.uint16 and depth.shape == labels.shape == (64, 80)
    assert labels.max() < 13 and read_rgb(out / "a.overlay.jpg").shape == (64, 80, 3)
    stated = json.loads((out / "camera.json").read_text())
    assert stated["depth_unit_m"] == 0.001 and stated["images"]["a"]["fx"] == 70
    assert 0.05 < np.median(depth) * stated["depth_unit_m"] < 50
    video = cv2.VideoWriter("v.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (80, 64))
    for _ in range(3):
        video.write(picture(80, 64)[..., ::-1])
    video.release()
    command[1] = "v.avi"
    assert main([*command, "--max-frames", "2"]) == 0
    assert sorted(p.name for p in out.glob("v_*.png")) == [
        f"v_{i:06d}.{kind}.png" for i in range(2) for kind in ("depth", "labels")]
    assert cv2.VideoCapture(str(out / "v.overlay.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 2


@pytest.mark.parametrize("path, message", [("none.jpg", "no such file"), ("bad", "can be read")])
def test_what_cannot_be_predicted_is_told(path, message, tiny_weights, tmp_path, capsys,
                                          monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"")
    assert main(["predict", path, "--out", "out", "--model", str(tiny_weights)]) == 1
    assert message in capsys.readouterr().err


def test_all_shipped_networks_are_listed(capsys):
    assert main(["models", "--json"]) == 0
    models = {model["name"]: model for model in json.loads(capsys.readouterr().out)}
    assert {"scenecode_lite1", "scenecode_mobilenetv2"} <= set(models)
    lite = models["scenecode_lite1"]
    assert (lite["family"], lite["classes"], lite["depth_range"]) == ("scenecode", 13, [0.25, 32])
    assert lite["bytes"] == find_weights("scenecode_lite1").stat().st_size
    assert 8e6 < lite["parameters"] < 10e6


@pytest.mark.slow
def test_depth_of_one_network_and_labels_of_another(tiny_weights, tmp_path):
    model = load_predictor(tiny_weights)
    image, camera = torch.rand(3, 48, 64), PinholeCamera(60, 60, 31.5, 23.5, 64, 48)
    both = Combined(Flat(), model).predict(image, camera)
    assert torch.equal(both.prox_zero, Flat().predict(image, camera).prox_zero)
    assert both.semantic_code_size == 4 and both.depth_code_size == 0
    alone = Combined(Flat(), None)
    assert alone.classes == UNLABELLED and alone.predict(image, camera).logits_zero.shape[0] == 1
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(tiny_weights.read_bytes())
    loaded = load_front_end(f"{tiny_weights}+{copy}")
    assert isinstance(loaded, Combined) and loaded.classes == describe(copy).classes


def test_profile_counts_what_a_network_computes(capsys):
    assert main(["models", "--profile", "hybridnet_a2_vgg16", "twins_nyuv2", "--runs", "0",
                 "--json"]) == 0
    full, small = json.loads(capsys.readouterr().out)
    assert (full["family"], small["family"]) == ("hybridnet", "twins")
    # VGG-16's convolutions have 14.7 million values, and every tile of 321 pixels is computed
    assert full["parameters"] > 14.7e6 and full["ms"] is None
    assert full["flops"] > 100 * small["flops"] > 1e9


@pytest.mark.slow
def test_what_cannot_map_is_not_timed_and_does_not_keep_others_from_it(capsys):
    assert main(["models", "--profile", "code_8_nonlinear", "twins_nyuv2", "--runs", "1",
                 "--json"]) == 0
    refused, timed = json.loads(capsys.readouterr().out)
    assert refused["ms"] is None and refused["flops"] > 1e8 and timed["ms"] > 0
