"""The scale of a new keyframe's depth.

A network estimates the absolute scale of every image on its own, with an error of about an
eighth that is common to the whole image.  The scale of the map around the image is more certain at
first, but its errors accumulate from keyframe to keyframe; a mean of both is better than either.
"""

import torch

from scenecode.optim.imaging.lookup import sample_view
from scenecode.slam.map.graph import KeyframeGraph


def log_scale_to_neighbours(graph: KeyframeGraph, number: int, level: int,
                            min_overlap: float) -> float:
    """ln of the factor from a keyframe's depth to its neighbours' depth, in the median over those
    of their pixels of a pyramid ``level`` that it has in view.

    Neighbours of which it has a smaller share than ``min_overlap`` in view are left out; 0 when
    none remains.
    """
    keyframe, state = graph.keyframes[number], graph.states[number]
    depth = keyframe.depth(state.code_depth, level)[..., None]
    ratios = []
    for neighbour in graph.neighbours(number):
        projected = graph.project(neighbour, number, level)
        seen = projected.in_view
        if float(seen.float().mean()) >= min_overlap:
            own = sample_view(depth, projected.pixels[seen])[:, 0]
            ratios.append((projected.depth[seen] / own).log())
    return float(torch.cat(ratios).median()) if ratios else 0.0
