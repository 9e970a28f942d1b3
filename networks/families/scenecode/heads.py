"""Heads that turn decoder features and a code into maps (paper section 3, figure 2).

The code is broadcast and 1x1-convolved to a code map ``m = W c``, then
``[m, features, m * features]`` is convolved once.  Zero code gives a zero map, so there is no
bias in ``W``.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.core.errors import ConfigError

#: Initial standard deviation of the last convolutions' weights: predictions start near their
#: biases.
HEAD_STD = 5e-3
#: Why a model with a non-linear decoder cannot map.
NOT_LINEAR = ("a non-linear decoder has no closed-form Jacobians, so it can be evaluated "
              "('scenecode evaluate model') but not mapped with; train with "
              "'model.decoder: linear' to run it")


class LinearHead(nn.Module):
    """(features, code) to ``outputs`` maps, affine in the code; concat-and-multiply."""

    def __init__(self, channels: int, code: int, outputs: int):
        super().__init__()
        self.code = code
        self.from_features = nn.Conv2d(channels, outputs, 3, padding=1)
        if code:
            self.code_map = nn.Conv2d(code, channels, 1, bias=False)
            self.from_code = nn.Conv2d(channels, outputs, 3, padding=1, bias=False)
            self.from_product = nn.Conv2d(channels, outputs, 3, padding=1, bias=False)
            nn.init.normal_(self.from_code.weight, std=HEAD_STD)
            nn.init.normal_(self.from_product.weight, std=HEAD_STD)
        nn.init.normal_(self.from_features.weight, std=HEAD_STD)

    @property
    def bias(self) -> Tensor:
        """The prediction at zero code where the features are zero, (outputs,)."""
        return cast(Tensor, self.from_features.bias)

    def zero(self, features: Tensor) -> Tensor:
        """(B, F, h, w) to the prediction at zero code (B, outputs, h, w)."""
        return self.from_features(features)

    def by_code(self, features: Tensor, code: Tensor) -> Tensor:
        """What a code (B, code) adds to ``zero``: linear in it.

        The convolution of ``[m, features, m * features]`` is written as three, so that the
        part without code is computed once and the constant ``m`` is never expanded to a map.
        """
        m = self.code_map(code[:, :, None, None])
        constant = torch.einsum("ofyx,bf->boyx", self.from_code.weight, m[:, :, 0, 0])
        return self.from_product(m * features) + _constant_response(constant, features)

    def jacobian(self, features: Tensor) -> Tensor:
        """d prediction / d code in closed form, (B, outputs, code, h, w).

        ``m`` is constant over the image, so ``conv(m * features)`` is a sum over features of
        ``m`` times what each feature alone answers to its kernel.  Those answers are found
        once, and the columns of ``W`` mix them: far less work than a convolution with a
        kernel for every code entry.  ``conv(m)`` answers to a constant image, which the zero
        padding makes smaller at the border.
        """
        B, _, h, w = features.shape
        outputs = self.from_features.out_channels
        if not self.code:
            return features.new_zeros(B, outputs, 0, h, w)
        W = self.code_map.weight[:, :, 0, 0]
        kernels = self.from_product.weight.flatten(2).transpose(0, 1).contiguous()
        answers = torch.matmul(kernels, _neighbours(features))
        constant = torch.einsum("ofyx,fk->okyx", self.from_code.weight, W)
        constant = _constant_response(constant, features).flatten(2).expand(B, -1, -1, -1)
        J = torch.baddbmm(constant.flatten(0, 1), W.T.expand(B * outputs, -1, -1),
                          answers.transpose(1, 2).flatten(0, 1))
        return J.view(B, outputs, self.code, h, w)


class NonlinearHead(nn.Module):
    """The linear head with a ReLU after concat-and-multiply and one more convolution: what the
    paper compares the linear one with (figure 4).  For evaluation: its derivative depends on
    the code, so it has none in closed form."""

    def __init__(self, channels: int, code: int, outputs: int):
        super().__init__()
        self.hidden = LinearHead(channels, code, channels)
        for kernels in (self.hidden.from_features, self.hidden.from_code,
                        self.hidden.from_product):
            nn.init.kaiming_normal_(kernels.weight, nonlinearity="relu")
        self.output = nn.Conv2d(channels, outputs, 3, padding=1)
        nn.init.normal_(self.output.weight, std=HEAD_STD)

    @property
    def bias(self) -> Tensor:
        """The prediction at zero code where the hidden features are zero, (outputs,)."""
        return cast(Tensor, self.output.bias)

    def zero(self, features: Tensor) -> Tensor:
        """(B, F, h, w) to the prediction at zero code (B, outputs, h, w)."""
        return self.output(F.relu(self.hidden.zero(features)))

    def by_code(self, features: Tensor, code: Tensor) -> Tensor:
        """What a code (B, code) adds to ``zero``."""
        hidden = self.hidden.zero(features) + self.hidden.by_code(features, code)
        return self.output(F.relu(hidden)) - self.zero(features)

    def jacobian(self, features: Tensor) -> Tensor:
        """Raises ``ConfigError``: there is no one Jacobian for all codes."""
        raise ConfigError(NOT_LINEAR)


def _constant_response(kernels: Tensor, features: Tensor) -> Tensor:
    """What kernels (N, M, 3, 3) answer to an image of ones of the features' size, (N, M, h, w):
    their sum, less at the border because of the zero padding."""
    h, w = features.shape[-2:]
    ones = _neighbours(features.new_ones(1, 1, h, w))[0, 0]
    return (kernels.flatten(2) @ ones).unflatten(2, (h, w))


def _neighbours(maps: Tensor) -> Tensor:
    """Each pixel's 3x3 surroundings, zero outside: (B, C, h, w) to (B, C, 9, h * w).

    As ``F.unfold``, three times as fast.
    """
    h, w = maps.shape[-2:]
    padded = F.pad(maps.contiguous(), (1, 1, 1, 1))
    return torch.stack([padded[..., y:y + h, x:x + w] for y in range(3) for x in range(3)],
                       2).flatten(3)
