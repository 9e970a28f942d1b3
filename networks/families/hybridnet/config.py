"""The shape of a HybridNet."""

from dataclasses import dataclass
from math import inf
from typing import Final, Literal

from scenecode.core.errors import ConfigError
from scenecode.networks.families.geometry import Geometry
from scenecode.networks.layers.alexnet import ALEXNET_CHANNELS
from scenecode.networks.layers.backbones import Padding

#: Stride of the shared features, of labels and of global depth; refined depth has half of it.
FEATURE_STRIDE: Final = 8

#: The two united networks and the two that they are made of: a1 shares the features (section 3,
#: architecture 1), a2 estimates global depth besides (architecture 2); aspp has labels alone,
#: depthnet depth alone.
Variant = Literal["a1", "a2", "aspp", "depthnet"]
HybridBackbone = Literal["vgg16", "mobilenetv2", "efficientnet_lite1", "resnet18", "resnet34",
                         "resnet50"]


@dataclass(frozen=True)
class HybridNetConfig:
    """Everything that decides the shape of the network; stored in its checkpoint.

    The defaults are the paper's network for one tile of 321 x 321 pixels.
    """

    #: the family, by which a checkpoint is known
    architecture: Literal["hybridnet"] = "hybridnet"
    variant: Variant = "a2"
    #: the shared features: VGG-16 with DeepLab's pools, or another encoder at stride 8
    backbone: HybridBackbone = "vgg16"
    padding: Padding = "torch"
    #: keep the encoder's batch norm at its loaded statistics
    frozen_norm: bool = False
    #: image size in pixels
    width: int = 321
    height: int = 321
    #: side of the square tiles that the network sees; larger images are covered by the fewest
    #: that do, training takes one at random; 0: the whole image at once
    tile: int = 0
    #: atrous upsampling network: rates, channels and dropout of each branch
    pyramid_rates: tuple[int, ...] = (6, 12, 18, 24)
    pyramid_channels: int = 1024
    dropout: float = 0.5
    #: channels of the five convolutions of the global and the gradient network, and neurons
    #: between the global network's features and its map
    global_channels: tuple[int, int, int, int, int] = ALEXNET_CHANNELS
    global_neurons: int = 1024
    #: channels of the refining network: of its first convolution, and of the following three
    refining_image_channels: int = 63
    refining_channels: int = 64
    #: depth in metres beyond which truth is neither learnt nor scored
    max_depth: float = inf
    #: focal length in pixels at ``width`` for which depth is learnt
    canonical_focal: float = 300.0
    #: ``a`` of proximity in metres at that focal length, for mapping; depth estimates start there
    average_depth: float = 2.0

    def __post_init__(self) -> None:
        if self.tile and not 64 <= self.tile <= min(self.width, self.height):
            raise ConfigError("tile must be 0 or lie between 64 and the shorter side of the "
                              f"image, got {self.tile} for {self.width}x{self.height}")
        if min(self.average_depth, self.canonical_focal, self.max_depth) <= 0:
            raise ConfigError("average_depth, canonical_focal and max_depth must be positive")

    @property
    def geometry(self) -> Geometry:
        """Image size and depth range."""
        return Geometry(width=self.width, height=self.height, max_depth=self.max_depth,
                        canonical_focal=self.canonical_focal, average_depth=self.average_depth)

    @property
    def network_size(self) -> tuple[int, int]:
        """Width and height of what the network sees at once."""
        return (self.tile, self.tile) if self.tile else (self.width, self.height)
