"""Shipped configurations: complete, strict, and what they say they are."""

from pathlib import Path

import pytest

import configs
from networks.config import from_mapping, load_yaml
from networks.train import TrainConfig
from slam.config import SlamConfig

FOLDER = Path(configs.__file__).parent


def test_base_states_the_defaults():
    path = FOLDER / "base.yaml"
    assert from_mapping(SlamConfig, load_yaml(path), str(path)) == SlamConfig()
    assert set(load_yaml(path)) == set(SlamConfig.__dataclass_fields__)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.stem)
def test_slam_configurations_are_valid(path):
    from_mapping(SlamConfig, load_yaml(path), str(path))


@pytest.mark.parametrize("path", sorted((FOLDER / "train").glob("*.yaml")), ids=lambda p: p.stem)
def test_training_configurations_are_valid(path):
    from_mapping(TrainConfig, load_yaml(path), str(path))
