"""The network: a shared encoder, a depth decoder of up-projections and a semantic decoder that
also reads the depth decoder's features; each has an atrous pyramid of its own."""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.core.images import image_to_uint8
from scenecode.networks.classes import ClassSet
from scenecode.networks.families.network import Answer, Network, OutputGraph
from scenecode.networks.families.twins.config import TwinsConfig
from scenecode.networks.families.uncertainty import LogDepthStd
from scenecode.networks.layers.atrous import SCORE_STD, PyramidConcat
from scenecode.networks.layers.backbones import Backbone, make_backbone
from scenecode.networks.layers.refinenet import ConvNorm
from scenecode.networks.layers.upprojection import make_upsampling
from scenecode.networks.prediction import Prediction
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import proximity_from_depth


class DepthDecoder(nn.Module):
    """The encoder's last features to an output in 0 to 1: a pyramid, blocks that double the
    resolution, a 3x3 convolution and a sigmoid."""

    def __init__(self, config: TwinsConfig, c_encoder: int):
        super().__init__()
        channels = (config.pyramid_channels, *config.depth_channels)
        self.pyramid = PyramidConcat(c_encoder, channels[0], config.pyramid_rates,
                                     config.dropout)
        self.blocks = nn.ModuleList(make_upsampling(config.upsampling, c_in, c_out)
                                    for c_in, c_out in zip(channels, channels[1:]))
        self.output = nn.Conv2d(channels[-1], 1, 3, padding=1)
        nn.init.normal_(self.output.weight, std=SCORE_STD)
        nn.init.zeros_(cast(Tensor, self.output.bias))
        self._connected_after = config.blocks_to_labels
        #: channels of the features at ``LABEL_STRIDE``
        self.connected_channels = channels[self._connected_after]

    def forward(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F, h, w) to the output (B, 1, H, W) and the features at ``LABEL_STRIDE``."""
        x = connected = self.pyramid(encoded)
        for number, block in enumerate(self.blocks, 1):
            x = block(x)
            if number == self._connected_after:
                connected = x
        return torch.sigmoid(self.output(x)), connected


class SemanticDecoder(nn.Module):
    """The encoder's last features to logits at stride 4 (Chen et al. 2018, DeepLab v3+, figure
    2), which also reads features of the encoder and of the depth decoder at that stride."""

    def __init__(self, config: TwinsConfig, c_encoder: int, c_skip: int, c_depth: int,
                 classes: int):
        super().__init__()
        channels = config.label_channels
        self.pyramid = PyramidConcat(c_encoder, config.pyramid_channels, config.pyramid_rates,
                                     config.dropout)
        self.skip = ConvNorm(c_skip, config.skip_channels, 1) if config.skip_channels else None
        self.connection = (ConvNorm(c_depth, config.connection_channels)
                           if config.connection_channels else None)
        c_joined = config.pyramid_channels + config.skip_channels + config.connection_channels
        self.conv1, self.conv2 = ConvNorm(c_joined, channels), ConvNorm(channels, channels)
        self.output = nn.Conv2d(channels, classes, 1)
        nn.init.normal_(self.output.weight, std=SCORE_STD)
        nn.init.zeros_(cast(Tensor, self.output.bias))

    def forward(self, encoded: Tensor, skip: Tensor, depth: Tensor) -> Tensor:
        """Features (B, F, h, w) and those at stride 4, of encoder and depth decoder."""
        parts = [F.interpolate(self.pyramid(encoded), skip.shape[-2:], mode="bilinear",
                               align_corners=False)]
        if self.skip is not None:
            parts.append(F.relu(self.skip(skip)))
        if self.connection is not None:
            parts.append(F.relu(self.connection(depth)))
        x = F.relu(self.conv1(torch.cat(parts, 1)))
        return self.output(F.relu(self.conv2(x)))


@dataclass(frozen=True)
class Output:
    """Of a batch."""

    #: (B, 1, H / depth_stride, W / depth_stride) in 0 to 1: log(1 + disparity) over its range
    depth: Tensor
    #: (B, C, H / 4, W / 4)
    logits: Tensor


class Twins(Network):
    """Depth and labels of one image; also a ``scenecode.networks.prediction.Predictor``."""

    config: TwinsConfig
    backbone: Backbone
    log_depth_std: LogDepthStd

    def __init__(self, config: TwinsConfig, classes: ClassSet):
        super().__init__(config, classes)
        self.backbone = make_backbone(config.backbone, config.padding, config.frozen_norm,
                                      config.output_stride)
        skip, *_, last = self.backbone.channels
        self.depth_decoder = DepthDecoder(config, last)
        self.semantic_decoder = SemanticDecoder(
            config, last, skip, self.depth_decoder.connected_channels, len(classes))
        self.log_depth_std = LogDepthStd(config.geometry)

    def forward(self, image: Tensor) -> Output:
        """(B, 3, H, W) in [0, 1] to both decoders' outputs."""
        skip, *_, last = self.backbone(image.contiguous(memory_format=torch.channels_last))
        depth, connected = self.depth_decoder(last)
        return Output(depth=depth.float(),
                      logits=self.semantic_decoder(last, skip, connected).float())

    def disparity(self, output: Tensor) -> Tensor:
        """Of an output in 0 to 1, in pixels at the canonical focal length."""
        return torch.expm1(self.config.log_range * output)

    def output_of_depth(self, depth: Tensor) -> Tensor:
        """The output that means ``depth`` in metres at the canonical focal length."""
        disparity = self.config.disparity_of_a_metre / depth.clamp(min=self.config.min_depth)
        return disparity.log1p() / self.config.log_range

    def depth(self, output: Tensor) -> Tensor:
        """Metres at the canonical focal length, at most ``max_depth``."""
        nearest = self.config.disparity_of_a_metre / self.config.max_depth
        return self.config.disparity_of_a_metre / self.disparity(output).clamp(min=nearest)

    @torch.no_grad()
    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """Depth, its standard deviation and logits of one image (3, H, W), at their own strides;
        raises ``ValueError`` for an image of another size."""
        self.require_size(image)
        output = self.output_of(image, self, Output)
        canonical = self.depth(output.depth)[0, 0]
        return self.prediction_without_codes(canonical, self.log_depth_std(canonical),
                                             output.logits[0], camera)

    @torch.no_grad()
    def answers(self, sample: Sample) -> dict[str, Answer]:
        """``network`` and, where the configuration has ``refinement``, ``refined``: the same
        with depth that is planar in superpixels."""
        answers = super().answers(sample)
        if self.config.refinement:
            answers["refined"] = self._refined(answers["network"], sample)
        return answers

    def _refined(self, answer: Answer, sample: Sample) -> Answer:
        # compiles its loops on first use, which only those who refine should wait for
        from scenecode.networks.families.twins.refinement import ROAD_CLASSES, refined_disparity
        depth, labels = cast(Tensor, answer.depth), cast(Tensor, answer.labels)
        scale = self.config.disparity_of_a_metre * sample.camera.focal \
            / self.config.canonical_focal
        road = tuple(self.classes.names.index(name) for name in ROAD_CLASSES
                     if name in self.classes.names)
        disparity = refined_disparity(image_to_uint8(sample.image),
                                      labels.numpy().astype(np.uint8),
                                      scale / depth.numpy(), road)
        prox = proximity_from_depth(scale / torch.from_numpy(disparity).float(),
                                    answer.average_depth)
        return replace(answer, prox=prox)

    def low_precision_modules(self) -> list[nn.Module]:
        """Encoder and decoders."""
        return [self.backbone, self.depth_decoder, self.semantic_decoder]

    def graph(self) -> nn.Module:
        """``forward`` as a tuple."""
        return OutputGraph(self, self.forward)
