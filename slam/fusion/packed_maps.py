"""Maps of numbers in few bytes: PNG images of 8 or 16 bits in equal steps."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scenecode.core.images import from_png_bytes, png_bytes


@dataclass(frozen=True)
class Scale:
    """Numbers as integers: ``low`` and ``steps`` equal steps up to ``high``."""

    low: float
    high: float
    steps: int = 65535

    def pack(self, values: Tensor) -> "PackedMap":
        """(h, w); a value out of range becomes the nearest in it."""
        step = (self.high - self.low) / self.steps
        numbers = (values.detach().cpu().double().numpy() - self.low) / step
        kind = np.uint16 if self.steps > 255 else np.uint8
        return PackedMap(scale=self, png=png_bytes(
            np.rint(numbers).clip(0, self.steps).astype(kind)))


@dataclass(frozen=True, eq=False)
class PackedMap:
    """A map (h, w), compressed."""

    scale: Scale
    png: bytes

    def values(self) -> Tensor:
        """(h, w) float32."""
        step = (self.scale.high - self.scale.low) / self.scale.steps
        return torch.from_numpy(
            (from_png_bytes(self.png) * step + self.scale.low).astype(np.float32))


#: ln((1 - p) / p) of a proximity p, which is ln(depth / a).  Steps of 0.02 % of the depth: half of
#: that precision is lost at most, where 16-bit floating-point proximities would lose 0.5 %.
LOG_DEPTH = Scale(low=-7.0, high=7.0)
#: ln b of the Laplace scale, as the network predicts it, and as images give it
LOG_B, COARSE_LOG_B = Scale(low=-24.0, high=8.0), Scale(low=-15.0, high=0.3, steps=255)
#: ln of the factor that corrects depth, by landmarks, and by images in steps of half a percent
CORRECTIONS, COARSE_CORRECTIONS = Scale(low=-6.0, high=6.0), \
    Scale(low=-0.6375, high=0.6375, steps=255)
