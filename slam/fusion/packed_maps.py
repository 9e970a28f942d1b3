"""Maps of numbers in few bytes: images of 8 or 16 bits in equal steps, as PNG or, with a loss, as
WebP files."""

from dataclasses import dataclass

import cv2
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
    #: of lossy WebP, for 255 steps; None for PNG
    quality: int | None = None

    def pack(self, values: Tensor) -> "PackedMap":
        """(h, w); a value out of range becomes the nearest in it."""
        step = (self.high - self.low) / self.steps
        numbers = (values.detach().cpu().double().numpy() - self.low) / step
        kind = np.uint16 if self.steps > 255 else np.uint8
        image = np.rint(numbers).clip(0, self.steps).astype(kind)
        if self.quality is None:
            return PackedMap(scale=self, data=png_bytes(image))
        return PackedMap(scale=self, data=cv2.imencode(
            ".webp", image, [cv2.IMWRITE_WEBP_QUALITY, self.quality])[1].tobytes())


@dataclass(frozen=True, eq=False)
class PackedMap:
    """A map (h, w), compressed."""

    scale: Scale
    #: an image file
    data: bytes

    def values(self) -> Tensor:
        """(h, w) float32."""
        step = (self.scale.high - self.scale.low) / self.scale.steps
        numbers = from_png_bytes(self.data) if self.scale.quality is None else \
            np.asarray(cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_GRAYSCALE))
        return torch.from_numpy((numbers * step + self.scale.low).astype(np.float32))


#: ln((1 - p) / p) of a proximity p, which is ln(depth / a).  Steps of 0.02 % of the depth: half of
#: that precision is lost at most, where 16-bit floating-point proximities would lose 0.5 %.
LOG_DEPTH = Scale(low=-7.0, high=7.0)
#: ln b of the Laplace scale, as the network predicts it
LOG_B = Scale(low=-24.0, high=8.0)
#: ln of the factor that corrects depth, by landmarks
CORRECTIONS = Scale(low=-6.0, high=6.0)
#: Both as images give them.  The root mean square of what is lost is half a percent of the depth,
#: and 8 % of b; map files hold these images, so that another scale needs a migration.
IMAGE_CORRECTIONS = Scale(low=-0.6375, high=0.6375, steps=255, quality=95)
IMAGE_LOG_B = Scale(low=-8.5, high=0.3, steps=255, quality=85)
