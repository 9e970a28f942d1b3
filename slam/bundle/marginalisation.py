"""Marginalisation: the residuals of a keyframe that leaves the window become a prior."""

import torch

from scenecode.optim.solvers.marginal import eliminate
from scenecode.slam.bundle.layout import Leaving
from scenecode.slam.bundle.window import Window
from scenecode.slam.config.mapping import MappingConfig, StageConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.marginal_prior import MarginalPrior

#: All residuals of the keyframe, at full resolution.
_STAGE = StageConfig("joint", 0, 1)


def marginalise(graph: KeyframeGraph, leaving: Leaving, config: MappingConfig) -> None:
    """Turn the residuals of a keyframe that leaves the window into a prior on those that stay.

    They are linearised at the present states, and its pose, its codes and the depth of its
    landmarks are eliminated (Schur complement).  Its residuals are not evaluated again while it
    rests, except its observations of other keyframes' landmarks, whose depth is still estimated:
    these stay, with its pose fixed.
    """
    window = Window(graph, config, _STAGE, leaving)
    staying = leaving.staying
    equations = window.linearise(window.start())
    gone = window.columns_of(leaving.keyframe)
    graph.absorbed_links.update(window.links)
    graph.absorbed_observations.update(window.observations)
    graph.prior = None
    if staying:
        stays = torch.cat([window.columns_of(n) for n in staying])
        graph.prior = MarginalPrior(
            numbers=staying, states=tuple(graph.states[n] for n in staying),
            residual=eliminate(equations, gone[gone >= 0], stays))
