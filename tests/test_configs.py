"""Shipped configurations: complete, strict, and what they say they are."""


import pytest

from scenecode.core.shipped import CONFIGS
from scenecode.core.strict_config import from_mapping, load_yaml
from scenecode.networks.training.config import read_train_config
from scenecode.slam.config.slam_config import SlamConfig

FOLDER = CONFIGS


def test_base_states_the_defaults():
    path = FOLDER / "base.yaml"
    assert from_mapping(SlamConfig, load_yaml(path), str(path)) == SlamConfig()
    assert set(load_yaml(path)) == set(SlamConfig.__dataclass_fields__)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.stem)
def test_slam_configurations_are_valid(path):
    from_mapping(SlamConfig, load_yaml(path), str(path))


@pytest.mark.parametrize("path", sorted((FOLDER / "train").glob("*.yaml")), ids=lambda p: p.stem)
def test_training_configurations_are_valid(path):
    read_train_config(load_yaml(path), str(path))
