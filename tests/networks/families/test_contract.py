"""What every family offers: it trains, is saved and loaded, scored, predicts and maps.

A new family joins by its entry in ``support.tiny_configs``.
"""

import json
from dataclasses import replace
from math import isfinite

import numpy as np
import pytest
import torch
from support.small_training import Walls, images, quiet
from support.tiny_configs import TINY_CONFIGS
from support.walks import Playback, small_config, walk

import scenecode.cli.networks.predict
import scenecode.networks.training.train
from scenecode.cli.main import main
from scenecode.core.images import image_to_uint8, write_rgb
from scenecode.networks.evaluation.evaluate import evaluate_model
from scenecode.networks.families.registry import FAMILIES
from scenecode.networks.inference.checkpoint import load_checkpoint
from scenecode.networks.inference.combined import load_front_end
from scenecode.networks.prediction import checked_prediction
from scenecode.networks.training.config import read_train_config
from scenecode.networks.training.train import train
from scenecode.slam.system import System

SIZE = 64
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=sorted(TINY_CONFIGS))
def checkpoint(request, tmp_path_factory):
    """A network of the family that overfitted four images."""
    tiny = TINY_CONFIGS[request.param]
    config = read_train_config({
        "model": {"architecture": request.param} | tiny["model"], "loss": tiny.get("loss", {}),
        "epochs": tiny.get("epochs", 2), "batch_size": 2, "rate": 1e-2, "encoder_rate": 1e-3,
        "warmup_steps": 1, "ema_decay": 0.0, "threads": 1, "workers": 0, "optimiser": "adam",
        "weight_decay": 0.0, "frozen_blocks": 14})
    out = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        # drawing takes longer than learning
        patch.setattr(scenecode.networks.training.train, "save_curves", lambda *_: None)
        return train(config, out, overfit=4, device="cpu", images=images(), console=quiet())


@pytest.fixture(scope="module")
def predictor(checkpoint):
    """The network, loaded and made ready for SLAM."""
    return load_front_end(checkpoint)


def test_every_family_takes_part():
    assert set(TINY_CONFIGS) == set(FAMILIES)


def test_it_learns_four_images_and_its_log_says_so(checkpoint):
    model = load_checkpoint(checkpoint).model
    answers = list(evaluate_model(model, Walls()).values())
    lines = (checkpoint.parent / "log.jsonl").read_text().splitlines()
    first, last = (json.loads(line)["train"]["loss"] for line in (lines[0], lines[-1]))
    assert last < first
    if model.predicts_labels:
        # of the halves the larger one is 56 % on average
        assert max(scores["pixel_accuracy"] for scores in answers) > 0.7
    else:
        assert all(scores["miou"] is scores["pixel_accuracy"] is None for scores in answers)
    if model.predicts_depth:
        assert min(scores["abs_rel"] for scores in answers) < 0.3
    for scores in answers:
        assert all(value is None or isfinite(value) for value in scores.values())


def test_its_depth_scales_with_the_focal_length_and_is_never_certain(predictor):
    sample = Walls()[0]
    prediction = checked_prediction(predictor, sample.image, sample.camera)
    longer = replace(sample.camera, fx=2 * sample.camera.fx, fy=2 * sample.camera.fy)
    torch.testing.assert_close(predictor.predict(sample.image, longer).depth(),
                               2 * prediction.depth(), rtol=1e-3, atol=1e-3)
    assert bool((prediction.prox_b > 0).all()) and bool(prediction.prox_b.isfinite().all())


def test_it_maps_a_room(predictor):
    frames = walk(1, 5, SIZE, SIZE)
    config = replace(small_config(), width=SIZE, height=SIZE)
    system = System(config, predictor)
    system.run(Playback(frames))
    poses = np.stack(system.recording.final(system.graph).T_world_cam)
    assert len(poses) == len(frames) and np.isfinite(poses).all()
    assert len(system.graph.keyframes) and system.output.snapshot.trajectory is not None


def test_its_files_of_a_picture(checkpoint, predictor, tmp_path, monkeypatch):
    monkeypatch.setattr(scenecode.cli.networks.predict, "load_front_end",
                        lambda *_, **__: predictor)
    write_rgb(tmp_path / "wall.png", image_to_uint8(Walls()[0].image))
    assert main(["predict", str(tmp_path / "wall.png"), "--model", str(checkpoint), "--device",
                 "cpu", "--out", str(tmp_path / "out"), "--intrinsics", "60,60,31.5,31.5"]) == 0
    model = load_checkpoint(checkpoint).model
    found = {path.name.partition(".")[2] for path in (tmp_path / "out").glob("wall.*")}
    assert found == {"overlay.jpg"} | ({"depth.png"} if model.predicts_depth else set()) \
        | ({"labels.png"} if model.predicts_labels else set())
