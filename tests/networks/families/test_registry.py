"""The list of families."""

from importlib import import_module

import pytest

from scenecode.core.errors import ConfigError
from scenecode.networks.families.family import Family
from scenecode.networks.families.geometry import Geometry
from scenecode.networks.families.registry import FAMILIES, family_of, find_family
from scenecode.optim.geometry.camera import PinholeCamera


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_entry_is_a_family_of_that_name_with_defaults(name):
    family = find_family(name)
    assert isinstance(family, Family) and family.name == name
    assert family is import_module(FAMILIES[name].partition(":")[0]).FAMILY
    config = family.config_type()
    assert config.architecture == name and config.geometry.average_depth > 0
    family.loss_type()


@pytest.mark.parametrize("model", [{}, None, 3, {"width": 64}])
def test_a_description_without_an_architecture_is_of_the_first_family(model):
    assert family_of(model).name == "scenecode"


@pytest.mark.parametrize("name", ["", "other", 3, ["scenecode"]])
def test_unknown_architectures_are_named_with_the_known_ones(name):
    with pytest.raises(ConfigError, match="is unknown; known: scenecode"):
        family_of({"architecture": name})


def test_average_depth_grows_with_the_focal_length():
    geometry = Geometry(width=64, height=48, canonical_focal=60.0, average_depth=2.0)
    camera = geometry.canonical_camera()
    assert geometry.average_depth_for(camera) == 2.0
    longer = PinholeCamera(fx=90.0, fy=90.0, cx=31.5, cy=23.5, width=64, height=48)
    assert geometry.average_depth_for(longer) == 3.0
    with pytest.raises(ConfigError, match="must be positive"):
        Geometry(width=64, height=48, canonical_focal=60.0, average_depth=2.0, max_depth=0.0)
