"""The shape of a SceneCode network."""

from dataclasses import dataclass
from typing import Literal

from scenecode.core.errors import ConfigError
from scenecode.networks.families.geometry import Geometry
from scenecode.networks.layers.backbones import BackboneName, Padding

#: The coarsest stride of every backbone.
MAX_STRIDE = 32
#: Stride of the feature maps that the heads work at.
FEATURE_STRIDE = 4


@dataclass(frozen=True)
class SceneCodeConfig:
    """Everything that decides the shape of the network; stored in its checkpoint."""

    #: the family, by which a checkpoint is known
    architecture: Literal["scenecode"] = "scenecode"
    backbone: BackboneName = "mobilenetv2"
    padding: Padding = "torch"
    #: keep the encoder's batch norm at its loaded statistics
    frozen_norm: bool = False
    #: image size in pixels, multiples of 32
    width: int = 256
    height: int = 192
    #: entries of the two codes; 0 for a network without
    depth_code: int = 32
    semantic_code: int = 32
    #: heads affine in the code, or the paper's non-linear comparison, for evaluation only
    decoder: Literal["linear", "nonlinear"] = "linear"
    #: decoder channels, residual units before the fusion and pooling blocks after it,
    #: from stride 4 to stride 32
    decoder_channels: tuple[int, int, int, int] = (64, 64, 96, 128)
    residual_units: tuple[int, int, int, int] = (1, 1, 1, 1)
    pooling_blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    #: channels of the recognition models, from stride 4 down by 2 each
    recognition_channels: tuple[int, ...] = (32, 64, 96, 128)
    #: ``a`` of proximity in metres at the canonical focal length (paper section 3.1)
    average_depth: float = 2.0
    #: focal length in pixels at ``width`` for which depth is learnt
    canonical_focal: float = 237.0

    def __post_init__(self) -> None:
        if self.width % MAX_STRIDE or self.height % MAX_STRIDE:
            raise ConfigError(f"width and height must be multiples of {MAX_STRIDE}, "
                              f"got {self.width}x{self.height}")
        if min(self.depth_code, self.semantic_code) < 0:
            raise ConfigError("depth_code and semantic_code must not be negative")
        if self.decoder == "nonlinear" and not min(self.depth_code, self.semantic_code):
            raise ConfigError("a non-linear decoder needs codes; set depth_code and "
                              "semantic_code above 0, or decoder: linear")
        if min(self.average_depth, self.canonical_focal) <= 0:
            raise ConfigError("average_depth and canonical_focal must be positive")

    @property
    def geometry(self) -> Geometry:
        """Image size and depth range."""
        return Geometry(width=self.width, height=self.height,
                        canonical_focal=self.canonical_focal, average_depth=self.average_depth)
