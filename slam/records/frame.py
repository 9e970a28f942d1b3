"""One image on its way into the system, with whatever truth is known about it."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from scenecode.networks.classes import ClassSet
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging import image as imaging

#: Resolutions at which a frame is tracked and mapped, each half of the one before.
PYRAMID_LEVELS = 4


@dataclass(frozen=True)
class GroundTruth:
    """Known facts about a frame; any may be absent.  Used by evaluation only."""

    #: (4, 4) float64
    T_world_cam: Tensor | None = None
    #: (H, W) float32, z in metres, 0 where unknown
    depth: Tensor | None = None
    #: (H, W) uint8 class ids, ``scenecode.networks.classes.VOID`` where unknown
    labels: Tensor | None = None
    #: what the labels stand for; None: the classes of the network
    classes: ClassSet | None = None
    #: (H, W) bool, where something is seen that moves in the world
    moving: Tensor | None = None


@dataclass(frozen=True)
class Frame:
    """An undistorted image at network size with the camera that fits it."""

    #: position in the source, from 0; a skipped image leaves a gap
    index: int
    #: seconds
    timestamp: float
    #: (3, H, W) float32 in [0, 1]
    image: Tensor
    #: ideal pinhole of this very image
    camera: PinholeCamera
    truth: GroundTruth | None = None
    #: whether the camera is that of a data set or of a renderer, rather than given by a user,
    #: measured or guessed
    camera_is_known: bool = False
    #: metres over level ground, where that is known
    camera_height: float | None = None

    @cached_property
    def pyramid(self) -> tuple[Tensor, ...]:
        """Intensity (H, W) in [0, 1] at ``PYRAMID_LEVELS`` resolutions, full resolution first;
        computed at the first access, and shared by tracking and mapping."""
        return tuple(imaging.pyramid(imaging.intensity(self.image), PYRAMID_LEVELS))
