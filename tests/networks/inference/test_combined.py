"""Depth of one network, labels of another: which combinations are refused, and what they say."""

from types import SimpleNamespace

import pytest

from scenecode.core.errors import CheckpointError, ConfigError
from scenecode.networks.classes import NYU13, UNLABELLED
from scenecode.networks.inference import combined
from scenecode.networks.inference.combined import Combined, load_front_end


@pytest.fixture
def named(tmp_path, monkeypatch):
    """The path of ``depth`` or ``labels``: networks that give nothing else."""
    monkeypatch.setattr(combined, "load_predictor", lambda path, *_: SimpleNamespace(
        predicts_depth=path.stem == "depth", predicts_labels=path.stem == "labels",
        classes=NYU13, width=64, height=48))
    for name in ("depth", "labels"):
        (tmp_path / f"{name}.safetensors").touch()
    return lambda name: str(tmp_path / f"{name}.safetensors")


def test_each_network_gives_what_it_has(named):
    both = load_front_end(f"{named('depth')}+{named('labels')}")
    alone = load_front_end(named("depth"))
    assert isinstance(both, Combined) and both.classes == NYU13
    assert isinstance(alone, Combined) and alone.classes == UNLABELLED
    assert not isinstance(load_front_end(named("labels"), for_mapping=False), Combined)


@pytest.mark.parametrize("first, second, message", [
    ("labels", None, r"gives labels only; combine .* --model DEPTH\+labels"),
    ("labels", "labels", "gives labels only"),
    ("depth", "depth", "gives no labels; name one of labels behind")])
def test_a_network_named_for_what_it_lacks_is_refused(first, second, message, named):
    name = named(first) if second is None else f"{named(first)}+{named(second)}"
    with pytest.raises(ConfigError, match=message):
        load_front_end(name)


@pytest.mark.parametrize("name", ["+a", "a+", "a+b+c"])
def test_names_that_are_not_one_or_two_are_refused(name):
    with pytest.raises(CheckpointError, match=r"give one model, or two as DEPTH\+LABELS"):
        load_front_end(name)
