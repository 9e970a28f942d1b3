"""Depth and labels of a whole image of any size and shape, by windows of a network's shape."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.core.images import image_tensor, resample_area
from scenecode.networks.classes import UNLABELLED
from scenecode.networks.prediction import Prediction, Predictor, checked_prediction, resize_maps
from scenecode.optim.dense_crf.crf import DenseCRF
from scenecode.optim.geometry.camera import PinholeCamera

#: Longer side in pixels at which windows are joined; larger images are interpolated from there.
LARGEST = 1280
#: Part of a window that it shares with the next one, at least.
OVERLAP = 0.25
#: An image that is longer than a window by up to this part is squeezed into one.
TOLERANCE = 0.05
#: Weight of the pixels at the edge of a window, against its middle.
EDGE_WEIGHT = 0.02


@dataclass(frozen=True)
class WholePrediction:
    """Of one image, at its size."""

    #: (H, W) float32, z in metres; ``None`` of a network of labels alone
    depth: np.ndarray | None
    #: (H, W) uint8 class ids; ``None`` of a network of depth alone
    labels: np.ndarray | None


@torch.inference_mode()
def predict_whole(predictor: Predictor, rgb: np.ndarray, camera: PinholeCamera,
                  crf: DenseCRF | None = None) -> WholePrediction:
    """Depth and labels of an image (H, W, 3) uint8 that ``camera`` took, whose distortion is
    ignored.

    An image of another shape than the network's is covered with overlapping windows; ln depth and
    class probabilities are averaged where they overlap.  ``crf``, a field over the predictor's
    classes, refines the labels of each window by its colours and depth.  Raises
    ``PredictionError`` for an answer that cannot be used.
    """
    H, W = rgb.shape[:2]
    shrink = min(1.0, LARGEST / max(W, H))
    width, height = max(round(shrink * W), 2), max(round(shrink * H), 2)
    image = resample_area(rgb, (0, 0, W, H), width, height)
    camera = camera.undistorted().resized(width, height)
    gives_depth = getattr(predictor, "predicts_depth", True)
    gives_labels = predictor.classes != UNLABELLED
    log_depth, weights = torch.zeros(2, height, width)
    probabilities = torch.zeros(len(predictor.classes), height, width)
    size = predictor.width, predictor.height
    for left, top, w, h in windows(width, height, predictor.width / predictor.height):
        window = image_tensor(resample_area(image, (left, top, w, h), *size))
        seen_by = camera.cropped(left, top, w, h).resized(*size)
        prediction = checked_prediction(predictor, window, seen_by)
        maps = torch.cat([prediction.resized(*size).depth().log()[None].cpu(),
                          _probabilities(prediction, window, size, crf, gives_depth)])
        weight = _falling_to_the_edges(w, h, (width, height))
        at = (..., slice(top, top + h), slice(left, left + w))
        maps = weight * resize_maps(maps, w, h)
        log_depth[at] += maps[0]
        probabilities[at] += maps[1:]
        weights[at] += weight
    depth = (log_depth / weights).exp()
    labels = probabilities.argmax(0).byte()
    if (width, height) != (W, H):
        depth = resize_maps(depth[None], W, H)[0]
        labels = F.interpolate(labels[None, None], (H, W), mode="nearest-exact")[0, 0]
    return WholePrediction(depth=depth.numpy() if gives_depth else None,
                           labels=labels.numpy() if gives_labels else None)


def windows(width: int, height: int, aspect: float) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (left, top, width, height) of an ``aspect`` (width over height), or nearly so, that
    cover an image: one row or one column, as large as fits."""
    if width >= height * aspect:
        w, h = min(max(round(height * aspect), 2), width), height
        for left in _starts(width, w):
            yield (0, 0, width, h) if left is None else (left, 0, w, h)
    else:
        w, h = width, min(max(round(width / aspect), 2), height)
        for top in _starts(height, h):
            yield (0, 0, w, height) if top is None else (0, top, w, h)


def _starts(length: int, window: int) -> list[int | None]:
    """Evenly spaced starts of windows; ``None`` for one window of the whole length."""
    if length <= (1 + TOLERANCE) * window:
        return [None]
    count = ceil((length / window - OVERLAP) / (1 - OVERLAP))
    return [round(i * (length - window) / (count - 1)) for i in range(count)]


def _probabilities(prediction: Prediction, image: Tensor, size: tuple[int, int],
                   crf: DenseCRF | None, with_depth: bool) -> Tensor:
    """Class probabilities (C, height, width) on the CPU."""
    logits = resize_maps(prediction.logits_zero, *size)
    if crf is not None:
        depth = resize_maps(prediction.depth()[None], *size)[0] if with_depth else None
        logits = crf(logits, image.to(logits.device), depth)
    return logits.softmax(0).cpu()


def _falling_to_the_edges(w: int, h: int, whole: tuple[int, int]) -> Tensor:
    """(h, w) weights of a window, which fall towards the edges that other windows share."""
    def ramp(length: int, of: int) -> Tensor:
        if length == of:
            return torch.ones(length)
        position = (torch.arange(length) + 0.5) / length
        return (2 * torch.minimum(position, 1 - position)).clamp(min=EDGE_WEIGHT)
    return ramp(h, whole[1])[:, None] * ramp(w, whole[0])
