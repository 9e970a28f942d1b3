"""The images of a sequence as they are stored: their common size, and their range of values."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError, SourceError
from scenecode.core.images import read_deep_rgb
from scenecode.slam.sources.base.image_files import IMAGE_SUFFIXES

#: Images that tell what all of them are like, spread over the sequence.
_SAMPLES = 9
#: Bits of a value that sensors give.
_BITS = (8, 10, 12, 14, 16)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredImages:
    """What the images of a sequence have in common."""

    #: size of the majority
    width: int
    height: int
    #: bits of 16-bit images that are used: one scale for all images, so that brightness is
    #: constant
    bits: int

    def read(self, path: Path) -> np.ndarray:
        """(H, W, 3) uint8 RGB; ``DataError`` for a file that is missing, cannot be decoded, or
        has another size."""
        rgb = read_deep_rgb(path)
        if rgb.shape[:2] != (self.height, self.width):
            raise DataError(f"{path} is {rgb.shape[1]}x{rgb.shape[0]}, the sequence is "
                            f"{self.width}x{self.height}")
        if rgb.dtype == np.uint8:
            return rgb
        return (rgb >> (self.bits - 8)).clip(max=255).astype(np.uint8)


def inspect_images(name: str, files: Sequence[Path]) -> StoredImages:
    """Size and used bits of the images of sequence ``name``, from some of them.

    Raises ``SourceError`` when there is no image that can be read.
    """
    if not files:
        raise SourceError(f"{name}: no images; give a folder with "
                          f"{', '.join(sorted(IMAGE_SUFFIXES))} files")
    images = _samples(name, files)
    (height, width), _ = Counter(image.shape[:2] for image in images).most_common(1)[0]
    deep = [int(image.max()) for image in images if image.dtype != np.uint8]
    bits = next(b for b in _BITS if max(deep, default=0) < 2 ** b)
    if deep and bits < 16:
        _log.warning("%s: its 16-bit images use %d bits; 0 to %d is taken for black to white",
                     name, bits, 2 ** bits - 1)
    return StoredImages(width, height, bits)


def _samples(name: str, files: Sequence[Path]) -> list[np.ndarray]:
    """Some images that can be read, at least one, spread over the sequence."""
    chosen = sorted(set(np.linspace(0, len(files) - 1, _SAMPLES).round().astype(int).tolist()))
    images, error = [], None
    for index in chosen:
        try:
            images.append(read_deep_rgb(files[index]))
        except DataError as failure:
            error = error or failure
    if images:
        return images
    for path in files:
        try:
            return [read_deep_rgb(path)]
        except DataError:
            continue
    raise SourceError(f"{name}: none of its {len(files)} images can be read ({error}); "
                      "check that the files are complete")
