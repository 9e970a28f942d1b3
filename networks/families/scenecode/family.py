"""SceneCode as a family of networks."""

from torch import Tensor

from scenecode.networks.classes import ClassSet
from scenecode.networks.distributed import Processes
from scenecode.networks.families.family import Family
from scenecode.networks.families.losses import balanced_weights
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.families.scenecode.objective import SceneCodeLossConfig, SceneCodeObjective


class SceneCodeFamily(Family[SceneCodeConfig, SceneCodeLossConfig]):
    """Networks with a depth code and a semantic code; either may be empty."""

    name = "scenecode"
    config_type = SceneCodeConfig
    loss_type = SceneCodeLossConfig
    loss_curves = {
        "proximity error": {"zero code": "depth_zero", "encoded": "depth_coded"},
        "cross-entropy": {"zero code": "semantic_zero", "encoded": "semantic_coded"}}

    def build(self, config: SceneCodeConfig, classes: ClassSet) -> SceneCode:
        return SceneCode(config, classes)

    def objective(self, config: SceneCodeLossConfig, label_counts: Tensor,
                  processes: Processes) -> SceneCodeObjective:
        weights = balanced_weights(label_counts, config.class_balance)
        return SceneCodeObjective(config, weights, processes)


FAMILY = SceneCodeFamily()
