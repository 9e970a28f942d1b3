"""The optimiser of a run, with a learning rate for every group of parameters."""

import torch
from torch import nn

from scenecode.core.errors import ConfigError
from scenecode.networks.families.network import Network
from scenecode.networks.training.config import TrainConfig

#: Keys of a parameter group: whether it is the encoder's, and the factor of its learning rate.
ENCODER, FACTOR = "encoder", "rate_factor"


def make_optimiser(config: TrainConfig, model: Network,
                   objective: nn.Module) -> torch.optim.Optimizer:
    """Groups of one factor (``Network.parameter_groups``) each, those of the encoder first;
    frozen blocks of the encoder are left out.  Raises ``ConfigError`` for a group of the network
    that has no parameter."""
    backbone = [] if model.backbone is None else list(model.backbone.parameters())
    own = {id(p) for p in backbone}
    factors = _factors(model)
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in own, factors[name]), []).append(parameter)
    groups.setdefault((False, 1.0), []).extend(objective.parameters())
    params = [{"params": parameters, ENCODER: encoder, FACTOR: factor}
              for (encoder, factor), parameters in sorted(groups.items(), key=_encoder_first)
              if parameters]
    if config.optimiser == "sgd":
        # fused, it fails for a group of which some parameters have no momentum yet
        return torch.optim.SGD(params, lr=config.rate, momentum=config.momentum,
                               weight_decay=config.weight_decay, foreach=True)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimiser]
    return kind(params, lr=config.rate, weight_decay=config.weight_decay, fused=True)


def set_rates(optimiser: torch.optim.Optimizer, rate: float, encoder_rate: float) -> None:
    """The learning rate of every group, from that of the encoder and of everything else."""
    for group in optimiser.param_groups:
        group["lr"] = group[FACTOR] * (encoder_rate if group[ENCODER] else rate)


def set_frozen(model: Network, beginnings: tuple[str, ...],
               trainable: dict[str, bool]) -> None:
    """Train the parameters that are ``trainable`` by name, except those whose names begin so.

    Raises ``ConfigError`` for a beginning that no parameter has.
    """
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in trainable):
            raise ConfigError(f"stages: no parameter of the network begins with {beginning!r}; "
                              f"its parts are {', '.join(n for n, _ in model.named_children())}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trainable[name] and not name.startswith(beginnings))


def _factors(model: Network) -> dict[str, float]:
    """The factor of each parameter by its name."""
    groups = model.parameter_groups()
    names = [name for name, _ in model.named_parameters()]
    for beginning in groups:
        if not any(name.startswith(beginning) for name in names):
            raise ConfigError(f"parameter group {beginning!r} of the network has no parameter")
    fitting = {name: [b for b in groups if name.startswith(b)] for name in names}
    return {name: groups[max(fits, key=len)] if fits else 1.0 for name, fits in fitting.items()}


def _encoder_first(group: tuple[tuple[bool, float], list[nn.Parameter]]) -> tuple[bool, float]:
    (encoder, factor), _ = group
    return not encoder, factor
