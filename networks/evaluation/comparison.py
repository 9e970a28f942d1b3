"""A labelled image beside what a model says of it: from the image alone, and encoded."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.core.errors import DataError
from scenecode.networks.data.base.sample import LabelledImages, Sample
from scenecode.networks.families.scenecode.model import Features, SceneCode
from scenecode.optim.geometry.proximity import depth_from_proximity, proximity_from_depth


@dataclass(frozen=True)
class Maps:
    """Depth and labels of one image at its own size, on the CPU."""

    #: (H, W)
    prox: Tensor
    #: (H, W) metres
    depth: Tensor
    #: (C, H, W)
    logits: Tensor

    @property
    def labels(self) -> Tensor:
        """(H, W) the most likely class ids."""
        return self.logits.argmax(0)


@dataclass(frozen=True)
class Comparison:
    """One labelled image and both answers to it."""

    sample: Sample
    #: (H, W) true proximity, meaningless where depth is unknown
    prox_truth: Tensor
    #: from the image alone
    zero: Maps
    #: from the image and, through the recognition models, the truth
    encoded: Maps
    #: (H, W) predicted Laplace scale of the zero code's proximity
    prox_b: Tensor
    #: what the heads see, at feature resolution, on the model's device
    features: Features


@torch.no_grad()
def compare(model: SceneCode, sample: Sample) -> Comparison:
    """Run ``model``, in evaluation mode, on a labelled image.

    Raises ``DataError`` when the image is not of the model's size.
    """
    if sample.image.shape[1:] != (model.height, model.width):
        raise DataError(f"{sample.name}: is {tuple(sample.image.shape)}, the model takes "
                        f"{model.width}x{model.height}; open the data set at that size")
    a = model.config.average_depth_for(sample.camera)
    features = model.features_of(sample.image)
    codes = model.encode_features(features, sample.depth, sample.labels, sample.camera)

    def full_size(maps: Tensor) -> Tensor:
        return model.upsample(maps)[0].cpu()

    def maps(prox: Tensor, logits: Tensor) -> Maps:
        prox = full_size(prox)[0]
        return Maps(prox, depth_from_proximity(prox, a), full_size(logits))

    return Comparison(
        sample=sample, prox_truth=proximity_from_depth(sample.depth, a),
        zero=maps(features.prox_zero, features.logits_zero),
        encoded=maps(*model.decode(features, *codes)),
        prox_b=full_size(features.prox_b)[0], features=features)


def require_same_classes(model: SceneCode, data: LabelledImages) -> None:
    """Raises ``DataError`` when a data set has nothing, or other classes than a model."""
    if not len(data):
        raise DataError("the data set has no images; check its split and its folder")
    if data.classes != model.classes:
        raise DataError("the data set and the model have different classes; evaluate with the "
                        "label set that the model was trained on")
