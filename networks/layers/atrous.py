"""Atrous spatial pyramid pooling: parallel convolutions of several rates that see the same
features at several scales, concatenated (DeepLab v3) or summed (DeepLab v2)."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.networks.layers.refinenet import ConvNorm

#: Initial standard deviation of the weights of score maps.
SCORE_STD = 0.01


class PyramidConcat(nn.Module):
    """Features (B, c_in, h, w) to (B, channels, h, w): a 1x1 convolution, 3x3 convolutions of
    the given rates and the mean of the image, each of ``channels`` with batch norm and ReLU,
    concatenated and reduced by a 1x1 convolution (Chen et al. 2017, DeepLab v3, section 3.3)."""

    def __init__(self, c_in: int, channels: int, rates: Sequence[int] = (6, 12, 18),
                 dropout: float = 0.0):
        super().__init__()
        self.branches = nn.ModuleList([
            ConvNorm(c_in, channels, 1), *(ConvNorm(c_in, channels, 3, rate) for rate in rates)])
        # no batch norm: the image's mean is one pixel, of which a batch of one has no variance
        self.image_mean = nn.Conv2d(c_in, channels, 1)
        nn.init.kaiming_normal_(self.image_mean.weight, nonlinearity="relu")
        self.reduce = ConvNorm((len(rates) + 2) * channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        mean = F.relu(self.image_mean(features.mean((2, 3), keepdim=True)))
        maps = [*(F.relu(branch(features)) for branch in self.branches),
                mean.expand(-1, -1, *features.shape[-2:])]
        return self.dropout(F.relu(self.reduce(torch.cat(maps, 1))))


class PyramidSum(nn.Module):
    """Features (B, c_in, h, w) to scores (B, outputs, h, w): the sum of a classifier for each
    rate (Chen et al. 2018, DeepLab v2, section 3.2).

    A classifier is one 3x3 convolution of its rate or, with ``hidden`` channels, that
    convolution, a 1x1 of as many channels and a 1x1 to ``outputs``, with ReLU and dropout between.
    """

    def __init__(self, c_in: int, outputs: int, rates: Sequence[int] = (6, 12, 18, 24),
                 hidden: int = 0, dropout: float = 0.0):
        super().__init__()
        self.branches = nn.ModuleList(
            self._classifier(c_in, outputs, rate, hidden, dropout) for rate in rates)

    @staticmethod
    def _classifier(c_in: int, outputs: int, rate: int, hidden: int,
                    dropout: float) -> nn.Module:
        channels = [c_in, hidden, hidden, outputs] if hidden else [c_in, outputs]
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(zip(channels, channels[1:])):
            conv = (nn.Conv2d(before, after, 1) if number
                    else nn.Conv2d(before, after, 3, padding=rate, dilation=rate))
            is_last = number == len(channels) - 2
            kaiming = (2 / conv.weight[0].numel()) ** 0.5
            nn.init.normal_(conv.weight, std=SCORE_STD if is_last else kaiming)
            nn.init.zeros_(cast(Tensor, conv.bias))
            layers += [conv] if is_last else [conv, nn.ReLU(inplace=True), nn.Dropout(dropout)]
        return nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        return torch.stack([branch(features) for branch in self.branches]).sum(0)
