"""One network for all tests of commands that load the same weights: loading takes longer than most
of what they do with it, and has tests of its own."""

from functools import cache

import pytest

from scenecode.networks.inference.checkpoint import load_predictor
from scenecode.slam.benchmarks import fusion_evaluation, sequences, two_views

_loaded = cache(load_predictor)


@pytest.fixture(autouse=True)
def _networks_are_loaded_once(monkeypatch):
    for module in (fusion_evaluation, sequences, two_views):
        monkeypatch.setattr(module, "load_predictor", _loaded)
