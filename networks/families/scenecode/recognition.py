"""Recognition models: from the truth of an image to the distribution of its code."""

from torch import Tensor, nn

from scenecode.networks.layers.refinenet import ConvNorm

#: Range of the log variance of a code entry.
LOGVAR_RANGE = (-8.0, 4.0)


class Recognition(nn.Module):
    """VGG-like fully convolutional model of a code's distribution given the truth.

    Its last convolution spans the whole map.  Its input is the truth and the network's own
    zero-code prediction, so that the code need only describe what the image does not show.
    """

    def __init__(self, c_in: int, code: int, channels: tuple[int, ...], size: tuple[int, int]):
        super().__init__()
        layers: list[nn.Module] = []
        h, w = size
        for i, c_out in enumerate(channels):
            layers += [ConvNorm(c_in, c_out), nn.ReLU(inplace=True)]
            if i + 1 < len(channels):
                layers.append(nn.MaxPool2d(2))
                h, w = h // 2, w // 2
            c_in = c_out
        self.trunk = nn.Sequential(*layers)
        self.mean_logvar = nn.Conv2d(c_in, 2 * code, (h, w))
        if self.mean_logvar.bias is not None:
            nn.init.zeros_(self.mean_logvar.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, c_in, h, w) to mean and log variance, each (B, code)."""
        mean, logvar = self.mean_logvar(self.trunk(x)).flatten(1).chunk(2, 1)
        return mean, logvar.clamp(*LOGVAR_RANGE)
