"""Depth codes for predictions of networks that have none."""

from dataclasses import replace

import torch

from scenecode.networks.prediction import Prediction

#: Standard deviations of ln depth that a unit of each pseudo-code stands for: a factor of the
#: whole image, and one that rises from its middle to its edge.
SCALE_STD, TILT_STD = 0.2, 0.1


def with_pseudo_codes(prediction: Prediction) -> Prediction:
    """A prediction whose depth mapping can move: one without a depth code gets one of three
    entries, any other is returned as it is.

    They are the errors that the depth of single images has in common over the whole image: a
    scale, and tilts in x and y.  A standard deviation ``s`` of ln depth is a derivative
    ``-s p (1 - p)`` of proximity ``p``; as every code, these have a unit normal prior.
    """
    if prediction.depth_code_size:
        return prediction
    p = prediction.prox_zero
    h, w = p.shape
    x = torch.linspace(-1, 1, w, dtype=p.dtype, device=p.device).expand(h, w)
    y = torch.linspace(-1, 1, h, dtype=p.dtype, device=p.device)[:, None].expand(h, w)
    log_depth_J = torch.stack([torch.full_like(p, SCALE_STD), TILT_STD * x, TILT_STD * y])
    return replace(prediction, prox_J_code=-log_depth_J * p * (1 - p))
