import json

import pytest
import torch

from scenecode.cli.main import main
from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13
from scenecode.networks.evaluation import bench
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("bench")
    config = SceneCodeConfig(width=64, height=64, depth_code=3, semantic_code=2,
                         decoder_channels=(8, 8, 8, 8), recognition_channels=(4, 4))
    save_checkpoint(tmp_path / "m.safetensors", SceneCode(config, NYU13), {})
    return str(tmp_path / "m.safetensors")


@pytest.mark.slow
def test_medians_of_both_kinds(monkeypatch, weights):
    """The clock advances by what the call is known to take: 5 ms, once 500, and 2 ms."""
    model = bench.load_predictor(weights)
    clock = [0.0]
    calls = {"predict": 0, "predict_without_jacobians": 0}

    def takes(name, *seconds):
        def work(*_):
            clock[0] += seconds[min(calls[name], len(seconds) - 1)]
            calls[name] += 1
        return work

    monkeypatch.setattr(model, "predict", takes("predict", 1, 1, 1, 0.5, 0.005))
    monkeypatch.setattr(model, "predict_without_jacobians",
                        takes("predict_without_jacobians", 0.002))
    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock[0])
    timing = bench.time_predictor(model, runs=5)
    assert calls == {"predict": 5 + bench.WARM_UP_RUNS, "predict_without_jacobians": 5}
    assert timing.to_json() == {"ms_with_jacobians": 5.0, "ms_without_jacobians": 2.0}


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False])
def test_command_prints_what_the_device_has(monkeypatch, capsys, weights, native):
    monkeypatch.setattr(bench, "has_bfloat16", lambda device: native)
    command = ["bench", "network", "--model", weights, "--runs", "1", "--device", "cpu"]
    assert main([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["threads"] == torch.get_num_threads() and result["native_bfloat16"] is native
    assert result["float32"]["ms_with_jacobians"] > 0 < result["float32"]["ms_without_jacobians"]
    assert ("bfloat16" in result) == native
    assert main(command) == 0
    assert ("does not compute bfloat16 itself" in capsys.readouterr().out) != native


@pytest.mark.slow
def test_no_runs_are_no_timing(capsys, weights):
    assert main(["bench", "network", "--model", weights, "--runs", "0"]) == 1
    assert "--runs must be at least 1" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        bench.time_predictor(bench.load_predictor(weights), 0)
