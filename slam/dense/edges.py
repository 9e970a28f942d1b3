"""Where surfaces may end, by colour and known depth, and smoothing that stops there."""

import cv2
import numpy as np

from scenecode.optim.imaging.neighbours import neighbour_regions

#: Difference of colour (0-1) and of ln depth between neighbours at which a step of the surface
#: costs 1/e of what it costs elsewhere, and the least part of that.
STEP_COLOUR, STEP_DEPTH, LEAST_STEP = 0.06, 0.05, 0.1
#: The same for the weight of a neighbour in a mean.
MEAN_COLOUR, MEAN_DEPTH = 0.08, 0.04
#: Distances in pixels of the neighbours in each pass of smoothing.
DISTANCES = (1, 2)


def step_penalties(image: np.ndarray, log_depth: np.ndarray,
                   largest: float) -> tuple[np.ndarray, np.ndarray]:
    """Penalties of a step of the surface between neighbours in a row (H, W - 1) and in a column
    (H - 1, W): of an image (H, W, 3) in [0, 1] and ln depth (H, W)."""
    image = _blurred(image)
    penalties = []
    for axis in (1, 0):
        colour = np.abs(np.diff(image, axis=axis)).max(2)
        depth = np.abs(np.diff(log_depth, axis=axis))
        factor = np.exp(-colour / STEP_COLOUR - depth / STEP_DEPTH)
        penalties.append((largest * np.maximum(factor, LEAST_STEP)).astype(np.float32))
    return penalties[0], penalties[1]


def smoothed(image: np.ndarray, log_depth: np.ndarray, std: np.ndarray) -> np.ndarray:
    """(H, W): ln depth (H, W) as the mean of a pixel and its neighbours, weighted by certainty,
    and by similarity in an image (H, W, 3) in [0, 1] and in depth, by passes of growing distance
    (edge-avoiding a-trous wavelets, Dammertz et al. 2010)."""
    image, precision = _blurred(image), 1 / (std * std)
    for distance in DISTANCES:
        total, weight = log_depth * precision, precision.copy()
        for rows in (-distance, 0, distance):
            for columns in (-distance, 0, distance):
                if not rows and not columns:
                    continue
                here, there = neighbour_regions(rows, columns)
                colour = np.abs(image[there] - image[here]).max(2)
                depth = np.abs(log_depth[there] - log_depth[here])
                w = np.exp(-colour / MEAN_COLOUR - depth / MEAN_DEPTH) * precision[there]
                total[here] += w * log_depth[there]
                weight[here] += w
        log_depth = total / weight
    return log_depth


def _blurred(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image.astype(np.float32), (3, 3), 0)
