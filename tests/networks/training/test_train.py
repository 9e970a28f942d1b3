import json
import shutil
import signal
from dataclasses import replace

import pytest
import torch
from support.small_training import Walls, images, quiet, small_config

from scenecode.core.errors import CheckpointError, ConfigError, ScenecodeError
from scenecode.core.shipped import CONFIGS
from scenecode.core.strict_config import load_yaml
from scenecode.networks.classes import NYU13
from scenecode.networks.data.augment import AugmentConfig
from scenecode.networks.evaluation.evaluate import SCORES, evaluate_model
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.families.scenecode.objective import SceneCodeLossConfig
from scenecode.networks.inference.checkpoint import (
    load_checkpoint,
    load_predictor,
    save_checkpoint,
)
from scenecode.networks.layers.backbones import make_backbone
from scenecode.networks.training.config import TrainConfig, read_train_config
from scenecode.networks.training.train import train
from scenecode.networks.training.trainer import Trainer, TrainingError

SHIPPED = CONFIGS / "train"


def run(config, out, **options):
    return train(config, out, device="cpu", console=quiet(), **{"images": images()} | options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of one epoch."""
    folder = tmp_path_factory.mktemp("finished")
    run(small_config(epochs=1), folder)
    return folder


@pytest.mark.slow
def test_overfitting_a_few_images_lowers_the_loss_a_lot(tmp_path):
    config = small_config(epochs=4, rate=1e-2, loss=SceneCodeLossConfig(pixel_step=1))
    run(config, tmp_path, overfit=2)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    first, last = lines[0]["train"], lines[-1]["train"]
    assert last["semantic_zero"] < 0.2 * first["semantic_zero"]
    assert last["depth_zero"] < 0.5 * first["depth_zero"]
    assert lines[-1]["val"]["zero_code"]["pixel_accuracy"] > 0.9
    assert (tmp_path / "samples.png").stat().st_size > 1000


@pytest.mark.slow
def test_resumed_training_equals_uninterrupted_training(tmp_path, monkeypatch):
    """Stopped by Ctrl-C in the middle of an epoch, and resumed."""
    config = small_config()
    run(config, tmp_path / "whole")
    step, seen = Trainer.training_step, []

    def interrupted_step(self, batch):
        seen.append(self.step)
        if len(seen) == 4:
            signal.raise_signal(signal.SIGINT)
        return step(self, batch)

    monkeypatch.setattr(Trainer, "training_step", interrupted_step)
    run(config, tmp_path / "parts")
    assert seen == [0, 1, 2, 3]
    run(config, tmp_path / "parts", resume=True)
    assert seen == [0, 1, 2, 3, 4, 5]
    whole, parts = (load_checkpoint(tmp_path / name / "model.safetensors").model.state_dict()
                    for name in ("whole", "parts"))
    for name in whole:
        assert torch.equal(whole[name], parts[name]), name
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]


@pytest.mark.slow
def test_checkpoint_knows_its_training(finished):
    facts = load_checkpoint(finished / "model.safetensors").facts
    assert facts["epochs"] == 1 and facts["config"]["batch_size"] == 2
    assert set(facts["val"]) == {"zero_code", "encoded"}


@pytest.mark.slow
def test_resuming_needs_a_state_of_the_same_configuration(finished, tmp_path):
    config = small_config(epochs=1)
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run(config, tmp_path, resume=True)
    shutil.copy(finished / "state.pt", tmp_path)
    with pytest.raises(CheckpointError, match="different: rate"):
        run(replace(config, rate=0.5), tmp_path, resume=True)
    state = tmp_path / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="truncated or no training state"):
        run(config, tmp_path, resume=True)


def test_a_loss_that_is_no_number_stops_with_the_cure(tmp_path):
    with pytest.raises(TrainingError, match="epoch 1.*lower rates"):
        run(small_config(rate=1e30, encoder_rate=1e30, epochs=4), tmp_path)


def test_a_gradient_that_is_no_number_stops_before_it_reaches_the_weights(monkeypatch):
    run_ = Trainer(small_config(), images()[0], False, torch.device("cpu"))
    batch = next(run_.remaining_batches())
    forward = run_._forward

    def endless(*args):
        total, parts = forward(*args)
        return total + torch.sqrt(0 * total), parts  # itself finite, its derivative not

    run_._forward = endless
    before = {name: value.clone() for name, value in run_.model.named_parameters()}
    with pytest.raises(TrainingError, match="norm of the gradient is nan in epoch 1, batch 0"):
        run_.training_step(batch)
    assert all(torch.equal(before[n], p) for n, p in run_.model.named_parameters())


def test_long_gradients_are_shortened():
    lengths = {}
    for limit in (1e-3, 1e6):
        run_ = Trainer(small_config(clip_norm=limit), images()[0], False, torch.device("cpu"))
        run_.training_step(next(run_.remaining_batches()))
        lengths[limit] = torch.stack([p.grad.norm() for p in run_.model.parameters()
                                      if p.grad is not None]).norm().item()
    assert lengths[1e-3] == pytest.approx(1e-3, rel=1e-2) and lengths[1e6] > 0.1


@pytest.mark.slow
def test_bfloat16_learns_with_weights_in_single_precision():
    totals = {"float32": [], "bfloat16": []}
    for precision, steps in (("float32", 1), ("bfloat16", 8)):
        run_ = Trainer(small_config(precision=precision, rate=1e-2), images(16)[0], False,
                        torch.device("cpu"))
        seen = []
        run_.model.scale_head.register_forward_hook(
            lambda *args, seen=seen: seen.append(args[2].dtype))
        for batch, _ in zip(run_.remaining_batches(), range(steps)):
            before = run_.sums.get("loss", 0.0)
            run_.training_step(batch)
            totals[precision].append(run_.sums["loss"] - before)
        assert set(seen) == {getattr(torch, precision)}
        assert {p.dtype for p in run_.model.parameters()} == {torch.float32}
    assert totals["bfloat16"][0] == pytest.approx(totals["float32"][0], rel=0.02)
    assert sum(totals["bfloat16"][-2:]) / 2 < 0.95 * totals["bfloat16"][0]


@pytest.mark.slow
def test_curves_are_drawn_and_a_new_run_does_not_go_on_in_an_old_log(finished, tmp_path):
    shutil.copy(finished / "log.jsonl", tmp_path)
    run(small_config(epochs=1), tmp_path)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1


@pytest.mark.slow
def test_without_codes_training_still_learns(tmp_path):
    config = small_config(epochs=1, rate=1e-2)
    config = replace(config, model=replace(config.model, depth_code=0, semantic_code=0))
    path = run(config, tmp_path)
    record = json.loads((tmp_path / "log.jsonl").read_text())
    assert record["val"]["zero_code"] == record["val"]["encoded"]
    predictor = load_predictor(path)
    prediction = predictor.predict(*(getattr(Walls()[0], n) for n in ("image", "camera")))
    assert (prediction.depth_code_size, prediction.semantic_code_size) == (0, 0)


def test_the_average_follows_the_model(tmp_path):
    run_ = Trainer(small_config(), images()[0], False, torch.device("cpu"))
    for batch in run_.remaining_batches():
        run_.training_step(batch)
    own, mean = run_.model.state_dict(), run_.averaged.state_dict()
    name = "depth_head.from_features.weight"
    assert not torch.equal(own[name], mean[name])
    torch.testing.assert_close(own[name], mean[name], atol=0.02, rtol=0)


def test_evaluation_has_the_contracted_names_and_bounds():
    model = SceneCode(small_config().model, NYU13)
    result = evaluate_model(model, Walls())
    assert list(result) == ["zero_code", "encoded"]
    for scores in result.values():
        assert tuple(scores) == SCORES and 0 <= scores["miou"] <= 1
    model.classes = replace(NYU13, names=tuple(reversed(NYU13.names)))
    with pytest.raises(ScenecodeError, match="different classes"):
        evaluate_model(model, Walls())


@pytest.mark.slow
def test_the_papers_configuration_learns_from_imagenet_weights_by_name(tmp_path):
    path = SHIPPED / "paper_resnet50.yaml"
    config = read_train_config(load_yaml(path), str(path))
    assert (config.model.backbone, config.model.depth_code, config.model.semantic_code) == (
        "resnet50", 32, 32)
    published = {name: torch.rand_like(value) for name, value
                 in make_backbone("resnet50").state_dict().items()
                 if value.is_floating_point() and name not in ("mean", "std")}
    torch.save(published, tmp_path / "resnet50.pth")
    model = replace(small_config().model, backbone="resnet50", frozen_norm=False)
    config = replace(config, model=model, pretrained=str(tmp_path / "resnet50.pth"),
                     batch_size=2, workers=0)
    run_ = Trainer(config, images()[0], True, torch.device("cpu"))
    for name, value in run_.model.backbone.named_parameters():
        assert torch.equal(value, published[name]), name
    run_.training_step(next(run_.remaining_batches()))
    assert not torch.equal(run_.model.backbone.conv1.weight, published["conv1.weight"])


@pytest.mark.slow
def test_shipped_configurations_are_valid():
    paths = sorted(SHIPPED.glob("*.yaml"))
    assert {p.stem for p in paths} >= {"nyuv2_rooms_mobilenetv2", "paper_resnet50"}
    for path in paths:
        config = read_train_config(load_yaml(path), str(path))
        with torch.device("meta"):  # shapes without values
            backbone = config.family.build(config.model, NYU13).backbone
            if backbone is not None:
                backbone.freeze(config.frozen_blocks)


def test_impossible_runs_are_refused():
    with pytest.raises(ConfigError, match="batch_size at least 2"):
        TrainConfig(batch_size=1)
    with pytest.raises(ConfigError, match="clip_norm must be positive"):
        TrainConfig(clip_norm=0.0)


def earlier_run(path, **changes):
    """Weights of an earlier run in a file, and them."""
    model = SceneCode(replace(small_config().model, **changes), NYU13)
    save_checkpoint(path, model, {})
    return str(path), model.state_dict()


def test_a_run_goes_on_from_an_earlier_ones_weights(tmp_path):
    path, state = earlier_run(tmp_path / "earlier.safetensors")
    begun = Trainer(small_config(start_from=path), images()[0], True, torch.device("cpu"))
    for name, value in begun.model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_another_backbone_takes_over_what_does_not_read_it(tmp_path):
    path, state = earlier_run(tmp_path / "earlier.safetensors")
    torch.save(make_backbone("resnet18").state_dict(), tmp_path / "resnet18.pth")
    config = small_config(start_from=path, pretrained=str(tmp_path / "resnet18.pth"))
    config = replace(config, model=replace(config.model, backbone="resnet18"))
    model = Trainer(config, images()[0], True, torch.device("cpu")).model
    kept = [name for name, value in model.state_dict().items()
            if name in state and torch.equal(value, state[name])]
    assert {name.split(".")[0] for name in kept} >= {
        "depth_decoder", "semantic_decoder", "depth_head", "depth_recognition"}
    assert not any(".reduce.conv" in name for name in kept)
    published = torch.load(tmp_path / "resnet18.pth", weights_only=True)
    assert torch.equal(model.backbone.layer4[1].conv2.weight, published["layer4.1.conv2.weight"])


def test_another_backbone_does_not_begin_at_random(tmp_path):
    path, _ = earlier_run(tmp_path / "earlier.safetensors")
    config = small_config(start_from=path)
    config = replace(config, model=replace(config.model, backbone="resnet18"))
    with pytest.raises(ConfigError, match="another backbone than the model.*set 'pretrained'"):
        Trainer(config, images()[0], True, torch.device("cpu"))


def test_weights_of_another_model_are_refused(tmp_path):
    path, _ = earlier_run(tmp_path / "earlier.safetensors", depth_code=8)
    with pytest.raises(ConfigError, match="is another model"):
        Trainer(small_config(start_from=path), images()[0], True, torch.device("cpu"))


def test_resident_images_train_until_the_minutes_are_over_and_learn_from_a_teacher(
        tmp_path, finished):
    config = small_config(epochs=500, resident=True, minutes=0.03,
                          teacher=str(finished / "model.safetensors"),
                          loss=SceneCodeLossConfig(taught_labels=1.0, taught_depth=1.0, edges=1.0))
    run(config, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(lines) < 500
    assert {"taught_labels", "taught_depth", "depth_edges"} <= lines[-1]["train"].keys()
    weights = load_checkpoint(tmp_path / "model.safetensors").model.state_dict()
    assert not any("teacher" in name for name in weights)


def test_minutes_and_the_last_augmentation_are_checked():
    with pytest.raises(ConfigError, match="minutes"):
        TrainConfig(minutes=0)
    with pytest.raises(ConfigError, match="resident"):
        TrainConfig(last_augment=AugmentConfig())
