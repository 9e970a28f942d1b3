"""One labelled image, as every data set gives it."""

from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from scenecode.networks.classes import ClassSet
from scenecode.optim.geometry.camera import PinholeCamera


@dataclass(frozen=True)
class Sample:
    """An image with depth and labels, all of one size."""

    #: (3, H, W) float32 in [0, 1]
    image: Tensor
    #: (H, W) float32, z in metres, 0 where unknown
    depth: Tensor
    #: (H, W) uint8 class ids, ``scenecode.networks.classes.VOID`` where unknown
    labels: Tensor
    camera: PinholeCamera
    #: where it came from, for messages
    name: str = ""

    def with_depth_up_to(self, max_depth: float) -> "Sample":
        """The sample with depth beyond ``max_depth`` metres unknown."""
        if self.depth.max() <= max_depth:
            return self
        return replace(self, depth=self.depth.where(self.depth <= max_depth, 0.0))


class LabelledImages(Protocol):
    """A data set: indexable, of known length, one class set."""

    classes: ClassSet

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...
