"""The networks: DeepLab's atrous pyramid for labels, DepthNet for depth, and both over shared
features."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.networks.classes import ClassSet
from scenecode.networks.families.hybridnet.config import FEATURE_STRIDE, HybridNetConfig
from scenecode.networks.families.hybridnet.depth_networks import (
    GlobalNetwork,
    GradientNetwork,
    RefiningNetwork,
)
from scenecode.networks.families.hybridnet.tiles import JoinedTiles, tile_corners
from scenecode.networks.families.network import Network
from scenecode.networks.families.uncertainty import LogDepthStd
from scenecode.networks.layers.atrous import PyramidSum
from scenecode.networks.layers.backbones import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    make_backbone,
)
from scenecode.networks.layers.vgg import VGG
from scenecode.networks.prediction import Prediction
from scenecode.optim.geometry.camera import PinholeCamera

#: Standard deviation of the depth of a network that has none, in multiples of that depth.
UNKNOWN_DEPTH_STD = 10.0


@dataclass(frozen=True)
class Output:
    """Of a batch; ``None`` for what a variant lacks.  Depths are metres at the canonical focal
    length."""

    #: (B, C, H / 8, W / 8)
    logits: Tensor | None = None
    #: (B, 1, H / 4, W / 4) refined depth
    depth: Tensor | None = None
    #: (B, 1, H / 8, W / 8)
    global_depth: Tensor | None = None
    #: (B, 2, H / 8, W / 8) absolute differences of depth along x and y
    gradient: Tensor | None = None


class HybridNet(Network):
    """Labels and depth of one image; also a ``scenecode.networks.prediction.Predictor``."""

    config: HybridNetConfig

    def __init__(self, config: HybridNetConfig, classes: ClassSet):
        super().__init__(config, classes)
        variant = config.variant
        c_features = 0
        if variant != "depthnet":
            self.backbone = _make_features(config)
            c_features = self.backbone.channels[-1]
            self.pyramid = PyramidSum(c_features, len(classes), config.pyramid_rates,
                                      config.pyramid_channels, config.dropout)
        if variant == "aspp":
            return
        self.global_network = self.gradient_network = None
        if variant != "a1":
            self.global_network = GlobalNetwork(*config.network_size, config.global_channels,
                                                config.global_neurons, config.average_depth)
        if variant == "depthnet":
            self.gradient_network = GradientNetwork(config.global_channels)
        c_maps = c_features + {"a1": 0, "a2": 1, "depthnet": 3}[variant]
        self.refining_network = RefiningNetwork(c_maps, config.refining_image_channels,
                                                config.refining_channels, config.average_depth)
        self.log_depth_std = LogDepthStd(config.geometry)

    def forward(self, image: Tensor) -> Output:
        """(B, 3, h, w) in [0, 1], of ``HybridNetConfig.network_size``, to all maps."""
        image = image.contiguous(memory_format=torch.channels_last)
        features = None if self.backbone is None else self.backbone(image)[-1]
        logits = None if features is None else self.pyramid(features).float()
        if not self.predicts_depth:
            return Output(logits=logits)
        normalised = _normalised(image)
        global_depth, gradient = (None if part is None else part(normalised)
                                  for part in (self.global_network, self.gradient_network))
        maps = [m for m in (global_depth, gradient, features) if m is not None]
        depth = self.refining_network(normalised, maps)
        return Output(logits=logits, depth=depth.float(), global_depth=global_depth,
                      gradient=gradient)

    @torch.no_grad()
    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """Depth with the deviations fitted to held-out images, and logits, of one image (3, H, W)
        at their own strides, or at the image's size where it is covered by tiles; raises
        ``ValueError`` for an image of another size."""
        self.require_size(image)
        if self.config.tile:
            logits, canonical = self._joined(image)
        else:
            logits, canonical = self._maps(image[None].to(self.device))
        if self.log_depth_std is None:
            std = torch.full_like(canonical, UNKNOWN_DEPTH_STD)
        else:
            std = self.log_depth_std(canonical)
        return self.prediction_without_codes(canonical, std, logits, camera)

    def compute_maps(self, image: Tensor) -> object:
        """The maps of the image, or of every tile of it."""
        t = self.config.tile
        if not t:
            return self(image)
        return [self(image[..., row:row + t, column:column + t])
                for row, column in tile_corners(self.width, self.height, t)]

    def _maps(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (C, h, w) and canonical depth (h', w') of a batch of one; constants for those
        that the variant lacks."""
        output = self(batch)
        size = [-(-side // FEATURE_STRIDE) for side in batch.shape[-2:]]
        logits = (batch.new_zeros(len(self.classes), *size) if output.logits is None
                  else output.logits[0])
        depth = (batch.new_full(size, self.config.average_depth) if output.depth is None
                 else output.depth[0, 0])
        return logits, depth

    def _joined(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """``_maps`` of an image (3, H, W) in tiles, at its own size."""
        t = self.config.tile
        joined = JoinedTiles(len(self.classes), self.width, self.height, self.device)
        for row, column in tile_corners(self.width, self.height, t):
            batch = image[None, :, row:row + t, column:column + t].to(self.device)
            logits, depth = (
                F.interpolate(maps[None], (t, t), mode="bilinear", align_corners=False)[0]
                for maps in _with_channels(*self._maps(batch)))
            joined.add(row, column, logits, depth[0])
        return joined.maps()


class AtrousPyramidNet(HybridNet):
    """Labels alone: DeepLab with its atrous pyramid."""

    predicts_depth = False


class DepthNet(HybridNet):
    """Depth alone: global, gradient and refining network."""

    predicts_labels = False


def make_network(config: HybridNetConfig, classes: ClassSet) -> HybridNet:
    """The network of ``config.variant``."""
    kind = {"aspp": AtrousPyramidNet, "depthnet": DepthNet}.get(config.variant, HybridNet)
    return kind(config, classes)


def _make_features(config: HybridNetConfig) -> Backbone:
    if config.backbone == "vgg16":
        return VGG()
    return make_backbone(config.backbone, config.padding, config.frozen_norm, FEATURE_STRIDE)


def _with_channels(logits: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
    return logits, depth[None]


def _normalised(image: Tensor) -> Tensor:
    mean, std = (image.new_tensor(values)[:, None, None]
                 for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (image - mean) / std
