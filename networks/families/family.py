"""What a family of networks offers: its configuration, its networks and what they minimise."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import ClassSet
from scenecode.networks.data.mixed import Batch
from scenecode.networks.distributed import Processes
from scenecode.networks.families.network import Network, NetworkConfig

ConfigT = TypeVar("ConfigT", bound=NetworkConfig)
LossT = TypeVar("LossT")


class Objective(nn.Module, ABC):
    """The training loss of a family; its own parameters, if any, are trained too."""

    #: names of the terms among which a stage of training may choose
    terms: ClassVar[tuple[str, ...]] = ()
    #: the terms that this stage uses; ``None``: all
    _used: frozenset[str] | None = None

    def use(self, terms: Collection[str]) -> None:
        """From now on use these of ``terms`` only, none named: all; raises ``ConfigError`` for a
        name that is not among them."""
        unknown = sorted(set(terms) - set(self.terms))
        if unknown:
            raise ConfigError(f"stages: the loss has no term {', '.join(unknown)}; it has "
                              f"{', '.join(self.terms) or 'none to choose among'}")
        self._used = frozenset(terms) or None

    def uses(self, term: str) -> bool:
        """Whether the present stage of training uses one of ``terms``."""
        return self._used is None or term in self._used

    def learn_from(self, teacher: Network) -> None:
        """Learn the answers of a trained network beside the truth; raises ``ConfigError`` for
        one of which this objective cannot."""
        raise ConfigError("this architecture has no loss for a teacher; leave 'teacher' out")

    @abstractmethod
    def forward(self, model: Any, batch: Batch, epoch: float,
                generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The total (scalar) and its detached parts by name; ``epoch`` may be fractional, and all
        that is random comes from ``generator``.

        Where several processes have a part of the batch each, the mean of their totals must be
        the loss of the whole batch.
        """


class Family(ABC, Generic[ConfigT, LossT]):
    """One family of networks; ``scenecode.networks.families.registry`` lists them."""

    #: the ``architecture`` of its configurations
    name: ClassVar[str]
    #: frozen dataclasses that ``scenecode.core.strict_config`` can read: the shape of the network
    #: (``model`` in a training configuration) and the weights of its loss (``loss``)
    config_type: type[ConfigT]
    loss_type: type[LossT]
    #: parts of the training loss that are drawn in one panel: title, label, name of the part
    loss_curves: ClassVar[Mapping[str, Mapping[str, str]]] = {}

    @abstractmethod
    def build(self, config: ConfigT, classes: ClassSet) -> Network:
        """A network with random weights."""

    @abstractmethod
    def objective(self, config: LossT, label_counts: Tensor, processes: Processes) -> Objective:
        """The loss of one of ``processes``; ``label_counts`` (C,) are the labelled pixels of each
        class in an epoch."""
