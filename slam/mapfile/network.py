"""The network and the configuration that a map was made with."""

from dataclasses import replace
from pathlib import Path

from scenecode.core.device import choose_device
from scenecode.core.errors import ResultError
from scenecode.networks.inference.combined import load_front_end
from scenecode.networks.prediction import Predictor
from scenecode.slam.config.files import parse_config
from scenecode.slam.config.slam_config import DEFAULT_MODEL, SlamConfig, weights_of
from scenecode.slam.mapfile.fingerprint import OWN, weights_fingerprint
from scenecode.slam.mapfile.storage.reading import require_same_network
from scenecode.slam.mapfile.storage.records import MapMeta


def map_network(meta: MapMeta, path: str | Path, model: str | None = None,
                device: str = "auto") -> Predictor:
    """The network that made the map in a file; ``model`` says where its weights are now, by
    default where they were then.

    Raises ``ResultError`` when these are another network's, and for the map of a predictor that a
    program gave, ``CheckpointError`` when there are no such weights.
    """
    if model is None and meta.model.startswith(OWN):
        raise ResultError(f"{path} was made with the {meta.model} of a program, which has no "
                          "weights to load; give one to scenecode.open_saved(path, predictor), or "
                          "map with a --model")
    name = model or weights_of(meta.model)
    require_same_network(meta, path, weights_fingerprint(name), name or DEFAULT_MODEL)
    return load_front_end(name, choose_device(device))


def map_config(meta: MapMeta, path: str | Path, device: str = "auto") -> SlamConfig:
    """The configuration that the map in a file was made with, on a device; raises
    ``ConfigError``."""
    config = parse_config(meta.config, f"the configuration in {path}")
    return replace(config, device=str(choose_device(device)))
