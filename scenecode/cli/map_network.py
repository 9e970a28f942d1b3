"""The network of a map, for commands that compute something from it."""

import argparse
from dataclasses import replace

from scenecode.core.device import choose_device
from scenecode.networks.families.network import Network
from scenecode.networks.inference.checkpoint import load_predictor
from scenecode.slam.config.files import parse_config
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.mapfile.fingerprint import weights_fingerprint
from scenecode.slam.mapfile.storage.reading import require_same_network
from scenecode.slam.mapfile.storage.records import MapMeta


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that say where the network of a map is, and where it runs."""
    parser.add_argument("--model", metavar="NAME",
                        help="weights that made the map (default: where they were then)")
    parser.add_argument("--device", metavar="NAME", default="auto",
                        help="auto, cpu or cuda (default %(default)s)")


def network_of(meta: MapMeta, file: str, args: argparse.Namespace) -> Network:
    """The network that made the map in a file; raises ``ResultError`` when the options name
    another one."""
    name = args.model or (None if meta.model == "default" else meta.model)
    require_same_network(meta, file, weights_fingerprint(name), name or "default")
    return load_predictor(name, choose_device(args.device))


def config_of(meta: MapMeta, file: str, args: argparse.Namespace) -> SlamConfig:
    """The configuration that the map in a file was made with, on the device of the options."""
    config = parse_config(meta.config, f"the configuration in {file}")
    return replace(config, device=str(choose_device(args.device)))
