"""Averaged weights: the mean, of networks that fit, in a file that loads."""

from dataclasses import replace

import pytest
import torch

from scenecode.networks.classes import NYU13
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference.checkpoint import load_checkpoint, save_checkpoint
from scenecode.networks.training.average import main

CONFIG = SceneCodeConfig(width=64, height=64, depth_code=3, semantic_code=2,
                     decoder_channels=(8, 8, 8, 8), recognition_channels=(4, 4))


def saved(folder, seed, config=CONFIG):
    torch.manual_seed(seed)
    path = folder / f"{seed}.safetensors"
    save_checkpoint(path, SceneCode(config, NYU13), {"epochs": seed})
    return path


@pytest.mark.slow
def test_every_weight_is_the_mean(tmp_path):
    files = [saved(tmp_path, seed) for seed in (1, 2)]
    out = tmp_path / "mean.safetensors"
    assert main([*map(str, files), "--out", str(out)]) == 0
    a, b = (load_checkpoint(file).model.state_dict() for file in files)
    mean = load_checkpoint(out)
    for name, value in mean.model.state_dict().items():
        torch.testing.assert_close(value.double(), (a[name].double() + b[name].double()) / 2,
                                   atol=1e-3, rtol=1e-3)
    assert mean.facts["averaged"] == 2 and mean.facts["epochs"] == 2


def test_networks_that_do_not_fit_are_refused(tmp_path, capsys):
    files = [saved(tmp_path, 1), saved(tmp_path, 2, replace(CONFIG, depth_code=4))]
    assert main([*map(str, files), "--out", str(tmp_path / "mean")]) == 1
    assert "one configuration" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize("name", ["nowhere.safetensors"])
def test_a_missing_file_is_named(tmp_path, capsys, name):
    assert main([name, "--out", str(tmp_path / "mean")]) == 1
    assert name in capsys.readouterr().err
