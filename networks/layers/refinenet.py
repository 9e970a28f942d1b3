"""RefineNet decoder (Lin et al. 2017) with batch norm after every convolution (paper section 3).

A unit takes the encoder's features of one stride and the unit below it, and passes them
through residual convolution units, multi-resolution fusion, chained residual pooling and
an output residual unit.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.networks.layers.backbones import conv_norm

#: Window of chained residual pooling (Lin et al. 2017, figure 3d).
POOL_WINDOW = 5


class ConvNorm(nn.Module):
    """Convolution that keeps the size, then batch norm."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, dilation: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2 * dilation,
                              dilation=dilation, bias=False)
        self.norm = nn.BatchNorm2d(c_out)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return conv_norm(x, self.conv, self.norm)


class ResidualConvUnit(nn.Module):
    """``x + conv(relu(conv(relu(x))))``."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = ConvNorm(channels, channels)
        self.conv2 = ConvNorm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class ChainedResidualPooling(nn.Module):
    """Pooled context from ever larger windows, added up."""

    def __init__(self, channels: int, blocks: int):
        super().__init__()
        self.convs = nn.ModuleList(ConvNorm(channels, channels) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        pooled = x
        for conv in self.convs:
            pooled = conv(F.max_pool2d(pooled, POOL_WINDOW, 1, POOL_WINDOW // 2))
            x = x + pooled
        return x


class RefineNetUnit(nn.Module):
    """One stride of the decoder: encoder features (B, c_skip, h, w) and, except at the
    coarsest stride, the unit below (B, c_below, h/2, w/2) to (B, channels, h, w)."""

    def __init__(self, c_skip: int, c_below: int | None, channels: int, residual_units: int,
                 pooling_blocks: int):
        super().__init__()
        self.reduce = ConvNorm(c_skip, channels, kernel=1)
        self.adapt = nn.Sequential(*(ResidualConvUnit(channels) for _ in range(residual_units)))
        if c_below is not None:
            self.fuse_skip = ConvNorm(channels, channels)
            self.fuse_below = ConvNorm(c_below, channels)
        self.pooling = ChainedResidualPooling(channels, pooling_blocks)
        self.output = ResidualConvUnit(channels)

    def forward(self, skip: Tensor, below: Tensor | None) -> Tensor:
        x = self.adapt(self.reduce(skip))
        if below is not None:
            up = F.interpolate(self.fuse_below(below), x.shape[-2:], mode="bilinear",
                               align_corners=False)
            x = self.fuse_skip(x) + up
        return self.output(self.pooling(x))


class RefineNet(nn.Module):
    """Features at strides 4, 8, 16, 32 to one map (B, channels[0], H/4, W/4).

    ``channels``, ``residual_units`` (before fusion) and ``pooling_blocks`` are per stride,
    from 4 to 32.
    """

    def __init__(self, c_encoder: tuple[int, ...], channels: tuple[int, ...],
                 residual_units: tuple[int, ...], pooling_blocks: tuple[int, ...]):
        super().__init__()
        below = (*channels[1:], None)
        self.units = nn.ModuleList(
            RefineNetUnit(*sizes)
            for sizes in zip(c_encoder, below, channels, residual_units, pooling_blocks))

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        x = self.units[-1](features[-1], None)
        for unit, skip in zip(reversed(self.units[:-1]), reversed(features[:-1])):
            x = unit(skip, x)
        return x
