"""One network for all tests of commands that load the same weights: loading takes longer than most
of what they do with it, and has tests of its own."""

from functools import cache

import pytest

from scenecode.networks.inference.checkpoint import load_predictor
from scenecode.networks.inference.combined import load_front_end
from scenecode.slam.benchmarks import fusion_evaluation, sequences, two_views

_predictor, _front_end = cache(load_predictor), cache(load_front_end)


@pytest.fixture(autouse=True)
def _networks_are_loaded_once(monkeypatch):
    monkeypatch.setattr(fusion_evaluation, "load_predictor", _predictor)
    for module in (sequences, two_views):
        monkeypatch.setattr(module, "load_front_end", _front_end)
