import pytest
import torch
from support.small_training import Walls, small_config

from scenecode.core.errors import CheckpointError
from scenecode.networks.evaluation.evaluate import evaluate
from scenecode.networks.families.scenecode.experiments import calibrate_scale
from scenecode.networks.families.scenecode.experiments.calibrate_scale import (
    TOLERANCE,
    calibrated,
    main,
    scaled_error,
)
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference.checkpoint import load_checkpoint, save_checkpoint


def overconfident() -> SceneCode:
    torch.manual_seed(0)
    model = SceneCode(small_config().model, Walls.classes).eval()
    torch.nn.init.constant_(model.scale_head.bias, -4.0)
    return model


def test_scales_become_true_and_answers_stay():
    model, data = overconfident(), Walls()
    assert scaled_error(model, data) > 3
    result = calibrated(model, data)
    assert scaled_error(result, data) == pytest.approx(1, abs=TOLERANCE)
    before, after = (evaluate(m, data).scores()["zero_code"] for m in (model, result))
    assert before == after


def test_a_network_without_error_has_no_true_scale(monkeypatch):
    monkeypatch.setattr(calibrate_scale, "scaled_error", lambda *_: 0.0)
    with pytest.raises(CheckpointError, match=r"\|error\| / b stays 0.00"):
        calibrated(overconfident(), Walls())


def test_command_writes_the_calibrated_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibrate_scale, "open_scored", lambda model, *_: (model, Walls()))
    save_checkpoint(tmp_path / "before.safetensors", overconfident(), {"epochs": 3})
    assert main([str(tmp_path / "before.safetensors"), "--out", str(tmp_path / "after.st")]) == 0
    after = load_checkpoint(tmp_path / "after.st")
    assert scaled_error(after.model, Walls()) == pytest.approx(1, abs=2 * TOLERANCE)
    assert after.facts == {"epochs": 3, "scale_calibrated_on": "nyuv2 val"}
    assert "-> 1.00" in capsys.readouterr().out
    assert main([str(tmp_path / "none.safetensors"), "--out", str(tmp_path / "x")]) == 1
    assert "none.safetensors" in capsys.readouterr().err
