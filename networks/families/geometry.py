"""The images that a network takes, and the depth that it was taught."""

from dataclasses import dataclass
from math import inf

from scenecode.core.errors import ConfigError
from scenecode.optim.geometry.camera import PinholeCamera

#: The depths that a network tells apart well, as multiples of its average depth.
NEAREST, FARTHEST = 1 / 8, 16.0
#: Average depth in metres from which on a network is one of streets.
OUTDOOR_DEPTH = 5.0


@dataclass(frozen=True)
class Geometry:
    """Image size and depth range; one image cannot tell focal length from distance, so depth is
    learnt for one focal length and scaled by that of the camera over it."""

    #: image size in pixels
    width: int
    height: int
    #: focal length in pixels, at ``width``, for which depth is learnt
    canonical_focal: float
    #: ``a`` of proximity in metres at the canonical focal length (SceneCode, section 3.1)
    average_depth: float
    #: depth in metres beyond which truth is neither learnt nor scored
    max_depth: float = inf

    def __post_init__(self) -> None:
        if min(self.average_depth, self.canonical_focal, self.max_depth) <= 0:
            raise ConfigError("average_depth, canonical_focal and max_depth must be positive")

    @property
    def depth_range(self) -> tuple[float, float]:
        """Metres between which a network of the canonical focal length is of use."""
        farthest = min(self.average_depth * FARTHEST, self.max_depth)
        return self.average_depth * NEAREST, farthest

    @property
    def is_outdoor(self) -> bool:
        """Whether depths are those of streets rather than of rooms."""
        return self.average_depth >= OUTDOOR_DEPTH

    def average_depth_for(self, camera: PinholeCamera) -> float:
        """``a`` in metres for images of ``camera``, which must be of this size."""
        return self.average_depth * camera.focal / self.canonical_focal

    def canonical_camera(self) -> PinholeCamera:
        """A camera of this image size and the canonical focal length."""
        return PinholeCamera.centred(self.canonical_focal, self.width, self.height)
