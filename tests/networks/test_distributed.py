"""Training in two processes, connected through the loopback interface."""

import socket

import pytest
import torch
from support.small_training import Walls
from support.two_processes import CONFIG, one_step, worker
from torch import nn

from scenecode.core.errors import ConfigError
from scenecode.networks.data.mixed import MixedImages
from scenecode.networks.distributed import Processes
from scenecode.networks.families.scenecode.family import SceneCodeFamily
from scenecode.networks.training.trainer import Trainer


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Folder with what two processes found."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as first, socket.socket() as second:
        for server in (first, second):
            server.bind(("127.0.0.1", 0))
        ports = first.getsockname()[1], second.getsockname()[1]
    torch.multiprocessing.spawn(worker, (ports, str(folder)), nprocs=2)
    return folder


@pytest.mark.slow
def test_two_processes_learn_what_one_would_from_the_whole_batch(two, monkeypatch):
    monkeypatch.setattr(SceneCodeFamily, "build", SceneCodeFamily.build)  # one_step replaces it
    alone = one_step(Processes())
    for rank in range(2):
        found = torch.load(two / f"step_{rank}.pt")
        assert found["gradients"].keys() == alone["gradients"].keys()
        for name, gradient in alone["gradients"].items():
            scale = gradient.abs().max().item()
            torch.testing.assert_close(found["gradients"][name], gradient, rtol=1e-3,
                                       atol=1e-4 * scale + 1e-8, msg=f"gradient of {name}")
            # Adam's first step follows the sign alone, which rounding decides where it is zero
            clear = gradient.abs() > 1e-2 * scale
            torch.testing.assert_close(found["weights"][name][clear],
                                       alone["weights"][name][clear], rtol=1e-4, atol=1e-6)
        for name in alone["losses"].keys() - {"depth_code_rms", "semantic_code_rms"}:
            assert found["losses"][name] == pytest.approx(alone["losses"][name], rel=1e-4), name


@pytest.mark.slow
def test_only_the_first_process_writes(two):
    assert (two / "out_0" / "model.safetensors").exists()
    assert not (two / "out_1").exists()


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ConfigError, match="batch_size 8 cannot be divided among 3.*at least 6"):
        Processes(count=3).local_batch_size(8)
    with pytest.raises(ConfigError, match="multiple of 4 that is at least 8"):
        Processes(count=4).local_batch_size(4)


def test_alone_without_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    processes = Processes.from_environment()
    assert processes == Processes() and processes.is_main_process
    assert processes.local_batch_size(8) == 8
    module = nn.Linear(2, 2)
    assert processes.wrap(module) is module


def test_norms_are_shared_on_gpus_except_frozen_ones(monkeypatch):
    monkeypatch.setattr(Processes, "wrap", lambda self, module, **options: module)
    original = Processes.synchronise_batch_norm
    monkeypatch.setattr(Processes, "synchronise_batch_norm",
                        lambda self, module, device: original(self, module, torch.device("cuda")))
    run = Trainer(CONFIG, MixedImages([Walls()], [4]), False, torch.device("cpu"),
                  Processes(count=2))
    norms = (nn.BatchNorm2d, nn.SyncBatchNorm)
    kinds = {name: {type(m) for m in part.modules() if isinstance(m, norms)}
             for name, part in run.model.named_children()}
    assert kinds["depth_decoder"] == kinds["semantic_recognition"] == {nn.SyncBatchNorm}
    assert kinds["backbone"] == {nn.BatchNorm2d}
