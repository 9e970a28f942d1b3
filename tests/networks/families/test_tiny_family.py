"""A family that the product does not know goes the whole way: training, checkpoint, scores,
pictures, prediction, SLAM; everything through public functions."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.small_training import quiet
from support.tiny_family import ENTRY, TinyConfig, TinyLossConfig, TinyNetwork
from support.walks import SMALL, Playback, small_config

import scenecode.networks.evaluation.scored_data
from scenecode.cli.main import main
from scenecode.core.errors import CheckpointError, ConfigError
from scenecode.core.strict_config import override, to_mapping
from scenecode.networks.classes import NYU13
from scenecode.networks.data.mixed import MixedImages
from scenecode.networks.families.registry import FAMILIES
from scenecode.networks.inference.checkpoint import (
    load_checkpoint,
    load_predictor,
    save_checkpoint,
)
from scenecode.networks.sample import Sample
from scenecode.networks.training.average import average
from scenecode.networks.training.config import TrainConfig, read_train_config
from scenecode.networks.training.train import train
from scenecode.slam.system import System

WIDTH, HEIGHT = SMALL
MODEL = {"architecture": "tiny", "width": WIDTH, "height": HEIGHT, "canonical_focal": 118.0}


@pytest.fixture(autouse=True, scope="module")
def _registered():
    with pytest.MonkeyPatch.context() as patch:
        for name, entry in ENTRY.items():
            patch.setitem(FAMILIES, name, entry)
        yield


class Frames:
    """Frames of a walk as labelled images."""

    classes = NYU13

    def __init__(self, frames):
        self._frames = frames

    def __len__(self):
        return len(self._frames)

    def __getitem__(self, index):
        frame = self._frames[index]
        return Sample(image=frame.image, depth=frame.truth.depth, labels=frame.truth.labels,
                      camera=frame.camera)


@pytest.fixture(scope="module")
def trained(small_walk, tmp_path_factory):
    """Folder of a run of a few steps on a walk, and the images that it was validated on."""
    out = tmp_path_factory.mktemp("tiny")
    config = read_train_config({
        "model": MODEL, "loss": {"labels": 0.5}, "epochs": 2, "batch_size": 4, "rate": 1e-2,
        "warmup_steps": 1, "ema_decay": 0.5, "threads": 1, "workers": 0})
    held_out = Frames(small_walk[4:60:20])
    images = MixedImages([Frames(small_walk[::8])], [80]), held_out
    train(config, out, device="cpu", images=images, console=quiet())
    return out, held_out


@pytest.mark.slow
def test_it_learns_and_its_run_is_recorded(trained):
    out, _ = trained
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert lines[1]["train"]["loss"] < lines[0]["train"]["loss"]
    assert set(lines[1]["train"]) == {"loss", "depth", "labels"}
    assert list(lines[1]["val"]) == ["network"]
    assert (out / "curves.png").exists() and (out / "samples.png").exists()


def test_its_checkpoint_names_it_and_loads(trained):
    checkpoint = load_checkpoint(trained[0] / "model.safetensors")
    assert isinstance(checkpoint.model, TinyNetwork)
    assert checkpoint.model.config == TinyConfig(width=WIDTH, height=HEIGHT, canonical_focal=118.0)
    mean = average([checkpoint, load_checkpoint(trained[0] / "model.safetensors")])
    assert mean.facts["averaged"] == 2


def test_it_is_evaluated_by_the_command(trained, tmp_path, capsys, monkeypatch):
    out, held_out = trained
    monkeypatch.setattr(scenecode.networks.evaluation.scored_data, "open_dataset",
                        lambda *_: held_out)
    command = ["evaluate", "model", "--model", str(out / "model.safetensors"), "--device", "cpu"]
    assert main([*command, "--json", "--pictures", str(tmp_path / "page")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result) == ["network", "classes", "calibration"]
    assert result["network"]["miou"] > 0 and result["network"]["abs_rel"] < 1
    assert set(result["calibration"]["network"]) == {"depth", "probabilities"}
    page = (tmp_path / "page" / "index.html").read_text()
    assert re.findall(r'<img src="([^"]+)"', page) == ["predictions.png", "reliability.png"]
    assert main(command) == 0
    assert "accuracy, network" in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_its_speed_is_measured(trained, capsys):
    assert main(["bench", "network", "--model", str(trained[0] / "model.safetensors"), "--json",
                 "--runs", "1", "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out)["float32"]["ms_with_jacobians"] > 0


def test_it_predicts_without_codes_the_same_as_in_training(trained, small_walk):
    frame = small_walk[0]
    path = trained[0] / "model.safetensors"
    ready, plain = load_predictor(path), load_checkpoint(path).model
    prediction = ready.predict(frame.image, frame.camera)
    assert (prediction.depth_code_size, prediction.semantic_code_size) == (0, 0)
    assert bool((prediction.prox_b > 0).all())
    torch.testing.assert_close(prediction.prox_zero,
                               plain.predict(frame.image, frame.camera).prox_zero,
                               rtol=1e-4, atol=1e-5)
    longer = replace(frame.camera, fx=2 * frame.camera.fx, fy=2 * frame.camera.fy)
    torch.testing.assert_close(ready.predict(frame.image, longer).depth(),
                               2 * prediction.depth())


@pytest.mark.slow
def test_slam_runs_with_it(trained, small_walk):
    predictor = load_predictor(trained[0] / "model.safetensors")
    system = System(small_config(), predictor)
    system.run(Playback(small_walk[:12]))
    poses = np.stack(system.recording.final(system.graph).T_world_cam)
    assert len(poses) >= 8 and np.isfinite(poses).all()
    assert {k.prediction.depth_code_size for k in system.graph.keyframes.values()} == {3}
    assert len(system.output.snapshot.cloud.points) > 100


def test_its_weights_may_start_another_run(trained):
    def config(**changes):
        return read_train_config({
            "model": MODEL | changes, "start_from": str(trained[0] / "model.safetensors"),
            "batch_size": 2})

    from scenecode.networks.training.trainer import Trainer
    images = MixedImages([trained[1]])
    begun = Trainer(config(), images, False, torch.device("cpu")).model
    earlier = load_checkpoint(trained[0] / "model.safetensors").model.state_dict()
    assert all(torch.equal(value, earlier[name]) for name, value in begun.state_dict().items())
    with pytest.raises(ConfigError, match="is another model"):
        Trainer(config(channels=4), images, False, torch.device("cpu"))
    for key in ({"frozen_blocks": 2}, {"pretrained": "resnet18.pth"}):
        with pytest.raises(ConfigError, match=f"{next(iter(key))}: .*have no backbone"):
            Trainer(replace(config(), start_from=None, **key), images, False,
                    torch.device("cpu"))


def test_training_configurations_have_the_keys_of_their_family():
    config = read_train_config({"model": MODEL, "loss": {"labels": 0.5}})
    assert config.loss == TinyLossConfig(labels=0.5)
    assert read_train_config(to_mapping(config)) == config
    assert override(config, "model.channels=4").model.channels == 4
    with pytest.raises(ConfigError, match="x.yaml: unknown key 'loss.depth_kl'"):
        read_train_config({"model": MODEL, "loss": {"depth_kl": 1.0}}, "x.yaml")
    with pytest.raises(ConfigError, match="x.yaml: architecture 'nets' is unknown; known: "):
        read_train_config({"model": {"architecture": "nets"}}, "x.yaml")
    with pytest.raises(ConfigError, match="must be the TinyLossConfig"):
        TrainConfig(model=TinyConfig())
    assert read_train_config({}).model.architecture == "scenecode"


def test_without_its_entry_the_error_names_the_family(tmp_path, monkeypatch):
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, TinyNetwork(TinyConfig(), NYU13), {})
    monkeypatch.delitem(FAMILIES, "tiny")
    with pytest.raises(CheckpointError, match="'tiny' is unknown; known: scenecode"):
        load_checkpoint(path)
