"""A network that answers in another label set than its own, so that it can be scored in that of
a data set."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.core.errors import DataError
from scenecode.networks.classes import VOID, ClassSet
from scenecode.networks.data.base.translation import class_names
from scenecode.networks.families.network import Answer, Network
from scenecode.networks.prediction import Prediction
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

#: Probability of a class that none of the network's own is part of.
_LEAST = 1e-12


class Translated(Network):
    """``network`` with the probabilities of its classes added up to those of ``classes``, matched
    as ``scenecode.networks.data.relabelled.Relabelled`` matches labels; what has no counterpart
    is left out.

    Raises ``DataError`` when nothing has one.
    """

    def __init__(self, network: Network, classes: ClassSet):
        super().__init__(network.config, classes)
        self.network = network
        names = class_names(network.classes, classes)
        self._parts = torch.tensor([[name == own for name in names]
                                    for own in classes.names]).float()
        if not self._parts.any():
            raise DataError(f"none of the network's classes {', '.join(network.classes.names)} "
                            f"is one of {', '.join(classes.names)}; choose another --classes")

    @torch.no_grad()
    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """That of the network without a semantic code, whose meaning is the network's own."""
        prediction = self.network.predict(image, camera)
        logits = self._translated(prediction.logits_zero)
        return replace(prediction, logits_zero=logits, classes=self.classes,
                       logits_J_code=logits.new_zeros(len(logits), 0, *logits.shape[1:]))

    @torch.no_grad()
    def answers(self, sample: Sample) -> dict[str, Answer]:
        """Those of the network, to which the labels, of another set, are unknown."""
        unlabelled = replace(sample, labels=torch.full_like(sample.labels, VOID))
        return {name: answer if answer.logits is None
                else replace(answer, logits=self._translated(answer.logits))
                for name, answer in self.network.answers(unlabelled).items()}

    def _translated(self, logits: Tensor) -> Tensor:
        """Logits (C, H, W) to log probabilities (C', H, W)."""
        summed = torch.einsum("ij,jhw->ihw", self._parts.to(logits), logits.softmax(0))
        return F.normalize(summed.clamp(min=_LEAST), p=1, dim=0).log()
