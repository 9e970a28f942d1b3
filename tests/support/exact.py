"""A predictor that is exact up to its codes, so that SLAM is tested apart from learning."""

import numpy as np
import torch
from torch import Tensor

from scenecode.networks.classes import NYU13, VOID
from scenecode.networks.prediction import Prediction, resize_maps
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import proximity_from_depth
from scenecode.slam.records.frame import Frame

AVERAGE_DEPTH = 2.0


def cosine_maps(count: int, width: int, height: int) -> Tensor:
    """The ``count`` lowest two-dimensional cosine waves, (count, H, W), amplitude 1."""
    order = sorted(((i, j) for i in range(count) for j in range(count)), key=lambda p: sum(p))
    u = (torch.arange(width) + 0.5) / width * np.pi
    v = (torch.arange(height) + 0.5) / height * np.pi
    return torch.stack([torch.cos(j * v)[:, None] * torch.cos(i * u)[None]
                        for i, j in order[:count]])


class ExactPredictor:
    """Truth minus ``J c`` for a random code c: the right code gives the truth back.

    Knows the frames it may be given by their pixels, which compression may have changed a little.
    """

    classes = NYU13

    def __init__(self, frames: list[Frame], code_size: int = 32, depth_error: float = 0.02,
                 logit_error: float = 0.3, seed: int = 0):
        self._frames = frames
        self._images = torch.stack([f.image for f in frames]).flatten(1)
        self.width, self.height = frames[0].camera.width, frames[0].camera.height
        self._size, self._seed = code_size, seed
        self._depth_error, self._logit_error = depth_error, logit_error

    def frame_of(self, image: Tensor) -> Frame:
        difference = (self._images - image.cpu().flatten()).abs().mean(1)
        return self._frames[int(difference.argmin())]

    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        frame = self.frame_of(image)
        g = torch.Generator().manual_seed(self._seed + frame.index)
        code_depth, code_semantic = torch.randn(2, self._size, generator=g)
        prox = proximity_from_depth(frame.truth.depth, AVERAGE_DEPTH)
        waves = cosine_maps(self._size, self.width, self.height)
        prox_J = self._depth_error * waves / (self._size / 4) ** 0.5
        h, w = self.height // 4, self.width // 4
        logits = self._true_logits(frame.truth.labels, w, h)
        mixing = torch.randn(len(NYU13), self._size, generator=g)
        logits_J = self._logit_error * mixing[..., None, None] * cosine_maps(self._size, w, h)
        return Prediction(
            prox_zero=prox - torch.einsum("khw,k->hw", prox_J, code_depth),
            prox_J_code=prox_J, prox_b=torch.full_like(prox, self._depth_error),
            logits_zero=logits - torch.einsum("ckhw,k->chw", logits_J, code_semantic),
            logits_J_code=logits_J, classes=NYU13, average_depth=AVERAGE_DEPTH)

    @staticmethod
    def _true_logits(labels: Tensor, width: int, height: int) -> Tensor:
        known = labels.long().clamp(max=len(NYU13) - 1)
        one_hot = torch.nn.functional.one_hot(known, len(NYU13)).permute(2, 0, 1).float()
        one_hot = one_hot * (labels != VOID)
        return 5 * resize_maps(one_hot, width, height)
