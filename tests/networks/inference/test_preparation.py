import copy

import pytest
import torch
from torch import nn

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13
from scenecode.networks.data.datasets import open_dataset
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference import precision as inference
from scenecode.networks.inference.checkpoint import (
    load_checkpoint,
    load_predictor,
    save_checkpoint,
)
from scenecode.networks.inference.precision import choose_dtype
from scenecode.networks.inference.preparation import (
    BFLOAT16_JACOBIAN,
    BFLOAT16_PROBABILITY,
    BFLOAT16_PROXIMITY,
    fold_batch_norm,
    make_ready,
)
from scenecode.optim.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 31.5, 64, 64)
CPU = torch.device("cpu")


def trained_model(**changes) -> SceneCode:
    """Random weights, and batch norm as if it had seen data."""
    torch.manual_seed(0)
    values = dict(width=64, height=64, depth_code=3, semantic_code=2, canonical_focal=60.0,
                  decoder_channels=(8, 8, 8, 8), recognition_channels=(4, 4)) | changes
    model = SceneCode(SceneCodeConfig(**values), NYU13)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model.eval().to(memory_format=torch.channels_last)


def batch_norms(model) -> list:
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [
    {"backbone": "mobilenetv2"}, {"backbone": "mobilenetv2", "padding": "keras"},
    {"backbone": "efficientnet_lite1", "padding": "keras"},
    {"backbone": "resnet18"}, {"backbone": "resnet50"}], ids=lambda s: "-".join(s.values()))
def test_ready_predicts_the_same(shape):
    """By ONNX Runtime, and by torch without it."""
    model = trained_model(**shape)
    ready = make_ready(copy.deepcopy(model))
    assert batch_norms(model) and not batch_norms(ready)
    image, depth = torch.rand(3, 64, 64), 1 + torch.rand(64, 64)
    labels = torch.randint(0, 13, (64, 64), dtype=torch.uint8)
    expected, codes = model.predict(image, CAMERA), model.encode(image, depth, labels, CAMERA)
    assert expected.logits_zero.abs().max() > 0.01  # the maps are not all nothing
    assert ready.runtime is not None
    for runtime in (ready.runtime, None):
        ready.runtime = runtime
        got = ready.predict(image, CAMERA)
        for name in ("prox_zero", "prox_J_code", "prox_b", "logits_zero", "logits_J_code"):
            torch.testing.assert_close(getattr(got, name), getattr(expected, name),
                                       atol=1e-5, rtol=1e-4)
        for code, other in zip(ready.encode(image, depth, labels, CAMERA), codes):
            torch.testing.assert_close(code, other, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_the_runtime_follows_a_changed_number_of_threads():
    ready = make_ready(trained_model())
    image, before = torch.rand(3, 64, 64), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = ready.features_of(image)
        torch.set_num_threads(2)
        together = ready.features_of(image)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(alone.logits_zero, together.logits_zero, atol=1e-5, rtol=1e-4)


def test_bfloat16_is_not_left_to_the_float32_runtime():
    assert make_ready(trained_model(), torch.bfloat16).runtime is None


@pytest.mark.slow
def test_only_the_predictor_is_folded_and_it_keeps_channels_last(tmp_path):
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, trained_model(), {})
    assert batch_norms(load_checkpoint(path).model)
    ready = load_predictor(path)
    kernels = [p for p in ready.backbone.parameters() if p.ndim == 4]
    assert kernels and not batch_norms(ready)
    assert all(k.is_contiguous(memory_format=torch.channels_last) for k in kernels)
    assert not any(p.requires_grad for p in ready.parameters())


def test_a_norm_without_its_convolution_is_refused():
    with pytest.raises(ValueError, match="'1' does not follow"):
        fold_batch_norm(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))


@pytest.mark.slow
def test_bfloat16_stays_within_the_stated_tolerance_with_the_shipped_weights():
    sample = open_dataset("rooms", "", "test", 256, 192)[0]
    expected = load_predictor().predict(sample.image, sample.camera)
    got = load_predictor(precision="bfloat16").predict(sample.image, sample.camera)
    assert got.prox_zero.dtype == got.logits_J_code.dtype == torch.float32

    def difference(name):
        return (getattr(got, name) - getattr(expected, name)).abs().mean()

    assert 0 < difference("prox_zero") < BFLOAT16_PROXIMITY
    moved = (got.logits_zero.softmax(0) - expected.logits_zero.softmax(0)).abs().sum(0) / 2
    assert 0 < moved.mean() < BFLOAT16_PROBABILITY
    for name in ("prox_J_code", "logits_J_code"):
        part = difference(name) / getattr(expected, name).abs().mean()
        assert part < BFLOAT16_JACOBIAN


@pytest.mark.parametrize("native, dtype", [(True, torch.bfloat16), (False, torch.float32)])
def test_automatic_precision_follows_the_device(monkeypatch, native, dtype):
    monkeypatch.setattr(inference, "has_bfloat16", lambda device: native)
    assert choose_dtype("auto", CPU) == dtype
    assert choose_dtype("float32", CPU) == torch.float32
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    with pytest.raises(ConfigError, match="use auto, float32 or bfloat16"):
        choose_dtype("half", CPU)


@pytest.mark.slow
def test_a_loaded_predictor_has_already_run(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, trained_model(), {})
    images = []
    predict = SceneCode.predict
    monkeypatch.setattr(SceneCode, "predict", lambda self, image, camera: (
        images.append(image), predict(self, image, camera))[1])
    assert not batch_norms(load_predictor(path))
    assert [image.shape for image in images] == [(3, 64, 64)]
