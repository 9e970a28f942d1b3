"""The shape of a multi-scale network with a dense conditional random field."""

from dataclasses import dataclass, field
from typing import Literal

from scenecode.core.errors import ConfigError
from scenecode.networks.families.geometry import Geometry
from scenecode.networks.layers.backbones import OutputStride, Padding
from scenecode.optim.dense_crf.config import DenseCRFConfig

MultiscaleBackbone = Literal["vgg", "mobilenetv2", "efficientnet_lite1", "resnet18", "resnet34",
                             "resnet50"]
#: Which labels a prediction has: of the network alone, or of the field, with or without depth.
Labelling = Literal["unary", "crf", "crf_depth"]


@dataclass(frozen=True)
class MultiscaleCRFConfig:
    """Everything that decides the shape of the network; stored in its checkpoint.

    The defaults are the network of the paper (table 1).
    """

    #: the family, by which a checkpoint is known
    architecture: Literal["multiscale_crf"] = "multiscale_crf"
    #: the encoder of branches 2 to 5: the paper's VGG, or another whose features at strides 4, 8,
    #: 16 and 32 they read
    backbone: MultiscaleBackbone = "vgg"
    padding: Padding = "torch"
    #: keep the encoder's batch norm at its loaded statistics
    frozen_norm: bool = False
    #: stride beyond which an encoder that is not VGG dilates instead
    output_stride: OutputStride = 32
    #: image size in pixels
    width: int = 513
    height: int = 513
    #: channels of the last layers of the five branches
    branch_channels: tuple[int, int, int, int, int] = (64, 128, 128, 128, 1024)
    #: batch norm in the branches
    branch_norm: bool = False
    #: dilation of the first layer of branch 5
    context_dilation: int = 12
    #: stride at which the score maps of the branches are summed: 1, 2 or 4
    score_stride: int = 1
    #: depth is the mean of ``depth_bins`` multiples of ``bin_length`` metres
    depth_bins: int = 50
    bin_length: float = 0.14
    crf: DenseCRFConfig = field(default_factory=DenseCRFConfig)
    #: labels of predictions; ``answers`` has all
    labels: Labelling = "unary"
    #: focal length in pixels at ``width`` for which depth is learnt
    canonical_focal: float = 475.0
    #: ``a`` of proximity in metres at that focal length, for mapping
    average_depth: float = 2.0

    def __post_init__(self) -> None:
        if self.score_stride not in (1, 2, 4):
            raise ConfigError(f"score_stride must be 1, 2 or 4, got {self.score_stride}")
        if self.backbone != "vgg" and (self.width % 32 or self.height % 32):
            raise ConfigError("width and height must be multiples of 32 for this backbone, got "
                              f"{self.width}x{self.height}")
        if self.depth_bins < 2 or min(self.bin_length, self.average_depth,
                                      self.canonical_focal) <= 0:
            raise ConfigError("depth_bins must be at least 2; bin_length, average_depth and "
                              "canonical_focal must be positive")

    @property
    def geometry(self) -> Geometry:
        """Image size and depth range."""
        return Geometry(width=self.width, height=self.height,
                        canonical_focal=self.canonical_focal, average_depth=self.average_depth)
