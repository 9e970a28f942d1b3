"""Networks that classify depth as a family."""

from torch import Tensor

from scenecode.networks.classes import ClassSet
from scenecode.networks.distributed import Processes
from scenecode.networks.families.depth_bins.config import DepthBinsConfig
from scenecode.networks.families.depth_bins.model import DepthBinsNetwork
from scenecode.networks.families.depth_bins.objective import (
    DepthBinsLossConfig,
    DepthBinsObjective,
)
from scenecode.networks.families.family import Family


class DepthBinsFamily(Family[DepthBinsConfig, DepthBinsLossConfig]):
    """Depth alone; the class set is that of the training data and has no part in it."""

    name = "depth_bins"
    config_type = DepthBinsConfig
    loss_type = DepthBinsLossConfig
    loss_curves = {"cross-entropy": {"depth": "depth"},
                   "part of pixels in their bin": {"depth": "right_bin"}}

    def build(self, config: DepthBinsConfig, classes: ClassSet) -> DepthBinsNetwork:
        return DepthBinsNetwork(config, classes)

    def objective(self, config: DepthBinsLossConfig, label_counts: Tensor,
                  processes: Processes) -> DepthBinsObjective:
        return DepthBinsObjective(config, processes)


FAMILY = DepthBinsFamily()
