"""Keyframes leave the window: what they knew becomes a prior on those that stay."""

import torch

from scenecode.optim.solvers.marginal import eliminate
from scenecode.slam.bundle.window import Window
from scenecode.slam.config.slam_config import MappingConfig, StageConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.marginal_prior import MarginalPrior

#: Everything that a keyframe takes part in counts, at full resolution.
_STAGE = StageConfig("joint", 0, 1)


def marginalise(graph: KeyframeGraph, leaving: int, config: MappingConfig) -> None:
    """Turn the residuals of the oldest keyframe of the window into a prior on the others.

    They are linearised where the graph is now, and its pose, its codes and the depth of its
    landmarks are eliminated (Schur complement).  From then on its residuals are not evaluated
    again, but for its observations of other keyframes' landmarks, whose depth is still estimated:
    these stay, with its pose fixed.
    """
    window = Window(graph, config, _STAGE, leaving)
    # what has come since was never in one window with it
    staying = tuple(range(leaving + 1, min(leaving + config.window, len(graph))))
    equations = window.linearise(window.start())
    gone = window.columns_of(leaving)
    graph.absorbed_links.update(window.links)
    graph.absorbed_observations.update(window.observations)
    graph.prior = None
    if staying:
        stays = torch.cat([window.columns_of(n) for n in staying])
        graph.prior = MarginalPrior(staying, tuple(graph.states[n] for n in staying),
                                    eliminate(equations, gone[gone >= 0], stays))
