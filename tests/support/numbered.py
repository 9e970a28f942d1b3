"""A data set whose samples say which they are."""

import torch

from scenecode.core.errors import DataError
from scenecode.networks.classes import NYU13, ClassSet
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

WIDTH, HEIGHT = 16, 12


class Numbered:
    """Sample i has red i / 255, green ``tint`` / 255, depth i / 8 metres and label i mod 13."""

    def __init__(self, length: int, tint: int = 0, classes: ClassSet = NYU13,
                 broken: int | None = None):
        self.length, self.tint, self.classes, self.broken = length, tint, classes, broken
        #: indices in the order of the requests
        self.reads: list[int] = []

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        self.reads.append(index)
        if index == self.broken:
            raise DataError(f"{index}.png: cannot be decoded")
        image = torch.zeros(3, HEIGHT, WIDTH)
        image[0], image[1] = index / 255, self.tint / 255
        return Sample(image=image, depth=torch.full((HEIGHT, WIDTH), index / 8),
                      labels=torch.full((HEIGHT, WIDTH), index % 13, dtype=torch.uint8),
                      camera=PinholeCamera(15.0 + index, 15.0, 7.5, 5.5, WIDTH, HEIGHT),
                      name=f"numbered/{index}")
