"""VGG as encoder (Simonyan and Zisserman 2015), with the pools of DeepLab (Chen et al. 2015): 3x3
windows, and no stride in the last ones."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.networks.layers.backbones import Backbone

#: Channels of the five stages.
STAGE_CHANNELS = (64, 128, 256, 512, 512)
#: Convolutions of each stage of VGG-16, whose published weights are read.
VGG16_CONVS = (2, 2, 3, 3, 3)
#: DeepLab's strides of the pools behind the stages; what follows a pool without stride is dilated.
DEEPLAB_STRIDES = (2, 2, 2, 1, 1)


class VGG(Backbone):
    """Stages of 3x3 convolutions with ReLU, a 3x3 max pool behind each.

    ``convs`` and ``strides`` are the convolutions of the stages and the strides of their pools;
    convolutions are named ``conv3_2`` for the second of the third stage.  The first stages of
    fewer convolutions take the weights of VGG-16's first ones.
    """

    def __init__(self, convs: Sequence[int] = VGG16_CONVS,
                 strides: Sequence[int] = DEEPLAB_STRIDES, last_dilation: int = 2):
        super().__init__(frozen_norm=False)
        self.channels = STAGE_CHANNELS[:len(convs)]
        self._strides = tuple(strides)
        self._stages: list[list[str]] = []
        for stage, (count, (c_in, c_out)) in enumerate(zip(convs, pairwise((3, *self.channels)))):
            is_dilated = stage == len(convs) - 1
            dilation = last_dilation if is_dilated else 1
            names = [f"conv{stage + 1}_{number + 1}" for number in range(count)]
            for name in names:
                conv = nn.Conv2d(c_in, c_out, 3, padding=dilation, dilation=dilation)
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.zeros_(cast(Tensor, conv.bias))
                self.add_module(name, conv)
                c_in = c_out
            self._stages.append(names)

    def blocks(self) -> list[nn.Module]:
        return [nn.ModuleList(self.get_submodule(name) for name in stage)
                for stage in self._stages]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) in [0, 1] to the pooled features of every stage; a pool of stride 2 takes
        a side of n to (n + 1) // 2."""
        x, taps = self.normalise(image), []
        for names, stride in zip(self._stages, self._strides):
            for name in names:
                x = F.relu(self.get_submodule(name)(x))
            x = F.max_pool2d(x, 3, stride, 1)
            taps.append(x)
        return tuple(taps)


def published_names() -> dict[str, str]:
    """``conv3_2`` to ``features.12``, its name in torchvision's VGG-16, and so on."""
    names, index = {}, 0
    for stage, count in enumerate(VGG16_CONVS):
        for number in range(count):
            names[f"conv{stage + 1}_{number + 1}"] = f"features.{index}"
            index += 2  # a ReLU follows
        index += 1  # the pool
    return names
