"""The prediction of a network for one image, and the protocol of predictors."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.core.errors import PredictionError
from scenecode.networks.classes import ClassSet
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import (
    depth_from_proximity,
    proximity_from_depth,
    proximity_scale,
)

#: The maps of a prediction.
_MAPS = ("prox_zero", "prox_J_code", "prox_b", "logits_zero", "logits_J_code")
#: Relative difference between the shape of maps and of the image: feature maps are rounded.
_ASPECT_TOLERANCE = 0.2


@dataclass(frozen=True)
class Prediction:
    """Proximity and logits of one image, each linear in its code (equations 1 and 2).

    Maps cover the whole field of view at any resolution (a network gives its feature
    resolution; ``resized`` gives another).  ``h, w`` of proximity and of logits may differ.
    """

    #: (h, w) proximity at zero code, D0(I)
    prox_zero: Tensor
    #: (Kd, h, w) derivative of proximity by the depth code, J_d(I); Kd may be 0
    prox_J_code: Tensor
    #: (h, w) Laplace scale b of the proximity, as predicted
    prox_b: Tensor
    #: (C, h, w) logits at zero code, S0(I)
    logits_zero: Tensor
    #: (C, Ks, h, w) derivative of the logits by the semantic code, J_s(I); Ks may be 0
    logits_J_code: Tensor
    #: the label set of the C logits
    classes: ClassSet
    #: the ``a`` of proximity in metres, already scaled by focal length over the canonical one
    average_depth: float

    @staticmethod
    def without_codes(depth: Tensor | np.ndarray, depth_std: Tensor | np.ndarray,
                      logits: Tensor | np.ndarray, classes: ClassSet,
                      average_depth: float = 2.0) -> "Prediction":
        """Of a network that has no codes: ``depth`` and its standard deviation (h, w) in metres,
        ``logits`` (C, h, w).  Mapping then corrects depth by a scale and tilts alone
        (``scenecode.networks.pseudo_codes``) and fuses labels as they are.

        Raises ``PredictionError`` for depths or standard deviations that are not positive
        finite numbers, and for two of different size.
        """
        depth, depth_std, logits = (torch.as_tensor(maps).detach().float()
                                    for maps in (depth, depth_std, logits))
        for name, metres in (("depth", depth), ("depth_std", depth_std)):
            if not ((metres > 0) & metres.isfinite()).all():
                raise PredictionError(f"{name} of a network must be positive and finite at every "
                                      "pixel; give unknown pixels a large depth_std")
        if depth.shape != depth_std.shape:
            raise PredictionError(f"depth {tuple(depth.shape)} and depth_std "
                                  f"{tuple(depth_std.shape)} must have one shape (H, W)")
        prox = proximity_from_depth(depth, average_depth)
        b = proximity_scale(depth_std, depth, average_depth)
        return Prediction(prox_zero=prox, prox_J_code=prox.new_zeros(0, *prox.shape), prox_b=b,
                          logits_zero=logits,
                          logits_J_code=logits.new_zeros(len(logits), 0, *logits.shape[1:]),
                          classes=classes, average_depth=average_depth)

    @property
    def depth_code_size(self) -> int:
        return self.prox_J_code.shape[0]

    @property
    def semantic_code_size(self) -> int:
        return self.logits_J_code.shape[1]

    def proximity(self, code: Tensor | None = None) -> Tensor:
        """(h, w) proximity at a code (Kd,), zero when absent."""
        if code is None or not self.depth_code_size:
            return self.prox_zero
        return self.prox_zero + torch.einsum("khw,k->hw", self.prox_J_code, code)

    def depth(self, code: Tensor | None = None) -> Tensor:
        """(h, w) depth in metres at a code (Kd,)."""
        return depth_from_proximity(self.proximity(code), self.average_depth)

    def logits(self, code: Tensor | None = None) -> Tensor:
        """(C, h, w) logits at a code (Ks,), zero when absent."""
        if code is None or not self.semantic_code_size:
            return self.logits_zero
        return self.logits_zero + torch.einsum("ckhw,k->chw", self.logits_J_code, code)

    def decode(self, code_depth: Tensor | None = None,
               code_semantic: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Proximity (h, w) and logits (C, h, w) at the two codes."""
        return self.proximity(code_depth), self.logits(code_semantic)

    def resized(self, width: int, height: int) -> "Prediction":
        """All maps resampled to one size; linear, so derivatives stay derivatives."""
        C, K = self.logits_J_code.shape[:2]
        logits_J = resize_maps(self.logits_J_code.flatten(0, 1), width, height)
        return replace(
            self,
            prox_zero=resize_maps(self.prox_zero[None], width, height)[0],
            prox_J_code=resize_maps(self.prox_J_code, width, height),
            prox_b=resize_maps(self.prox_b[None], width, height)[0],
            logits_zero=resize_maps(self.logits_zero, width, height),
            logits_J_code=logits_J.unflatten(0, (C, K)),
        )

    def to(self, device) -> "Prediction":
        """The same prediction with every map on another device."""
        return replace(self, prox_zero=self.prox_zero.to(device),
                       prox_J_code=self.prox_J_code.to(device), prox_b=self.prox_b.to(device),
                       logits_zero=self.logits_zero.to(device),
                       logits_J_code=self.logits_J_code.to(device))

    def detached(self) -> "Prediction":
        """A copy that takes no part in autograd or inference mode."""
        return replace(self, **{name: getattr(self, name).clone().detach() for name in _MAPS})


class Predictor(Protocol):
    """``image -> Prediction``.  A network without codes returns empty Jacobians
    (``Prediction.without_codes``)."""

    #: label set of the logits
    classes: ClassSet
    #: the image size that ``predict`` takes
    width: int
    height: int

    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """``image`` (3, height, width) float in [0, 1], seen by ``camera`` (same size)."""
        ...


def checked_prediction(predictor: Predictor, image: Tensor, camera: PinholeCamera) -> Prediction:
    """``predictor.predict(image, camera)`` in float32, for predictors of any origin.

    Raises ``PredictionError`` for an answer that is no ``Prediction``, whose
    maps have other shapes than ``Prediction`` states, or hold numbers that are not finite.
    """
    answer = predictor.predict(image, camera)
    name = type(predictor).__name__
    if not isinstance(answer, Prediction):
        raise PredictionError(f"{name}.predict must return a Prediction (see "
                              f"Prediction.without_codes), not {type(answer).__name__}")
    maps = {key: getattr(answer, key) for key in _MAPS}
    for key, value in maps.items():
        if not isinstance(value, Tensor):
            raise PredictionError(f"{name}.predict: {key} must be a torch tensor, not "
                                  f"{type(value).__name__}")
    _require_shapes(name, maps, len(answer.classes), camera)
    for key, value in maps.items():
        if not value.float().sum().isfinite():
            raise PredictionError(f"{name}.predict: {key} holds numbers that are not finite; "
                                  "check the network and what it was given")
    if all(value.dtype == torch.float32 for value in maps.values()):
        return answer
    return replace(answer, **{key: value.float() for key, value in maps.items()})


def _require_shapes(name: str, maps: dict[str, Tensor], classes: int,
                    camera: PinholeCamera) -> None:
    shapes = {key: tuple(value.shape) for key, value in maps.items()}
    hw, logits = shapes["prox_zero"], shapes["logits_zero"]
    fits = len(hw) == 2 and len(logits) == 3 and logits[0] == classes \
        and shapes["prox_b"] == hw \
        and len(shapes["prox_J_code"]) == 3 and shapes["prox_J_code"][1:] == hw \
        and len(shapes["logits_J_code"]) == 4 \
        and (shapes["logits_J_code"][0], *shapes["logits_J_code"][2:]) == logits
    if not fits:
        raise PredictionError(f"{name}.predict: shapes {shapes}; they must be (h, w), (Kd, h, w), "
                              f"(h, w), ({classes}, h, w) and ({classes}, Ks, h, w), for the "
                              f"{classes} classes of its label set")
    for h, w in (hw, logits[1:]):
        ratio = w * camera.height / max(h * camera.width, 1)
        if abs(ratio - 1) > _ASPECT_TOLERANCE:
            raise PredictionError(f"{name}.predict: maps of {w}x{h} do not cover an image of "
                                  f"{camera.width}x{camera.height}; keep its aspect, rows first")


def resize_maps(maps: Tensor, width: int, height: int) -> Tensor:
    """(N, h, w) to (N, height, width): bilinear, pixel areas kept (``align_corners=False``),
    pixel areas averaged when shrinking by a whole factor."""
    h, w = maps.shape[-2:]
    if (h, w) == (height, width) or maps.shape[0] == 0:
        return maps if (h, w) == (height, width) else maps.new_zeros(0, height, width)
    if h % height == 0 and w % width == 0:
        return F.avg_pool2d(maps[None], (h // height, w // width))[0]
    return F.interpolate(maps[None], (height, width), mode="bilinear", align_corners=False)[0]
