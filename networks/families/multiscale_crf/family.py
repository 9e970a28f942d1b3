"""Multi-scale networks with a dense conditional random field as a family."""

from torch import Tensor

from scenecode.networks.classes import ClassSet
from scenecode.networks.distributed import Processes
from scenecode.networks.families.family import Family
from scenecode.networks.families.losses import balanced_weights
from scenecode.networks.families.multiscale_crf.config import MultiscaleCRFConfig
from scenecode.networks.families.multiscale_crf.model import MultiscaleCRF
from scenecode.networks.families.multiscale_crf.objective import (
    MultiscaleCRFLossConfig,
    MultiscaleCRFObjective,
)


class MultiscaleCRFFamily(Family[MultiscaleCRFConfig, MultiscaleCRFLossConfig]):
    """Labels and depth, and labels of a field that ties all pixels."""

    name = "multiscale_crf"
    config_type = MultiscaleCRFConfig
    loss_type = MultiscaleCRFLossConfig
    loss_curves = {"cross-entropy": {"network": "labels", "field": "crf"},
                   "variance of log depth": {"depth": "depth"}}

    def build(self, config: MultiscaleCRFConfig, classes: ClassSet) -> MultiscaleCRF:
        return MultiscaleCRF(config, classes)

    def objective(self, config: MultiscaleCRFLossConfig, label_counts: Tensor,
                  processes: Processes) -> MultiscaleCRFObjective:
        weights = balanced_weights(label_counts, config.class_balance)
        return MultiscaleCRFObjective(config, weights, processes)


FAMILY = MultiscaleCRFFamily()
