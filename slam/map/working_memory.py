"""Working memory: images, predictions and Jacobians of the keyframes used last.

A resting keyframe is a compressed image and codes, about 60 kB; the prediction of a network for it
with all Jacobians is a hundred times as large, and is computed again when it is needed.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.networks.prediction import (
    Prediction,
    Predictor,
    checked_prediction,
    resize_maps,
)
from scenecode.networks.pseudo_codes import with_pseudo_codes
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging import image as imaging
from scenecode.slam.map.stored_image import StoredImage
from scenecode.slam.records.frame import PYRAMID_LEVELS

#: Keyframes whose maps are kept, about 8 MB each at 256x192 pixels.
CAPACITY = 24
#: Pixels by which the mask of things that move exceeds their labels, whose edges are uncertain.
_MASK_MARGIN = 2
#: Laplace scale of proximity, which is at most 1, where nothing is known.
UNKNOWN_B = 1.0

T = TypeVar("T")


class KeyframeMaps:
    """The decoded image of a keyframe and the prediction for it, at the scale of the network."""

    def __init__(self, rgb: Tensor, prediction: Prediction, moving: Tensor | None = None):
        #: (3, H, W) float32 in [0, 1]
        self.rgb = rgb
        self.prediction = prediction
        #: (H, W) bool, whether a pixel shows something that may move; None where none does
        self.moving = moving
        self._derived: dict[Any, Any] = {}

    @cached_property
    def pyramid(self) -> tuple[Tensor, ...]:
        """Intensity (H, W) at ``PYRAMID_LEVELS`` resolutions, full resolution first."""
        return tuple(imaging.pyramid(imaging.intensity(self.rgb), PYRAMID_LEVELS))

    def derived(self, key: Any, compute: Callable[[], T]) -> T:
        """A value that depends on nothing but these maps: computed once, kept as long as they."""
        if key not in self._derived:
            self._derived[key] = compute()
        return self._derived[key]


class WorkingMemory:
    """The maps of the ``capacity`` keyframes used last.  May be used by several threads."""

    def __init__(self, predictor: Predictor, device: torch.device | str = "cpu",
                 capacity: int = CAPACITY, mask_moving: bool = False):
        """To ``mask_moving`` is to mark pixels of ``MOVING_CLASSES`` and to hold their depth to be
        unknown."""
        self.predictor = predictor
        self._masked = predictor.classes.moving if mask_moving else []
        #: whether predictions without a depth code get pseudo-codes
        self.pseudo_codes = True
        self._device = device
        self._capacity = capacity
        self._lock = threading.RLock()
        #: least recently used first; guarded by _lock
        self._maps: OrderedDict[StoredImage, KeyframeMaps] = OrderedDict()

    def __len__(self) -> int:
        return len(self._maps)

    @property
    def masks_moving(self) -> bool:
        """Whether maps may say that pixels show something that may move."""
        return bool(self._masked)

    def maps(self, image: StoredImage, camera: PinholeCamera) -> KeyframeMaps:
        """The maps of a keyframe, predicted again if they were dropped.

        Raises ``PredictionError`` for an answer of the network that cannot be used.
        """
        with self._lock:
            maps = self._maps.get(image)
            if maps is None:
                maps = self._maps[image] = self._predicted(image, camera)
                while len(self._maps) > self._capacity:
                    self._maps.popitem(last=False)
            self._maps.move_to_end(image)
            return maps

    def _predicted(self, image: StoredImage, camera: PinholeCamera) -> KeyframeMaps:
        rgb = image.tensor(self._device)
        with torch.inference_mode():
            prediction = checked_prediction(self.predictor, rgb, camera)
            if self.pseudo_codes:
                prediction = with_pseudo_codes(prediction)
            moving = moving_pixels(prediction, self._masked, *rgb.shape[:0:-1])
            if moving is not None:
                h, w = prediction.prox_b.shape
                hidden = resize_maps(moving[None].to(prediction.prox_b), w, h)[0] > 0
                prediction = replace(prediction, prox_b=torch.where(
                    hidden, UNKNOWN_B, prediction.prox_b))
        # inference tensors may not be mixed into later in-place work; clones may
        return KeyframeMaps(rgb, prediction.detached(),
                            None if moving is None else moving.clone())


def moving_pixels(prediction: Prediction, classes: Sequence[int], width: int,
                  height: int) -> Tensor | None:
    """(height, width) bool: the pixels that the network gives one of ``classes``, and those around
    them; None where there are none."""
    if not len(classes):
        return None
    labels = prediction.logits_zero.argmax(0)
    found = torch.isin(labels, torch.tensor(classes, device=labels.device))
    if not bool(found.any()):
        return None
    at_size = F.interpolate(found[None, None].float(), (height, width), mode="nearest-exact")
    return F.max_pool2d(at_size, 2 * _MASK_MARGIN + 1, 1, _MASK_MARGIN)[0, 0] > 0
