"""A labelled image and the answers of a network to it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.core.errors import DataError
from scenecode.networks.families.network import Answer, Network
from scenecode.networks.sample import LabelledImages, Sample
from scenecode.optim.geometry.proximity import proximity_from_depth


@dataclass(frozen=True)
class Comparison:
    """One labelled image and all answers to it."""

    #: whose depth beyond the network's range is unknown
    sample: Sample
    #: (H, W) true proximity, meaningless where depth is unknown
    prox_truth: Tensor
    #: as ``Network.answers`` gives them; the first uses the image alone
    answers: dict[str, Answer]

    @property
    def of_image(self) -> Answer:
        """The answer that uses the image alone."""
        return next(iter(self.answers.values()))


def compare(model: Network, sample: Sample) -> Comparison:
    """Run ``model``, in evaluation mode, on a labelled image.

    Raises ``DataError`` when the image is not of the model's size.
    """
    if sample.image.shape[1:] != (model.height, model.width):
        raise DataError(f"{sample.name}: is {tuple(sample.image.shape)}, the model takes "
                        f"{model.width}x{model.height}; open the data set at that size")
    sample = sample.with_depth_up_to(model.geometry.max_depth)
    a = model.geometry.average_depth_for(sample.camera)
    with torch.no_grad():
        answers = model.answers(sample)
    return Comparison(sample=sample, prox_truth=proximity_from_depth(sample.depth, a),
                      answers=answers)


def require_same_classes(model: Network, data: LabelledImages) -> None:
    """Raises ``DataError`` when a data set has nothing, or other classes than a model has."""
    if not len(data):
        raise DataError("the data set has no images; check its split and its folder")
    if model.predicts_labels and data.classes != model.classes:
        raise DataError("the data set and the model have different classes; evaluate with the "
                        "label set that the model was trained on")
