"""Predictors made of trained networks: one, or depth of one and labels of another."""

from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.core.errors import CheckpointError, ConfigError
from scenecode.networks.classes import UNLABELLED
from scenecode.networks.inference.checkpoint import find_weights, load_predictor
from scenecode.networks.inference.precision import Precision
from scenecode.networks.prediction import Prediction, Predictor
from scenecode.optim.geometry.camera import PinholeCamera

#: Between the two names of a combination: DEPTH+LABELS.
SEPARATOR = "+"


class Combined:
    """Depth of one predictor with the labels of another; a
    ``scenecode.networks.prediction.Predictor`` of the size of the first.

    Without a second one, the only class is ``unlabelled``.
    """

    def __init__(self, depth: Predictor, labels: Predictor | None):
        self.depth, self.labels = depth, labels
        self.width, self.height = depth.width, depth.height
        self.classes = UNLABELLED if labels is None else labels.classes

    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """Each sees the whole image (3, height, width) at its own size."""
        prediction = self.depth.predict(image, camera)
        if self.labels is None:
            logits = prediction.prox_zero.new_zeros(1, *prediction.prox_zero.shape)
            return replace(prediction, logits_zero=logits, classes=self.classes,
                           logits_J_code=logits.new_zeros(1, 0, *logits.shape[1:]))
        size = self.labels.height, self.labels.width
        if size != tuple(image.shape[1:]):
            image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
        labelled = self.labels.predict(image, camera.resized(size[1], size[0]))
        return replace(prediction, logits_zero=labelled.logits_zero, classes=self.classes,
                       logits_J_code=labelled.logits_J_code)


def model_files(name: str | Path | None = None) -> tuple[Path, ...]:
    """The weights that a model means: one file, or those of DEPTH+LABELS.

    ``name`` is a file, a shipped name, two of these with ``+`` between them, or ``None`` for the
    shipped default.  Raises ``CheckpointError`` where there are none.
    """
    first, plus, second = str(name or "").partition(SEPARATOR)
    if not plus or Path(str(name)).is_file():
        return (find_weights(name),)
    if not first or not second or SEPARATOR in second:
        raise CheckpointError(f"{name}: give one model, or two as DEPTH{SEPARATOR}LABELS")
    return find_weights(first), find_weights(second)


def load_front_end(name: str | Path | None = None, device: str | torch.device = "cpu",
                   precision: Precision = "float32", for_mapping: bool = True) -> Predictor:
    """The predictor of what ``model_files`` takes, ``for_mapping`` (which needs depth) or not.

    Raises ``ConfigError`` for a network that lacks what it is named for, and as
    ``scenecode.networks.inference.checkpoint.load_predictor``.
    """
    files = model_files(name)
    networks = [load_predictor(path, device, precision) for path in files]
    depth, labels = networks[0], networks[-1]
    if not depth.predicts_depth and (for_mapping or len(networks) == 2):
        raise ConfigError(f"{files[0]}: this network gives labels only; combine it with one of "
                          f"depth: --model DEPTH{SEPARATOR}"
                          f"{files[0].stem}")
    if len(networks) == 1:
        return depth if depth.predicts_labels else Combined(depth, None)
    if not labels.predicts_labels:
        raise ConfigError(f"{files[1]}: this network gives no labels; name one of labels behind "
                          f"the '{SEPARATOR}', or '{files[0].stem}' alone")
    return Combined(depth, labels)
