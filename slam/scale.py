"""The unit of a new keyframe's depth.

A network guesses the absolute scale of every image anew and errs by an eighth in it, alike all
over the image.  How the map beside an image is scaled is known much better, and one map has one
scale.
"""

import torch

from optim.lookup import sample_view
from slam.graph import KeyframeGraph


def log_scale_beside(graph: KeyframeGraph, number: int, level: int, min_overlap: float,
                     limit: float) -> float:
    """ln of what a keyframe's depth is to be multiplied by to be what its neighbours' depth is
    from there, in the median over their pixels of a pyramid ``level`` that it sees.

    Neighbours of which it sees a smaller share than ``min_overlap`` are not asked; 0 when nobody
    is.  At most ``limit`` either way.
    """
    keyframe, state = graph.keyframes[number], graph.states[number]
    said = keyframe.depth(state.code_depth, level)[..., None]
    ratios = []
    for neighbour in graph.neighbours(number):
        pixels, depth, seen = graph.seen_in(neighbour, number, level)
        if float(seen.float().mean()) >= min_overlap:
            ratios.append((depth[seen] / sample_view(said, pixels[seen])[:, 0]).log())
    if not ratios:
        return 0.0
    return min(max(float(torch.cat(ratios).median()), -limit), limit)
