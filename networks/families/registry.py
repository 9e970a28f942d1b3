"""The families by name; their modules are imported on first use."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from scenecode.core.errors import ConfigError
from scenecode.networks.families.family import Family

#: Module and attribute of each family by the ``architecture`` that its configurations name.
FAMILIES = {"scenecode": "scenecode.networks.families.scenecode.family:FAMILY",
            "multiscale_crf": "scenecode.networks.families.multiscale_crf.family:FAMILY",
            "hybridnet": "scenecode.networks.families.hybridnet.family:FAMILY",
            "twins": "scenecode.networks.families.twins.family:FAMILY",
            "depth_bins": "scenecode.networks.families.depth_bins.family:FAMILY"}
#: What a configuration means that names none.
DEFAULT_ARCHITECTURE = "scenecode"


def find_family(architecture: str) -> Family[Any, Any]:
    """The family of that name; raises ``ConfigError`` for one that does not exist."""
    if architecture not in FAMILIES:
        raise ConfigError(f"architecture {architecture!r} is unknown; known: "
                          f"{', '.join(FAMILIES)}")
    module, _, attribute = FAMILIES[architecture].partition(":")
    family: Family[Any, Any] = getattr(import_module(module), attribute)
    return family


def family_of(model: object) -> Family[Any, Any]:
    """The family that the mapping ``model`` of a configuration file or a checkpoint means;
    raises ``ConfigError`` as ``find_family``."""
    name = DEFAULT_ARCHITECTURE
    if isinstance(model, Mapping):
        name = model.get("architecture", DEFAULT_ARCHITECTURE)
    return find_family(str(name))
