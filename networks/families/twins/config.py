"""The shape of a network with two different decoders."""

from dataclasses import dataclass
from math import log1p
from typing import Literal

from scenecode.core.errors import ConfigError
from scenecode.networks.families.geometry import Geometry
from scenecode.networks.layers.backbones import BackboneName, OutputStride, Padding
from scenecode.networks.layers.upprojection import UpsamplingName

#: Stride of the feature maps that label, and of the depth features that they are joined with.
LABEL_STRIDE = 4


@dataclass(frozen=True)
class TwinsConfig:
    """Everything that decides the shape of the network; stored in its checkpoint.

    The defaults are the network of the paper for Cityscapes at half its size.
    """

    #: the family, by which a checkpoint is known
    architecture: Literal["twins"] = "twins"
    backbone: BackboneName = "resnet50"
    padding: Padding = "torch"
    #: keep the encoder's batch norm at its loaded statistics
    frozen_norm: bool = False
    output_stride: OutputStride = 16
    #: image size in pixels, multiples of the output stride
    width: int = 1024
    height: int = 512
    #: channels of each branch of the two atrous pyramids, and their rates
    pyramid_channels: int = 256
    pyramid_rates: tuple[int, ...] = (6, 12, 18)
    #: blocks of the depth decoder and the channels of each; each doubles the resolution
    upsampling: UpsamplingName = "fast"
    depth_channels: tuple[int, ...] = (128, 64, 32, 16)
    #: channels by which the depth decoder's features at stride 4 enter the semantic decoder
    #: through a 3x3 convolution; 0 for separate decoders
    connection_channels: int = 48
    #: channels by which the encoder's features at stride 4 enter it; 0 to leave them out
    skip_channels: int = 48
    #: channels of the semantic decoder
    label_channels: int = 256
    #: probability with which a channel of a pyramid's result is dropped in training
    dropout: float = 0.0
    #: score a second answer whose depth is planar in superpixels
    refinement: bool = False
    #: focal length in pixels at ``width`` for which depth is learnt
    canonical_focal: float = 1131.26
    #: ``a`` of proximity in metres at that focal length, for mapping
    average_depth: float = 15.0
    #: depth range in metres
    min_depth: float = 2.0
    max_depth: float = 80.0
    #: metres between the cameras of the stereo pair whose disparity is learnt; any other
    #: distance measures the same depth and moves the knee of log(1 + disparity)
    baseline: float = 0.209313

    def __post_init__(self) -> None:
        if self.width % self.output_stride or self.height % self.output_stride:
            raise ConfigError(f"width and height must be multiples of output_stride "
                              f"{self.output_stride}, got {self.width}x{self.height}")
        if not 0 < self.min_depth < self.max_depth or self.baseline <= 0:
            raise ConfigError("min_depth must be positive and below max_depth, baseline positive; "
                              f"got {self.min_depth}, {self.max_depth} and {self.baseline}")
        if min(self.canonical_focal, self.average_depth) <= 0:
            raise ConfigError("average_depth and canonical_focal must be positive")
        if self.depth_stride < 1 or self.depth_stride > LABEL_STRIDE:
            raise ConfigError(
                f"depth_channels: {len(self.depth_channels)} blocks lead from stride "
                f"{self.output_stride} to {self.depth_stride:g}; it must be 4, 2 or 1")

    @property
    def geometry(self) -> Geometry:
        """Image size and depth range."""
        return Geometry(width=self.width, height=self.height,
                        canonical_focal=self.canonical_focal, average_depth=self.average_depth,
                        max_depth=self.max_depth)

    @property
    def depth_stride(self) -> float:
        """Stride of the depth map."""
        return self.output_stride / 2 ** len(self.depth_channels)

    @property
    def blocks_to_labels(self) -> int:
        """Blocks of the depth decoder until its features are at ``LABEL_STRIDE``."""
        return (self.output_stride // LABEL_STRIDE).bit_length() - 1

    @property
    def disparity_of_a_metre(self) -> float:
        """Disparity in pixels of a point 1 m away, at the canonical focal length."""
        return self.baseline * self.canonical_focal

    @property
    def log_range(self) -> float:
        """``log(1 + disparity)`` of the nearest point: what an output of 1 means."""
        return log1p(self.disparity_of_a_metre / self.min_depth)
