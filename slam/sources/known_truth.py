"""A source whose own truth stands for the answers of a network."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.core.errors import PredictionError
from scenecode.networks.classes import VOID, ClassSet
from scenecode.networks.prediction import Prediction
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.base.source import ContinuedSource, Source

#: Standard deviation of depth over depth.
_RELATIVE_STD = 0.02
#: Depth of pixels whose depth is not known, as of the sky, metres; half of it is its standard
#: deviation.
_FAR = 200.0
#: Logit of the true class; those of the others are 0.
_LOGIT = 8.0
#: Size of the images by which frames are told apart: compression changes them hardly.
_THUMBNAIL = (12, 32)
#: The ``a`` of proximity, metres.
_AVERAGE_DEPTH = 10.0


class KnownTruth(ContinuedSource):
    """The frames of a source with true depth and labels, and a ``Predictor`` that answers with
    these: for runs that show everything but a network."""

    def __init__(self, source: Source, classes: ClassSet, width: int, height: int):
        super().__init__(source)
        self.classes = classes
        self.width, self.height = width, height
        self._thumbnails: list[Tensor] = []
        #: depth in metres and labels of the frames that were given out
        self._truth: list[tuple[np.ndarray, np.ndarray]] = []

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            self._remember(frame)
            yield frame

    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """The truth of the frame that has this image.  Raises ``PredictionError`` before the
        first frame with truth."""
        if not self._thumbnails:
            raise PredictionError(f"{self.name} has no true depth and labels yet")
        differences = (torch.stack(self._thumbnails) - _thumbnail(image)).abs().flatten(1).mean(1)
        depth, labels = self._truth[int(differences.argmin())]
        is_known = depth > 0
        metres = np.where(is_known, depth, _FAR).astype(np.float32)
        std = metres * np.where(is_known, _RELATIVE_STD, 0.5).astype(np.float32)
        is_labelled = labels != VOID
        one_hot = F.one_hot(torch.from_numpy(np.where(is_labelled, labels, 0)).long(),
                            len(self.classes)).permute(2, 0, 1).float()
        logits = _LOGIT * one_hot * torch.from_numpy(is_labelled)
        return Prediction.without_codes(metres, std, logits, self.classes, _AVERAGE_DEPTH)

    def _remember(self, frame: Frame) -> None:
        truth = frame.truth
        if truth is None or truth.depth is None or truth.labels is None:
            return
        self._thumbnails.append(_thumbnail(frame.image))
        self._truth.append((truth.depth.numpy().astype(np.float16),
                            truth.labels.numpy().astype(np.uint8)))


def _thumbnail(image: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(image.detach().cpu()[None], _THUMBNAIL)[0]
