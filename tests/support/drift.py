"""Maps that drift, and work that is done in pieces."""

import numpy as np
import torch

from scenecode.optim.geometry import se3
from scenecode.slam.evaluation.alignment import align


def add_drift(graph, slip, log_scale):
    """Turn and shift every step from a keyframe to the next by ``slip`` (6), and rescale it by
    ``log_scale`` more than the one before."""
    poses = [graph.states[0].T_world_cam]
    log_scales = log_scale * torch.arange(len(graph))
    for n in range(1, len(graph)):
        step = se3.retract(graph.relative(n, n - 1), torch.tensor(slip))
        step[:3, 3] *= log_scales[n - 1].exp()
        poses.append(poses[-1] @ step)
    graph.correct(torch.stack(poses), log_scales)
    return graph


def exhaust(work):
    """Run to the end; the number of pieces, and what it returns."""
    pieces = 0
    while True:
        try:
            next(work)
            pieces += 1
        except StopIteration as end:
            return pieces, end.value


def position_error(graph):
    """Of keyframes, root mean square after the best similarity."""
    true, ours = (np.stack([np.asarray(T, float)[:3, 3] for T in poses]) for poses in (
        [k.truth.T_world_cam for k in graph.keyframes.values()],
        [graph.states[n].T_world_cam for n in graph.keyframes]))
    return float(np.sqrt(np.square(align(true, ours).apply(ours) - true).sum(1).mean()))
