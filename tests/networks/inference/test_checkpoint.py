import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from scenecode.core import shipped
from scenecode.core.errors import CheckpointError, ResultError
from scenecode.networks.classes import NYU13
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference import checkpoint
from scenecode.networks.inference.checkpoint import (
    find_weights,
    load_checkpoint,
    load_predictor,
    save_checkpoint,
)
from scenecode.optim.geometry.camera import PinholeCamera

CONFIG = SceneCodeConfig(width=64, height=64, depth_code=3, semantic_code=2, canonical_focal=60.0,
                     decoder_channels=(8, 8, 8, 8), recognition_channels=(4, 4))
CAMERA = PinholeCamera(60.0, 60.0, 31.5, 31.5, 64, 64)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return SceneCode(CONFIG, NYU13).eval()


@pytest.fixture
def saved(model, tmp_path):
    save_checkpoint(tmp_path / "m.safetensors", model, {"epochs": 3})
    return tmp_path / "m.safetensors"


def rewrite(path, tensors=None, **metadata):
    """The same file with other tensors or metadata."""
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    save_file(tensors or load_file(path), path, facts | metadata)


def test_round_trip_keeps_predictions_classes_and_facts(model, saved):
    loaded = load_checkpoint(saved)
    assert loaded.facts == {"epochs": 3} and loaded.model.config == CONFIG
    assert loaded.model.classes == NYU13
    image = torch.rand(3, 64, 64)
    torch.testing.assert_close(loaded.model.predict(image, CAMERA).prox_zero,
                               model.predict(image, CAMERA).prox_zero)


@pytest.mark.slow
def test_half_precision_halves_the_file_and_hardly_moves_predictions(model, saved, tmp_path):
    save_checkpoint(tmp_path / "h.safetensors", model, {}, half=True)
    assert (tmp_path / "h.safetensors").stat().st_size < 0.6 * saved.stat().st_size
    image = torch.rand(3, 64, 64)
    half = load_predictor(tmp_path / "h.safetensors").predict(image, CAMERA)
    full = model.predict(image, CAMERA)
    torch.testing.assert_close(half.prox_zero, full.prox_zero, atol=5e-3, rtol=0)
    assert half.prox_zero.dtype == torch.float32


def test_missing_file_and_name_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="gone.safetensors: no such checkpoint"):
        load_checkpoint(tmp_path / "gone.safetensors")
    with pytest.raises(CheckpointError, match="nobody: no such weights; give a .safetensors"):
        load_predictor("nobody")


def test_shipped_weights_are_found_by_name(saved, monkeypatch):
    monkeypatch.setattr(shipped, "WEIGHTS", saved.parent)
    assert find_weights("m") == saved
    monkeypatch.setattr(checkpoint, "DEFAULT_WEIGHTS", "m")
    assert find_weights() == saved


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.99])
def test_truncated_file_is_named(saved, kept):
    data = saved.read_bytes()
    saved.write_bytes(data[:int(len(data) * kept)])
    with pytest.raises(CheckpointError, match="truncated or not a safetensors"):
        load_checkpoint(saved)


def test_foreign_safetensors_are_refused(tmp_path):
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="not a scenecode checkpoint"):
        load_checkpoint(tmp_path / "x.safetensors")


def test_tensors_must_fit_the_configuration(saved):
    tensors = load_file(saved)
    fewer = {k: v for k, v in tensors.items() if k != "depth_head.code_map.weight"}
    rewrite(saved, fewer)
    with pytest.raises(CheckpointError, match="1 missing, first 'depth_head.code_map.weight'"):
        load_checkpoint(saved)
    rewrite(saved, tensors | {"surplus": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="1 unknown, first 'surplus'"):
        load_checkpoint(saved)
    rewrite(saved, tensors | {"depth_head.code_map.weight": torch.zeros(8, 9, 1, 1)})
    with pytest.raises(CheckpointError, match=r"is \(8, 9, 1, 1\), its configuration needs"):
        load_checkpoint(saved)


@pytest.mark.slow
@pytest.mark.parametrize("metadata", [
    {"model": "{"}, {"model": json.dumps({"colour": 1})}, {"model": json.dumps({"width": 65})},
    {"model": "3"}, {"model": json.dumps({"architecture": ["scenecode"]})},
    {"classes": "[]"}, {"classes": json.dumps([{"id": 3, "name": "x", "colour": [0, 0, 0]}])}])
def test_an_unusable_description_is_refused(saved, metadata):
    rewrite(saved, **metadata)
    with pytest.raises(CheckpointError, match="its description cannot be used"):
        load_checkpoint(saved)


def test_an_unknown_architecture_is_named_with_the_known_ones(saved):
    rewrite(saved, model=json.dumps({"architecture": "other"}))
    with pytest.raises(CheckpointError, match="'other' is unknown; known: scenecode"):
        load_checkpoint(saved)


def test_a_checkpoint_that_cannot_be_written_is_named(model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(ResultError, match="m.safetensors: No space left.*free space"):
        save_checkpoint(tmp_path / "m.safetensors", model, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_nonlinear_decoder_loads_but_is_no_predictor(tmp_path):
    config = SceneCodeConfig(width=64, height=64, depth_code=4, semantic_code=4,
                         decoder="nonlinear", decoder_channels=(8, 8, 8, 8))
    path = tmp_path / "bent.safetensors"
    save_checkpoint(path, SceneCode(config, NYU13), {})
    assert load_checkpoint(path).model.config.decoder == "nonlinear"
    with pytest.raises(CheckpointError, match="bent.safetensors: .*decoder: linear"):
        load_predictor(path)
