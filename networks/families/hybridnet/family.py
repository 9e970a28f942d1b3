"""HybridNet as a family of networks."""

from torch import Tensor

from scenecode.networks.classes import ClassSet
from scenecode.networks.distributed import Processes
from scenecode.networks.families.family import Family
from scenecode.networks.families.hybridnet.config import HybridNetConfig
from scenecode.networks.families.hybridnet.model import HybridNet, make_network
from scenecode.networks.families.hybridnet.objective import (
    HybridNetLossConfig,
    HybridNetObjective,
)
from scenecode.networks.families.losses import balanced_weights


class HybridNetFamily(Family[HybridNetConfig, HybridNetLossConfig]):
    """Labels and depth over shared features, and the networks of one of them alone."""

    name = "hybridnet"
    config_type = HybridNetConfig
    loss_type = HybridNetLossConfig
    loss_curves = {"cross-entropy": {"labels": "labels"},
                   "square error of depth": {"refined": "depth", "global": "global"}}

    def build(self, config: HybridNetConfig, classes: ClassSet) -> HybridNet:
        return make_network(config, classes)

    def objective(self, config: HybridNetLossConfig, label_counts: Tensor,
                  processes: Processes) -> HybridNetObjective:
        weights = balanced_weights(label_counts, config.class_balance)
        return HybridNetObjective(config, weights, processes)


FAMILY = HybridNetFamily()
