"""The three parts of DepthNet (section 4.1): global depth, depth gradients and refinement."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.networks.layers.alexnet import (
    AlexNetConvolutions,
    local_response_norm,
    strided,
)
from scenecode.networks.layers.atrous import SCORE_STD

#: Stride of AlexNet's features behind its last pool.
_ALEXNET_STRIDES = (4, 2, 2)
_FEATURE_STRIDES = (4, 2)


class GlobalNetwork(nn.Module):
    """An image of fixed size to a coarse depth map: AlexNet with two fully connected layers."""

    def __init__(self, width: int, height: int, channels: Sequence[int], neurons: int,
                 average_depth: float):
        super().__init__()
        self.convolutions = AlexNetConvolutions(channels)
        self._size = [_strided(side, _FEATURE_STRIDES) for side in (height, width)]
        h, w = (_strided(side, _ALEXNET_STRIDES) for side in (height, width))
        self.hidden = nn.Linear(channels[-1] * h * w, neurons)
        self.output = nn.Linear(neurons, self._size[0] * self._size[1])
        nn.init.kaiming_normal_(self.hidden.weight, nonlinearity="relu")
        nn.init.normal_(self.output.weight, std=SCORE_STD)
        nn.init.zeros_(self.hidden.bias)
        nn.init.constant_(self.output.bias, average_depth)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised to metres (B, 1, H / 8, W / 8)."""
        features = self.convolutions(image).flatten(1)
        return self.output(F.relu(self.hidden(features))).unflatten(1, (1, *self._size))


class GradientNetwork(nn.Module):
    """An image to the absolute differences of depth, along x and along y."""

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        self.convolutions = AlexNetConvolutions(channels, last_pool=False)
        self.output = nn.Conv2d(channels[-1], 2, 3, padding=1)
        nn.init.normal_(self.output.weight, std=SCORE_STD)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised to metres (B, 2, H / 8, W / 8)."""
        return self.output(self.convolutions(image))


class RefiningNetwork(nn.Module):
    """An image and coarser maps of ``c_maps`` channels to refined depth.

    The first convolution sees the image; its features and the maps, at a quarter of the image's
    size, pass through four more.
    """

    def __init__(self, c_maps: int, image_channels: int, channels: int, average_depth: float):
        super().__init__()
        self.image_conv = nn.Conv2d(3, image_channels, 9, 2, 4)
        self.norm = local_response_norm()
        sizes = [image_channels + c_maps, channels, channels, channels, 1]
        self.convs = nn.ModuleList(nn.Conv2d(c_in, c_out, 5, padding=2)
                                   for c_in, c_out in zip(sizes, sizes[1:]))
        for conv in (self.image_conv, *self.convs[:-1]):
            nn.init.kaiming_normal_(cast(Tensor, conv.weight), nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, conv.bias))
        last = cast(nn.Conv2d, self.convs[-1])
        nn.init.normal_(last.weight, std=SCORE_STD)
        nn.init.constant_(cast(Tensor, last.bias), average_depth)

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """(B, 3, H, W) normalised and (B, N, h, w) each to metres (B, 1, H / 4, W / 4), positive.
        """
        x = F.max_pool2d(self.norm(F.relu(self.image_conv(image))), 3, 2, 1)
        size = x.shape[-2:]
        x = torch.cat([x, *(F.interpolate(m, size, mode="bilinear", align_corners=False)
                            for m in maps)], 1)
        *inner, last = self.convs
        for conv in inner:
            x = F.relu(conv(x))
        return F.softplus(last(x))


def _strided(side: int, strides: Sequence[int]) -> int:
    for stride in strides:
        side = strided(side, stride)
    return side
