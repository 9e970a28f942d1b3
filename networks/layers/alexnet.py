"""The five convolutions of AlexNet (Krizhevsky et al. 2012), as networks of depth use them."""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

#: Channels of the five convolutions.
ALEXNET_CHANNELS = (96, 256, 384, 384, 256)
_KERNELS = (11, 5, 3, 3, 3)
_FIRST_STRIDE = 4


def local_response_norm() -> nn.LocalResponseNorm:
    """As AlexNet has it (Krizhevsky et al. 2012, section 3.3)."""
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)


class AlexNetConvolutions(nn.Module):
    """Convolutions, each with ReLU and local response normalisation; a 3x3 max pool of stride 2
    behind the first and, with ``last_pool``, behind the last."""

    def __init__(self, channels: Sequence[int] = ALEXNET_CHANNELS, last_pool: bool = True):
        super().__init__()
        self.last_pool = last_pool
        self.convs = nn.ModuleList()
        for number, (kernel, (c_in, c_out)) in enumerate(zip(_KERNELS, pairwise((3, *channels)))):
            conv = nn.Conv2d(c_in, c_out, kernel, 1 if number else _FIRST_STRIDE, kernel // 2)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            self.convs.append(conv)
        self.norm = local_response_norm()

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised to features at stride 16, or 8 without the last pool."""
        x = image
        for number, conv in enumerate(self.convs):
            x = self.norm(F.relu(conv(x)))
            if number == 0 or (number == len(self.convs) - 1 and self.last_pool):
                x = F.max_pool2d(x, 3, 2, 1)
        return x


def strided(size: int, stride: int) -> int:
    """Length of a side of ``size`` after layers of ``stride`` in all that round up."""
    return -(-size // stride)
