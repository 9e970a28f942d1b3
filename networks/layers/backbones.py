"""Image encoders in plain torch: ResNet-18/34/50/101, MobileNetV2 and EfficientNet-Lite1.

Parameter names are torchvision's (``layer1.0.conv1.weight``, ``features.2.conv.0.0.weight``;
EfficientNet-Lite1 has MobileNetV2's), so published ImageNet weights load by name
(``scenecode.networks.layers.imagenet``).  A backbone takes images in
[0, 1], normalises them itself and returns features at strides 4, 8, 16 and 32.

With an ``output_stride`` of 8 or 16 the strides beyond it are undone and the convolutions behind
them dilated instead (Chen et al. 2018, DeepLab v2, section 3.1): the same weights see the same
pixels, at a denser grid.  None of the features has a larger stride.
"""

from abc import ABC, abstractmethod
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.core.errors import ConfigError

BackboneName = Literal["mobilenetv2", "efficientnet_lite1", "resnet18", "resnet34", "resnet50",
                       "resnet101", "dinov2_small"]
#: Stride of a backbone's coarsest features.
OutputStride = Literal[8, 16, 32]
#: ``keras`` pads more right and below than left and above at stride 2, as Keras' MobileNetV2 and
#: every EfficientNet-Lite were trained.
Padding = Literal["torch", "keras"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def make_backbone(name: BackboneName, padding: Padding = "torch", frozen_norm: bool = False,
                  output_stride: OutputStride = 32) -> "Backbone":
    """A backbone with random weights; ``frozen_norm`` keeps batch norm at its loaded
    statistics.  Raises ``ConfigError`` for a padding or an output stride that the backbone does
    not have."""
    if name == "mobilenetv2":
        return MobileNetV2(padding, frozen_norm, output_stride)
    if name == "efficientnet_lite1":
        return EfficientNetLite1(padding, frozen_norm, output_stride)
    if padding != "torch":
        raise ConfigError(f"padding '{padding}' exists for mobilenetv2 and efficientnet_lite1 "
                          f"only, not for {name}; use padding: torch")
    if name == "dinov2_small":
        if output_stride != 32:
            raise ConfigError("dinov2_small has an output_stride of 32 only")
        from scenecode.networks.layers.dinov2 import DinoV2Small
        return DinoV2Small(frozen_norm)
    block, counts = _RESNETS[name]
    return ResNet(block, counts, frozen_norm, output_stride)


def conv_norm(x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d | nn.Identity) -> Tensor:
    """Convolution then batch norm; one convolution when the norm does not follow the batch,
    or was folded for good (``scenecode.networks.inference.preparation``).

    Folding on the fly saves a pass over memory and lets gradients reach every parameter.
    """
    if norm.training or isinstance(norm, nn.Identity):
        return norm(conv(x))
    weight, bias = folded(conv, norm)
    return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def _conv_norm(x: Tensor, conv: nn.Module, norm: nn.Module) -> Tensor:
    """``conv_norm`` of two modules of a sequence, whose types only this file knows."""
    return conv_norm(x, cast(nn.Conv2d, conv), cast(nn.BatchNorm2d | nn.Identity, norm))


class _Dilation:
    """Stride and dilation of layers that follow each other, when strides beyond
    ``output_stride`` are undone."""

    def __init__(self, output_stride: int, stride: int):
        self._output_stride, self._stride = output_stride, stride
        #: of the layers to come
        self.dilation = 1

    def next(self, stride: int) -> tuple[int, int]:
        """The stride of a layer that has ``stride`` in the published network, and its dilation;
        layers behind an undone stride are dilated, the layer itself is not yet."""
        dilation = self.dilation
        if self._stride * stride > self._output_stride:
            self.dilation *= stride
            return 1, dilation
        self._stride *= stride
        return stride, dilation


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that does what ``conv`` and then ``norm``, at its
    running statistics, do."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias = norm.bias - norm.running_mean * scale
    if conv.bias is not None:
        bias = bias + conv.bias * scale
    return conv.weight * scale[:, None, None, None], bias


class Backbone(nn.Module, ABC):
    """Base of the encoders: input normalisation, frozen blocks and frozen batch norm."""

    #: feature channels, from the finest: at strides 4, 8, 16, 32 unless the encoder says otherwise
    channels: tuple[int, ...]
    #: what the input is normalised by, (3, 1, 1)
    mean: Tensor
    std: Tensor

    def __init__(self, frozen_norm: bool):
        super().__init__()
        self.frozen_norm = frozen_norm
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None])

    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """The trunk in order, as units that can be frozen."""

    def freeze(self, count: int) -> None:
        """Stop learning in the first ``count`` blocks; nothing is back-propagated there.

        Raises ``ConfigError`` when there are fewer blocks.
        """
        blocks = self.blocks()
        if not 0 <= count <= len(blocks):
            raise ConfigError(f"frozen_blocks: this backbone can freeze 0 to {len(blocks)} "
                              f"blocks, not {count}")
        for block in blocks[:count]:
            block.requires_grad_(False)

    def normalise(self, image: Tensor) -> Tensor:
        """The image as ImageNet weights expect it, in the precision of the convolutions."""
        dtype = next(self.parameters()).dtype
        return ((image - self.mean) / self.std).to(dtype)

    @abstractmethod
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) in [0, 1] to features at strides 4, 8, 16, 32."""

    def train(self, mode: bool = True) -> "Backbone":
        super().train(mode)
        if self.frozen_norm:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class _ConvNormReLU6(nn.Sequential):
    """Convolution, batch norm and ReLU6; odd kernels keep the size up to their stride.

    ``published_stride`` is the stride of the published network, which ``stride`` may undo.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, eps: float, stride: int = 1,
                 groups: int = 1, padding: Padding = "torch", dilation: int = 1,
                 published_stride: int = 1):
        pads_unevenly = padding == "keras" and published_stride == 2
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, stride,
                      0 if pads_unevenly else kernel // 2 * dilation, dilation,
                      groups=groups, bias=False),
            nn.BatchNorm2d(c_out, eps), nn.ReLU6(inplace=True))
        before = (kernel - 2) // 2
        #: columns left and rows above, and right and below, that an image of even size gets
        self.uneven_pad = ((before * dilation, (kernel - stride - before) * dilation)
                           if pads_unevenly else None)

    def forward(self, x: Tensor) -> Tensor:
        conv, norm, activation = self
        if self.uneven_pad is not None:
            before, after = self.uneven_pad
            x = F.pad(x, (before, after, before, after))
        return activation(_conv_norm(x, conv, norm))


class _InvertedResidual(nn.Module):
    """Expand, depthwise, project (Sandler et al. 2018, figure 4)."""

    def __init__(self, c_in: int, c_out: int, published_stride: int, expansion: int, kernel: int,
                 eps: float, padding: Padding, stride: int, dilation: int):
        super().__init__()
        hidden = c_in * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(_ConvNormReLU6(c_in, hidden, 1, eps))
        layers += [_ConvNormReLU6(hidden, hidden, kernel, eps, stride, hidden, padding, dilation,
                                  published_stride),
                   nn.Conv2d(hidden, c_out, 1, bias=False), nn.BatchNorm2d(c_out, eps)]
        self.conv = nn.Sequential(*layers)
        self.is_residual = published_stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        *layers, conv, norm = self.conv
        y = x
        for layer in layers:
            y = layer(y)
        y = _conv_norm(y, conv, norm)
        return x + y if self.is_residual else y


class MobileNetV2(Backbone):
    """MobileNetV2 1.0 without its classifier (Sandler et al. 2018, table 2)."""

    channels = (24, 32, 96, 320)
    #: (expansion, channels, repeats, first stride, depthwise kernel)
    _STAGES = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3),
               (6, 96, 3, 1, 3), (6, 160, 3, 2, 3), (6, 320, 1, 1, 3))
    #: the last block at strides 4, 8, 16 and 32
    _TAPS = (3, 6, 13, 17)
    #: what batch norm adds to a variance
    _EPS = 1e-5

    def __init__(self, padding: Padding = "torch", frozen_norm: bool = False,
                 output_stride: OutputStride = 32):
        super().__init__(frozen_norm)
        self.padding = padding
        layers: list[nn.Module] = [_ConvNormReLU6(3, 32, 3, self._EPS, 2, padding=padding,
                                                  published_stride=2)]
        c_in, dilation = 32, _Dilation(output_stride, 2)
        for expansion, c_out, repeats, first_stride, kernel in self._STAGES:
            for i in range(repeats):
                stride = first_stride if i == 0 else 1
                layers.append(_InvertedResidual(c_in, c_out, stride, expansion, kernel,
                                                self._EPS, padding, *dilation.next(stride)))
                c_in = c_out
        self.features = nn.Sequential(*layers)
        self.train()

    def blocks(self) -> list[nn.Module]:
        return list(self.features)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) in [0, 1] to features at strides 4, 8, 16, 32."""
        x, taps = self.normalise(image), []
        for i, block in enumerate(self.features):
            x = block(x)
            if i in self._TAPS:
                taps.append(x)
        return tuple(taps)


class EfficientNetLite1(MobileNetV2):
    """EfficientNet-Lite1 without its classifier: EfficientNet-B1 (Tan and Le 2019, table 1) with
    ReLU6 and without squeeze-and-excitation, and so a MobileNetV2 of other stages."""

    channels = (24, 40, 112, 320)
    _STAGES = ((1, 16, 1, 1, 3), (6, 24, 3, 2, 3), (6, 40, 3, 2, 5), (6, 80, 4, 2, 3),
               (6, 112, 4, 1, 5), (6, 192, 5, 2, 5), (6, 320, 1, 1, 3))
    _TAPS = (4, 7, 15, 21)
    _EPS = 1e-3


class _BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, c_in: int, c_mid: int, stride: int, dilation: tuple[int, int]):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_mid, 3, stride, dilation[0], dilation[0], bias=False)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.conv2 = nn.Conv2d(c_mid, c_mid, 3, 1, dilation[1], dilation[1], bias=False)
        self.bn2 = nn.BatchNorm2d(c_mid)
        self.downsample = _shortcut(c_in, c_mid, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(conv_norm(x, self.conv1, self.bn1))
        y = conv_norm(y, self.conv2, self.bn2)
        return F.relu(y + _shortcut_of(x, self.downsample))


class _Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride, as torchvision), 1x1; the first ``dilation`` is the 3x3's."""

    expansion = 4

    def __init__(self, c_in: int, c_mid: int, stride: int, dilation: tuple[int, int]):
        super().__init__()
        c_out = c_mid * self.expansion
        self.conv1 = nn.Conv2d(c_in, c_mid, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.conv2 = nn.Conv2d(c_mid, c_mid, 3, stride, dilation[0], dilation[0], bias=False)
        self.bn2 = nn.BatchNorm2d(c_mid)
        self.conv3 = nn.Conv2d(c_mid, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.downsample = _shortcut(c_in, c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(conv_norm(x, self.conv1, self.bn1))
        y = F.relu(conv_norm(y, self.conv2, self.bn2))
        y = conv_norm(y, self.conv3, self.bn3)
        return F.relu(y + _shortcut_of(x, self.downsample))


def _shortcut(c_in: int, c_out: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and c_in == c_out:
        return None
    return nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))


def _shortcut_of(x: Tensor, downsample: nn.Sequential | None) -> Tensor:
    if downsample is None:
        return x
    conv, norm = downsample
    return _conv_norm(x, conv, norm)


class ResNet(Backbone):
    """ResNet without its classifier (He et al. 2015, table 1)."""

    def __init__(self, block: type[_BasicBlock] | type[_Bottleneck],
                 counts: tuple[int, int, int, int], frozen_norm: bool = False,
                 output_stride: OutputStride = 32):
        super().__init__(frozen_norm)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        c_in, strides = 64, _Dilation(output_stride, 4)
        stages: list[nn.Sequential] = []
        for width, count in zip((64, 128, 256, 512), counts):
            layers: list[nn.Module] = []
            for i in range(count):
                stride, dilation = strides.next(2 if i == 0 and stages else 1)
                layers.append(block(c_in, width, stride, (dilation, strides.dilation)))
                c_in = width * block.expansion
            stages.append(nn.Sequential(*layers))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.channels = (64 * block.expansion, 128 * block.expansion, 256 * block.expansion,
                         512 * block.expansion)
        self.train()

    def blocks(self) -> list[nn.Module]:
        stem = nn.ModuleList([self.conv1, self.bn1])
        return [stem, *self.layer1, *self.layer2, *self.layer3, *self.layer4]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) in [0, 1] to features at strides 4, 8, 16, 32."""
        x = F.relu(conv_norm(self.normalise(image), self.conv1, self.bn1))
        x = F.max_pool2d(x, 3, 2, 1)
        taps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            taps.append(x)
        return tuple(taps)


_RESNETS: dict[str, tuple[type[_BasicBlock] | type[_Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (_BasicBlock, (2, 2, 2, 2)), "resnet34": (_BasicBlock, (3, 4, 6, 3)),
    "resnet50": (_Bottleneck, (3, 4, 6, 3)), "resnet101": (_Bottleneck, (3, 4, 23, 3))}
