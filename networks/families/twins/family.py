"""Networks with two different decoders as a family."""

from torch import Tensor

from scenecode.networks.classes import ClassSet
from scenecode.networks.distributed import Processes
from scenecode.networks.families.family import Family
from scenecode.networks.families.losses import balanced_weights
from scenecode.networks.families.twins.config import TwinsConfig
from scenecode.networks.families.twins.model import Twins
from scenecode.networks.families.twins.objective import TwinsLossConfig, TwinsObjective


class TwinsFamily(Family[TwinsConfig, TwinsLossConfig]):
    """Depth by up-projections, labels by DeepLab's decoder."""

    name = "twins"
    config_type = TwinsConfig
    loss_type = TwinsLossConfig
    loss_curves = {"scale-invariant error": {"depth": "depth"},
                   "cross-entropy": {"labels": "semantic"}}

    def build(self, config: TwinsConfig, classes: ClassSet) -> Twins:
        return Twins(config, classes)

    def objective(self, config: TwinsLossConfig, label_counts: Tensor,
                  processes: Processes) -> TwinsObjective:
        weights = balanced_weights(label_counts, config.class_balance)
        return TwinsObjective(config, weights, processes)


FAMILY = TwinsFamily()
