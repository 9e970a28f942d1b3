"""Blocks that double the resolution of features: fast up-projection and what it is compared with.

Up-convolution puts the pixels of a map at the even positions of one twice as large, zeros
elsewhere, and convolves with a 5x5 kernel.  Of the 25 products only those with a pixel count:
nine at even rows and columns, six or four elsewhere.  Four small convolutions of the small map
compute exactly these (Laina et al. 2016, section 3.2; where "3x3, 2x2, 2x3 and 2x2" is printed
elsewhere, two of them are 2x3 and 3x2).
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.networks.layers.backbones import folded
from scenecode.networks.layers.refinenet import ConvNorm

UpsamplingName = Literal["fast", "deconv", "bilinear"]


def up_convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(B, I, h, w) to (B, O, 2h, 2w): zeros between the pixels, then convolution with ``weight``
    (O, I, 5, 5), padding 2 and ``bias`` (O,)."""
    padded = F.pad(x, (1, 1, 1, 1))
    # a kernel's even rows meet pixels in even output rows, its odd rows in odd ones
    parts = [F.conv2d(padded[..., row:, column:], weight[:, :, row::2, column::2], bias)
             for row in (0, 1) for column in (0, 1)]
    return F.pixel_shuffle(torch.stack(parts, 2).flatten(1, 2), 2)


class UpConvolution(nn.Conv2d):
    """``up_convolution`` as one 5x5 convolution: its weight is the whole kernel, so that batch
    norm behind it folds into it as into any other."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__(c_in, c_out, 5, padding=2, bias=False)
        # a quarter of the 25 products are with pixels
        nn.init.normal_(self.weight, std=(2 / (25 / 4 * c_in)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return up_convolution(x, self.weight, self.bias)


class _UpConvNorm(nn.Module):
    """Up-convolution, then batch norm."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.conv = UpConvolution(c_in, c_out)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm.training or isinstance(self.norm, nn.Identity):
            return self.norm(self.conv(x))
        return up_convolution(x, *folded(self.conv, self.norm))


class UpProjection(nn.Module):
    """(B, c_in, h, w) to (B, c_out, 2h, 2w): up-convolution, ReLU and a 3x3 convolution beside a
    second up-convolution as the shortcut (Laina et al. 2016, figure 2c, in its fast form)."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.up = _UpConvNorm(c_in, c_out)
        self.conv = ConvNorm(c_out, c_out)
        self.shortcut = _UpConvNorm(c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(F.relu(self.up(x))) + self.shortcut(x))


class Deconvolution(nn.Module):
    """(B, c_in, h, w) to (B, c_out, 2h, 2w): a 4x4 transposed convolution and ReLU, then a 3x3
    convolution with batch norm and ReLU."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(c_in, c_out, 4, 2, 1)
        # four of the sixteen products reach a pixel
        nn.init.normal_(self.up.weight, std=(2 / (4 * c_in)) ** 0.5)
        self.conv = ConvNorm(c_out, c_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(F.relu(self.up(x))))


class BilinearUpsampling(nn.Module):
    """(B, c_in, h, w) to (B, c_out, 2h, 2w): a 3x3 convolution with batch norm and ReLU of the
    bilinearly enlarged map, and a second one."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.conv1, self.conv2 = ConvNorm(c_in, c_out), ConvNorm(c_out, c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return F.relu(self.conv2(F.relu(self.conv1(x))))


def make_upsampling(name: UpsamplingName, c_in: int, c_out: int) -> nn.Module:
    """A block of that name, which doubles the resolution."""
    kinds: dict[UpsamplingName, type[nn.Module]] = {
        "fast": UpProjection, "deconv": Deconvolution, "bilinear": BilinearUpsampling}
    return kinds[name](c_in, c_out)
