"""The configuration of a training run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from scenecode.core.errors import ConfigError
from scenecode.core.strict_config import from_mapping
from scenecode.networks.data.augment import AugmentConfig
from scenecode.networks.families.family import Family
from scenecode.networks.families.network import NetworkConfig
from scenecode.networks.families.registry import DEFAULT_ARCHITECTURE, family_of, find_family
from scenecode.networks.training.training_data import DataConfig


def _default_family() -> Family[Any, Any]:
    return find_family(DEFAULT_ARCHITECTURE)


@dataclass(frozen=True)
class StageConfig:
    """A part of training with a loss, rates and frozen parts of its own."""

    #: steps of the optimiser
    iterations: int = 1000
    #: learning rates; None: those of the run
    rate: float | None = None
    encoder_rate: float | None = None
    #: terms of the loss that it uses, of those that the family names; none: all
    terms: tuple[str, ...] = ()
    #: how the names of parameters begin that are not trained, for example "backbone."
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ConfigError(f"iterations of a stage must be at least 1, got {self.iterations}")


@dataclass(frozen=True)
class TrainConfig:
    """One training run; ``read_train_config`` reads it from YAML."""

    #: shape and loss of the network, of the types of its family
    model: NetworkConfig = field(default_factory=lambda: _default_family().config_type())
    loss: Any = field(default_factory=lambda: _default_family().loss_type())
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    #: ImageNet weights of the backbone, absolute or below ``$SCENECODE_DATA``
    pretrained: str | None = None
    #: weights of an earlier run to start from instead, a shipped name or a file; what a model of
    #: another backbone takes over is its family's choice
    start_from: str | None = None
    #: number of the first blocks of the backbone that are not trained
    frozen_blocks: int = 0
    epochs: int = 20
    #: steps of the optimiser after which training ends instead of after ``epochs``
    iterations: int | None = None
    #: parts of training, one after the other; their iterations are then those of the run, and in
    #: each the rates fall anew
    stages: tuple[StageConfig, ...] = ()
    #: minutes after which training ends, wherever it is; the rates then fall with the time
    minutes: float | None = None
    #: weights of a trained network whose answers are learnt beside the truth (``loss.taught``)
    teacher: str | None = None
    #: keep all images on the device and augment them there: for GPUs
    resident: bool = False
    #: augmentation of the last part of training (of resident images), and how large that part is
    last_augment: AugmentConfig | None = None
    last_part: float = 0.25
    #: images of a step, divided among the processes when several train
    batch_size: int = 8
    optimiser: Literal["adam", "adamw", "sgd"] = "adamw"
    #: of sgd
    momentum: float = 0.9
    #: learning rates of the backbone and of everything else
    encoder_rate: float = 2e-4
    rate: float = 1e-3
    weight_decay: float = 1e-2
    #: both rates fall as (1 - progress) ** poly_power, after a linear rise over warmup_steps
    poly_power: float = 0.9
    warmup_steps: int = 100
    #: largest norm of the gradient; longer ones are scaled down to it
    clip_norm: float = 10.0
    #: bfloat16 computes the network, but not its weights and losses, in 16 bits: faster on GPUs
    #: and on CPUs that have it
    precision: Literal["float32", "bfloat16"] = "float32"
    #: decay of the exponential moving average of the weights, which is what is saved
    ema_decay: float = 0.998
    seed: int = 0
    #: CPU threads of torch, 0 for its own choice
    threads: int = 0
    #: processes that prepare batches
    workers: int = 1

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 2:
            raise ConfigError("epochs must be at least 1 and batch_size at least 2 "
                              "(batch norm needs two)")
        if self.iterations is not None and self.iterations < 1:
            raise ConfigError(f"iterations must be at least 1, got {self.iterations}")
        if self.iterations is not None and self.stages:
            raise ConfigError("iterations: stages have their own; leave one of the two out")
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"momentum must lie in [0, 1), got {self.momentum}")
        if self.minutes is not None and self.minutes <= 0:
            raise ConfigError(f"minutes must be positive, got {self.minutes}")
        if self.last_augment is not None and not self.resident:
            raise ConfigError("last_augment needs 'resident: true'")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay must lie in [0, 1), got {self.ema_decay}")
        if self.clip_norm <= 0:
            raise ConfigError(f"clip_norm must be positive, got {self.clip_norm}")
        family = find_family(self.model.architecture)
        if not isinstance(self.loss, family.loss_type):
            raise ConfigError(f"loss must be the {family.loss_type.__name__} of architecture "
                              f"'{family.name}', not {type(self.loss).__name__}")

    @property
    def family(self) -> Family[Any, Any]:
        """The family of ``model``."""
        return find_family(self.model.architecture)


def read_train_config(mapping: Mapping, where: str = "configuration") -> TrainConfig:
    """A ``TrainConfig`` with the values of ``mapping``; ``model.architecture`` decides which keys
    ``model`` and ``loss`` have.

    ``where`` (a file name) opens every message.  Raises ``ConfigError`` as
    ``scenecode.core.strict_config.from_mapping`` does, and for an unknown architecture.
    """
    try:
        family = family_of(mapping.get("model"))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return from_mapping(TrainConfig, {"model": {}, "loss": {}} | dict(mapping), where,
                        types={"model": family.config_type, "loss": family.loss_type})
