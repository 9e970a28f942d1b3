"""The shape of a network that classifies depth."""

from dataclasses import dataclass
from typing import Literal

from scenecode.core.errors import ConfigError
from scenecode.networks.families.geometry import Geometry
from scenecode.networks.layers.backbones import BackboneName, OutputStride, Padding
from scenecode.networks.layers.bins import Decoding, Spacing, bin_edges

#: Stride of the maps of a prediction; scores are enlarged to it.
PREDICTION_STRIDE = 4


@dataclass(frozen=True)
class DepthBinsConfig:
    """Everything that decides the shape of the network; stored in its checkpoint.

    The defaults are the network of the paper for KITTI.
    """

    #: the family, by which a checkpoint is known
    architecture: Literal["depth_bins"] = "depth_bins"
    backbone: BackboneName = "resnet101"
    padding: Padding = "torch"
    #: keep the encoder's batch norm at its loaded statistics
    frozen_norm: bool = False
    output_stride: OutputStride = 8
    #: image size in pixels, multiples of 4; inside it is continued to multiples of the output
    #: stride, never rescaled, because depth depends on the focal length
    width: int = 800
    height: int = 420
    #: rates of the atrous pyramid
    pyramid_rates: tuple[int, ...] = (6, 12, 18, 24)
    #: channels of two more layers of each classifier of the pyramid; 0 for none
    hidden_channels: int = 0
    dropout: float = 0.0
    #: bins of even width in log depth (sid) or in depth (ud), their number and range in metres
    spacing: Spacing = "sid"
    bins: int = 71
    min_depth: float = 1.0
    max_depth: float = 80.0
    #: depth from the distribution over bins: the most likely one or the mean of log depth
    decode: Decoding = "argmax"
    #: focal length in pixels at ``width`` for which depth is learnt
    canonical_focal: float = 721.54
    #: ``a`` of proximity in metres at that focal length, for mapping
    average_depth: float = 15.0

    def __post_init__(self) -> None:
        if self.width % PREDICTION_STRIDE or self.height % PREDICTION_STRIDE:
            raise ConfigError(f"width and height must be multiples of {PREDICTION_STRIDE}, "
                              f"got {self.width}x{self.height}")
        if min(self.average_depth, self.canonical_focal) <= 0:
            raise ConfigError("average_depth and canonical_focal must be positive")
        bin_edges(self.spacing, self.min_depth, self.max_depth, self.bins)

    @property
    def geometry(self) -> Geometry:
        """Image size and depth range."""
        return Geometry(width=self.width, height=self.height,
                        canonical_focal=self.canonical_focal, average_depth=self.average_depth,
                        max_depth=self.max_depth)
