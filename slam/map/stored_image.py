"""The image of a keyframe as it is kept: compressed."""

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.errors import DataError
from scenecode.core.images import image_tensor, image_to_uint8

#: JPEG quality at which intensities stay well below the noise of a camera; about 20 kB at network
#: size, where lossless formats need 65 to 95 kB.
QUALITY = 95


class StoredImage:
    """A JPEG image.  Everything about a keyframe is computed from its decoded pixels, so that what
    is computed again later is the same."""

    def __init__(self, jpeg: bytes, width: int, height: int):
        self.jpeg = jpeg
        self.width, self.height = width, height

    @staticmethod
    def of(image: Tensor) -> "StoredImage":
        """Compress an image (3, H, W) in [0, 1]."""
        pixels = image_to_uint8(image)
        _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR),
                               [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return StoredImage(data.tobytes(), pixels.shape[1], pixels.shape[0])

    def pixels(self) -> np.ndarray:
        """(H, W, 3) uint8 red, green, blue.  Raises ``DataError`` for bytes that are no JPEG image
        of this size."""
        data = np.frombuffer(self.jpeg, np.uint8)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if bgr is None or bgr.shape[:2] != (self.height, self.width):
            raise DataError(f"the image of a keyframe is no JPEG of {self.width}x{self.height}")
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    def tensor(self, device: torch.device | str = "cpu") -> Tensor:
        """(3, H, W) float32 in [0, 1]; raises as ``pixels``."""
        return image_tensor(self.pixels()).to(device)
