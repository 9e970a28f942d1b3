"""The unit of a new keyframe's depth.

A network guesses the absolute scale of every image anew and errs by an eighth in it, alike all
over the image.  How the map beside an image is scaled is known better at first, but handed on
from keyframe to keyframe its errors add up; the truth is between the two.
"""

import torch

from scenecode.optim.imaging.lookup import sample_view
from scenecode.slam.map.graph import KeyframeGraph


def log_scale_to_neighbours(graph: KeyframeGraph, number: int, level: int, min_overlap: float) -> float:
    """ln of what a keyframe's depth would have to be multiplied by to be what its neighbours' depth
    is from there, in the median over their pixels of a pyramid ``level`` that it sees.

    Neighbours of which it sees a smaller share than ``min_overlap`` are not asked; 0 when nobody
    is.
    """
    keyframe, state = graph.keyframes[number], graph.states[number]
    said = keyframe.depth(state.code_depth, level)[..., None]
    ratios = []
    for neighbour in graph.neighbours(number):
        pixels, depth, seen = graph.seen_in(neighbour, number, level)
        if float(seen.float().mean()) >= min_overlap:
            ratios.append((depth[seen] / sample_view(said, pixels[seen])[:, 0]).log())
    return float(torch.cat(ratios).median()) if ratios else 0.0
