import argparse
import json
from dataclasses import replace

import pytest
import yaml
from support import data_layouts as layouts
from support.own_images import CLASSES, write_own_images
from support.small_training import quiet, small_config

from scenecode.core.errors import ConfigError, DataError
from scenecode.core.strict_config import from_mapping
from scenecode.networks.classes import CAMVID_11, VOID
from scenecode.networks.evaluation import evaluate
from scenecode.networks.inference.checkpoint import load_checkpoint
from scenecode.networks.training.train import train
from scenecode.networks.training.training_data import (
    DataConfig,
    SetConfig,
    open_training_data,
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own").mkdir()
    return write_own_images(tmp_path / "own")


def small(**values) -> DataConfig:
    return DataConfig(**{"rooms": 0, "width": 80, "height": 60, **values})


def test_a_folder_brings_its_classes_and_its_held_out_images(folder):
    data, held_out = open_training_data(small(folder=str(folder)), 64, 64, 0)
    assert data.counts == (2,) and len(held_out) == 1
    assert data.classes.names == held_out.classes.names == ("wall", "door")
    assert data[0].camera.width == 80 and held_out[0].camera.width == 64


def test_rooms_learn_a_label_set_of_ones_own(tmp_path, folder):
    label_file = tmp_path / "few.yaml"
    label_file.write_text(yaml.safe_dump(CLASSES))
    data, held_out = open_training_data(
        small(folder=str(folder), classes=str(label_file), rooms=1, views_per_room=1), 64, 64, 0)
    assert data.counts == (2, 1) and data.classes.names == ("wall", "door")
    assert data.label_counts()[0] > 64  # walls of the room, in addition to those of the folder
    plain, _ = open_training_data(small(folder=str(folder), classes=str(label_file)), 64, 64, 0)
    assert data.label_counts()[0] > plain.label_counts()[0]
    assert data.label_counts()[1] == plain.label_counts()[1]  # rooms have no doors


def test_a_label_set_that_nothing_shares_is_refused(tmp_path, folder):
    label_file = tmp_path / "few.yaml"
    label_file.write_text("[{id: 0, name: tree, colour: [0, 99, 0]}]")
    with pytest.raises(DataError, match="none of the classes tree is in a data set"):
        open_training_data(small(folder=str(folder), classes=str(label_file)), 64, 64, 0)


def test_no_data_at_all_is_refused():
    with pytest.raises(ConfigError, match="name a folder or the folder of nyuv2, or ask for"):
        DataConfig(rooms=0)


def test_sets_of_several_kinds_learn_one_label_set(tmp_path):
    """Labels are those of CamVid, whatever each set calls its classes."""
    layouts.write_camvid(tmp_path / "camvid")
    layouts.write_cityscapes(tmp_path / "cityscapes")
    layouts.write_kitti_projected(tmp_path / "kitti")
    mapping = {"rooms": 0, "width": 40, "height": 20, "classes": 11, "sets": [
        {"data": name, "root": str(tmp_path / name), "count": 2 if name == "camvid" else None}
        for name in ("camvid", "cityscapes", "kitti")]}
    config = from_mapping(DataConfig, mapping)
    data, held_out = open_training_data(config, 40, 20, 0)
    assert data.counts == (2, 1, 3) and data.classes == held_out.classes == CAMVID_11
    assert held_out[0].name == "camvid/0001TP_000031"
    assert data[0].labels[5, [5, 30]].tolist() == data[1].labels[5, [5, 30]].tolist() == [3, 8]
    assert data[1].depth[5, 5] > 0 and (data[2].labels == VOID).all()
    other = replace(config, held_out=SetConfig(data="cityscapes", split="val",
                                               root=str(tmp_path / "cityscapes")))
    assert open_training_data(other, 40, 20, 0)[1][0].name.startswith("cityscapes/")


def test_an_unknown_number_of_classes_is_refused():
    with pytest.raises(ConfigError, match="no set of 12 classes; choose one of 11, 13, 19, 37, "):
        DataConfig(classes=12)


@pytest.mark.slow
def test_training_on_a_folder_ends_with_a_model_of_its_classes(tmp_path, folder, capsys):
    config = replace(small_config(epochs=1), data=small(folder=str(folder)))
    train(config, tmp_path / "out", device="cpu", console=quiet())
    record = json.loads((tmp_path / "out" / "log.jsonl").read_text())
    assert 0 <= record["val"]["zero_code"]["pixel_accuracy"] <= 1
    path = tmp_path / "out" / "model.safetensors"
    assert load_checkpoint(path).model.classes.names == ("wall", "door")
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    arguments = ["--data", "folder", "--root", str(folder), "--split", "val", "--json",
                 "--model", str(path), "--device", "cpu"]
    assert evaluate.main(parser.parse_args(arguments)) == 0
    found = json.loads(capsys.readouterr().out)
    # stored in half precision
    assert found["zero_code"]["abs_rel"] == pytest.approx(
        record["val"]["zero_code"]["abs_rel"], rel=1e-2)
