"""Shared by all tests: one seed for each test, and what is expensive to make."""

import os
import signal

import cv2
import pytest
import torch
from support.walks import SMALL, walk

from scenecode.networks.classes import NYU13
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference.checkpoint import save_checkpoint


def pytest_configure(config):
    """Several processes take one thread each: there are as many as cores, and threads of one would
    only wait for those of others."""
    if config.getoption("numprocesses"):
        # read by PyTorch, NumPy and SciPy where the processes, which are made later, load them
        os.environ["OMP_NUM_THREADS"] = "1"
    if "PYTEST_XDIST_WORKER" in os.environ:
        cv2.setNumThreads(1)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a background job of a shell ignores Ctrl-C, and so would what tests start and interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def small_walk():
    """60 frames of 128x96."""
    return walk(1, 60, *SMALL)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory):
    """A checkpoint of an untrained network for images of 64x64."""
    torch.manual_seed(0)
    config = SceneCodeConfig(width=64, height=64, depth_code=4, semantic_code=4,
                             canonical_focal=60.0, decoder_channels=(8, 8, 8, 8),
                             recognition_channels=(4, 4))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, SceneCode(config, NYU13), {})
    return path
