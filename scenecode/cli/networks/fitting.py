"""What a run takes from its network: the image size, and what it is made for."""

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from scenecode.networks.families.geometry import Geometry
from scenecode.networks.inference.checkpoint import describe
from scenecode.networks.inference.combined import model_files
from scenecode.slam.config.slam_config import SlamConfig, weights_of
from scenecode.slam.sources.formats import Surroundings, surroundings_of

_DEFAULT = SlamConfig()

_log = logging.getLogger(__name__)


def with_model_size(config: SlamConfig, args: argparse.Namespace) -> SlamConfig:
    """The configuration with the image size of the network that ``--model`` names, unless it
    states another size than the default itself; raises ``CheckpointError`` without a network."""
    if not args.model or (config.width, config.height) != (_DEFAULT.width, _DEFAULT.height):
        return config
    geometry = _geometry(config)
    return replace(config, width=geometry.width, height=geometry.height)


def warn_of_surroundings(config: SlamConfig, source: str) -> None:
    """Tell where a network of rooms is used in streets, or the other way round."""
    learnt: Surroundings = "outdoors" if _geometry(config).is_outdoor else "indoors"
    seen = surroundings_of(source)
    if seen is not None and seen != learnt:
        _log.warning("%s: this network learnt depths %s, %s is %s; depths will have a wrong scale "
                     "and labels mean little. 'scenecode models' lists the others",
                     Path(config.model).stem, learnt, source, seen)


def _geometry(config: SlamConfig) -> Geometry:
    return describe(model_files(weights_of(config.model))[0]).config.geometry
