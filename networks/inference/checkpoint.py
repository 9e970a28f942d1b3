"""Trained networks on disk: one safetensors file with everything needed to use it.

The file's metadata holds the model's configuration, its label set and the facts of its
training as JSON, so a checkpoint needs no configuration file and never runs code.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from scenecode.core import shipped
from scenecode.core.atomic_write import replacing
from scenecode.core.errors import CheckpointError, ConfigError, ScenecodeError
from scenecode.core.strict_config import from_mapping, to_mapping
from scenecode.networks.classes import ClassSet
from scenecode.networks.families.family import Family
from scenecode.networks.families.network import Network, NetworkConfig
from scenecode.networks.families.registry import family_of
from scenecode.networks.inference.precision import Precision, choose_dtype
from scenecode.networks.inference.preparation import make_ready, warm_up

NetworkT = TypeVar("NetworkT", bound=Network)

#: Written into every file; a reader refuses what it does not know.
FORMAT = "scenecode-checkpoint-1"
#: Name of the shipped weights that are used by default.
DEFAULT_WEIGHTS = "scenecode_lite1"


@dataclass(frozen=True)
class Checkpoint:
    """A network and the facts of its training."""

    model: Network
    #: data, epochs, metrics: whatever training wrote, plain JSON values
    facts: dict


@dataclass(frozen=True)
class Description:
    """What a checkpoint says of its network."""

    family: Family[Any, Any]
    config: NetworkConfig
    classes: ClassSet
    facts: dict

    def network(self) -> Network:
        """The network without values: nothing is allocated for it."""
        with torch.device("meta"):
            network: Network = self.family.build(self.config, self.classes)
        return network


def save_checkpoint(path: str | Path, model: Network, facts: dict, half: bool = False) -> None:
    """Write ``model`` and ``facts`` to ``path`` atomically.

    ``half`` stores convolution weights as float16, which halves the file; vectors
    (batch norm, biases) stay float32 because their range can exceed float16's.  Raises
    ``ResultError`` when the file system refuses.
    """
    tensors = {name: _stored(value, half) for name, value in model.state_dict().items()}
    metadata = {"format": FORMAT, "model": json.dumps(to_mapping(model.config)),
                "classes": json.dumps(model.classes.to_json()), "facts": json.dumps(facts)}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Read a checkpoint and build its model, in evaluation mode on ``device``.

    Raises ``CheckpointError`` for a file that is missing, truncated or no checkpoint of this
    project, or whose tensors do not fit its own configuration.
    """
    path = Path(path)
    described = describe(path)
    tensors = _read(path, with_tensors=True)[0]
    model = described.family.build(described.config, described.classes)
    _load_strictly(model, tensors, path)
    in_channels_last(model).to(device)
    return Checkpoint(model.eval().requires_grad_(False), described.facts)


def describe(path: str | Path) -> Description:
    """Everything that a checkpoint holds but its tensors; fast.

    Raises ``CheckpointError`` for a file that is missing, truncated, no checkpoint of this
    project, or of a network that this version does not know.
    """
    path = Path(path)
    metadata = _read(path, with_tensors=False)[1]
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a scenecode checkpoint (its format is "
                              f"{metadata.get('format', 'unnamed')!r}, expected {FORMAT!r}); "
                              "train one with 'scenecode train'")
    try:
        mapping = json.loads(metadata["model"])
        family = family_of(mapping)
        return Description(family=family,
                           config=from_mapping(family.config_type, mapping, str(path)),
                           classes=ClassSet.from_json(json.loads(metadata["classes"])),
                           facts=json.loads(metadata["facts"]))
    except (KeyError, ValueError, ScenecodeError) as error:
        raise CheckpointError(f"{path}: its description cannot be used ({error}); it was "
                              "written by another version, train it again") from error


def load_predictor(path_or_name: str | Path | None = None,
                   device: str | torch.device = "cpu",
                   precision: Precision = "float32") -> Network:
    """The network to run: a file, the name of shipped weights, or by default the shipped model;
    made ready by ``scenecode.networks.inference.preparation``.

    ``bfloat16`` predictions stay within the tolerances stated there.  Raises
    ``CheckpointError`` when there is no such file or name, when the network cannot be mapped
    with, and as ``load_checkpoint``; ``ConfigError`` for an unknown precision.
    """
    dtype = choose_dtype(precision, torch.device(device))
    path = find_weights(path_or_name)
    model = make_ready(load_checkpoint(path, device).model, dtype)
    try:
        warm_up(model)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return model


def in_channels_last(model: NetworkT) -> NetworkT:
    """``model`` itself with its kernels in the memory format that convolutions are fastest in."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stub
    return model


def find_weights(path_or_name: str | Path | None = None) -> Path:
    """The file of a path, of a shipped name, or of the shipped default."""
    if path_or_name is None:
        path_or_name = DEFAULT_WEIGHTS
    for candidate in (Path(path_or_name), shipped.WEIGHTS / f"{path_or_name}.safetensors"):
        if candidate.is_file():
            return candidate
    raise CheckpointError(f"{path_or_name}: no such weights; give a .safetensors file of "
                          "'scenecode train' or a shipped name "
                          f"({', '.join(shipped_names()) or 'none'})")


def _stored(value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if half and value.ndim >= 2 and value.is_floating_point() else value


def shipped_names() -> list[str]:
    """The names of all shipped weights."""
    return sorted(path.stem for path in shipped.WEIGHTS.glob("*.safetensors"))


def _read(path: Path, with_tensors: bool) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}
            return tensors, file.metadata() or {}
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such checkpoint; check the path") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: truncated or not a safetensors file ({error}); "
                              "copy or download it again") from error


def _load_strictly(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    own = model.state_dict()
    absent, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if absent or extra:
        detail = "; ".join(f"{len(names)} {what}, first {names[0]!r}" for what, names in
                           (("missing", absent), ("unknown", extra)) if names)
        raise CheckpointError(f"{path}: its tensors do not fit its configuration ({detail}); "
                              "use the file as training wrote it")
    for name, value in own.items():
        if tensors[name].shape != value.shape:
            raise CheckpointError(f"{path}: '{name}' is {tuple(tensors[name].shape)}, its "
                                  f"configuration needs {tuple(value.shape)}; use the file as "
                                  "training wrote it")
    model.load_state_dict(tensors)
