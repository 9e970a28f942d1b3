"""Keyframes leave the window: what they knew becomes a prior on those that stay."""

import torch

from optim.marginal import eliminate
from slam.config import MappingConfig, StageConfig
from slam.graph import KeyframeGraph
from slam.marginal import MarginalPrior
from slam.window import Window

#: Everything that a keyframe takes part in counts, at full resolution.
_STAGE = StageConfig("joint", 0, 1)


def marginalise(graph: KeyframeGraph, leaving: int, config: MappingConfig) -> None:
    """Turn the residuals of the oldest keyframe of the window into a prior on the others.

    They are linearised where the graph is now, and its pose, its codes and the depth of its
    corners are eliminated (Schur complement).  From then on its images and its corners are not
    compared any more, and its one-way frames go with it; where it saw the corners of others it remains a witness, held in place,
    since the depth of those is still wanted.
    """
    window = Window(graph, config, _STAGE, leaving)
    # what has come since was never in one window with it
    staying = tuple(range(leaving + 1, min(leaving + config.window, len(graph))))
    equations = window.linearise(window.start())
    gone = torch.cat([window.columns_of(leaving), window.one_way_columns()])
    graph.absorbed_links.update(window.links)
    graph.absorbed_sightings.update(window.sightings)
    graph.prior = None
    if staying:
        stays = torch.cat([window.columns_of(n) for n in staying])
        graph.prior = MarginalPrior(staying, tuple(graph.states[n] for n in staying),
                                    eliminate(equations, gone[gone >= 0], stays))
