"""The paper's multitask conditional variational auto-encoder (section 3, figure 2).

One encoder, two RefineNet decoders (depth, semantics), two recognition models, and heads that
are affine in their code (``scenecode.networks.families.scenecode.heads``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import VOID, ClassSet
from scenecode.networks.families.scenecode.heads import HEAD_STD, LinearHead, NonlinearHead
from scenecode.networks.layers.backbones import BackboneName, Padding, make_backbone
from scenecode.networks.layers.refinenet import ConvNorm, RefineNet
from scenecode.networks.prediction import Prediction
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import proximity_from_depth

#: Smallest Laplace scale of proximity: otherwise a network may claim
#: certainty where training happens to fit.  At 2 m it is 2.4 cm.
MIN_SCALE = 3e-3
#: The coarsest stride of every backbone.
MAX_STRIDE = 32
#: Stride of the feature maps that the heads work at.
FEATURE_STRIDE = 4


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the shape of the network; stored in its checkpoint."""

    #: "scenecode" is the only architecture so far; checkpoints name theirs
    architecture: Literal["scenecode"] = "scenecode"
    backbone: BackboneName = "mobilenetv2"
    padding: Padding = "torch"
    #: keep the encoder's batch norm at its loaded statistics
    frozen_norm: bool = False
    width: int = 256
    height: int = 192
    depth_code: int = 32
    semantic_code: int = 32
    #: heads affine in the code, or the paper's non-linear comparison, for evaluation only
    decoder: Literal["linear", "nonlinear"] = "linear"
    #: decoder channels, residual units before the fusion and pooling blocks after it,
    #: from stride 4 to stride 32
    decoder_channels: tuple[int, int, int, int] = (64, 64, 96, 128)
    residual_units: tuple[int, int, int, int] = (1, 1, 1, 1)
    pooling_blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    #: channels of the recognition models, from stride 4 down by 2 each
    recognition_channels: tuple[int, ...] = (32, 64, 96, 128)
    #: ``a`` of proximity in metres at the canonical focal length (paper section 3.1)
    average_depth: float = 2.0
    #: focal length in pixels at ``width`` for which depth is learnt
    canonical_focal: float = 237.0

    def __post_init__(self):
        if self.width % MAX_STRIDE or self.height % MAX_STRIDE:
            raise ConfigError(f"width and height must be multiples of {MAX_STRIDE}, "
                              f"got {self.width}x{self.height}")
        if min(self.depth_code, self.semantic_code) < 0:
            raise ConfigError("depth_code and semantic_code must not be negative")
        if self.decoder == "nonlinear" and not min(self.depth_code, self.semantic_code):
            raise ConfigError("a non-linear decoder needs codes; set depth_code and "
                              "semantic_code above 0, or decoder: linear")
        if min(self.average_depth, self.canonical_focal) <= 0:
            raise ConfigError("average_depth and canonical_focal must be positive")

    def average_depth_for(self, camera: PinholeCamera) -> float:
        """``a`` in metres for images of ``camera``: one image cannot tell focal length from
        distance, so depth is learnt for one focal length and scaled by f / f_canonical."""
        return self.average_depth * camera.focal / self.canonical_focal


class Recognition(nn.Module):
    """VGG-like fully convolutional model of a code's distribution given the truth.

    Its last convolution spans the whole map.  It sees the truth beside the network's own
    zero-code prediction, so that the code need only say what the image does not.
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
        nn.init.zeros_(self.mean_logvar.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, c_in, h, w) to mean and log variance, each (B, code)."""
        mean, logvar = self.mean_logvar(self.trunk(x)).flatten(1).chunk(2, 1)
        return mean, logvar.clamp(-8.0, 4.0)


@dataclass(frozen=True)
class Features:
    """What the decoders say about a batch, before any code; all at stride 4."""

    #: (B, F, h, w) for the heads
    depth: Tensor
    semantic: Tensor
    #: (B, 1, h, w) proximity at zero code
    prox_zero: Tensor
    #: (B, 1, h, w) Laplace scale of proximity at zero code
    prox_b: Tensor
    #: (B, C, h, w) logits at zero code
    logits_zero: Tensor


class SceneCode(nn.Module):
    """Multitask CVAE; also a ``scenecode.networks.prediction.Predictor``."""

    def __init__(self, config: ModelConfig, classes: ClassSet):
        super().__init__()
        self.config, self.classes = config, classes
        self.width, self.height = config.width, config.height
        self.backbone = make_backbone(config.backbone, config.padding, config.frozen_norm)
        channels, C = config.decoder_channels, len(classes)
        self.depth_decoder, self.semantic_decoder = (
            RefineNet(self.backbone.channels, channels, config.residual_units,
                      config.pooling_blocks) for _ in range(2))
        head = {"linear": LinearHead, "nonlinear": NonlinearHead}[config.decoder]
        self.depth_head = head(channels[0], config.depth_code, 1)
        self.scale_head = nn.Conv2d(channels[0], 1, 3, padding=1)
        self.semantic_head = head(channels[0], config.semantic_code, C)
        size = (config.height // FEATURE_STRIDE, config.width // FEATURE_STRIDE)
        if config.depth_code:
            self.depth_recognition = Recognition(3, config.depth_code,
                                                 config.recognition_channels, size)
        if config.semantic_code:
            self.semantic_recognition = Recognition(2 * C, config.semantic_code,
                                                    config.recognition_channels, size)
        #: computes ``features`` of one image in another way (``scenecode.networks.inference.onnx_runtime``)
        self.runtime: Callable[[Tensor], Features] | None = None
        # proximity 1/2 is the average depth; b starts at about the spread around it
        nn.init.constant_(self.depth_head.bias, 0.5)
        nn.init.normal_(self.scale_head.weight, std=HEAD_STD)
        nn.init.constant_(self.scale_head.bias, -2.0)

    def features(self, image: Tensor, thin: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]
                 = lambda encoded: encoded) -> Features:
        """(B, 3, H, W) in [0, 1] to everything that does not depend on a code; ``thin`` may
        change the encoder's maps, (B, F, h, w) at strides 4 to 32, before they are decoded."""
        encoded = thin(self.backbone(image.contiguous(memory_format=torch.channels_last)))
        dtype = self.scale_head.weight.dtype  # that of the heads, wider than the decoders' perhaps
        depth = F.relu(self.depth_decoder(encoded)).to(dtype)
        semantic = F.relu(self.semantic_decoder(encoded)).to(dtype)
        return Features(depth, semantic, self.depth_head.zero(depth),
                        F.softplus(self.scale_head(depth)) + MIN_SCALE,
                        self.semantic_head.zero(semantic))

    def features_of(self, image: Tensor) -> Features:
        """``features`` of one image (3, H, W), by the runtime where one was attached."""
        batch = image[None].to(self.backbone.mean.device)
        return self.features(batch) if self.runtime is None else self.runtime(batch)

    def decode(self, features: Features, depth_code: Tensor | None,
               semantic_code: Tensor | None) -> tuple[Tensor, Tensor]:
        """Proximity (B, 1, h, w) and logits (B, C, h, w) at codes (B, Kd), (B, Ks);
        an absent code is zero."""
        prox, logits = features.prox_zero, features.logits_zero
        if depth_code is not None and self.config.depth_code:
            prox = prox + self.depth_head.by_code(features.depth, depth_code)
        if semantic_code is not None and self.config.semantic_code:
            logits = logits + self.semantic_head.by_code(features.semantic, semantic_code)
        return prox, logits

    def recognise_depth(self, features: Features, prox: Tensor,
                        known: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, Kd) of the depth code of images whose proximity is
        ``prox`` (B, 1, H, W) where ``known`` (B, 1, H, W) is 1."""
        size = features.prox_zero.shape[-2:]
        weight = F.adaptive_avg_pool2d(known, size)
        mean = F.adaptive_avg_pool2d(prox * known, size) / weight.clamp(min=1e-6)
        zero = features.prox_zero.detach()
        error = (mean - zero) * (weight > 0)
        return self.depth_recognition(torch.cat([error, zero, weight], 1))

    def recognise_semantic(self, features: Features, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, Ks) of the semantic code of images labelled
        ``labels`` (B, H, W) ids; void pixels are no class."""
        size, C = features.logits_zero.shape[-2:], len(self.classes)
        # four of the sixteen pixels under a feature tell its classes well enough
        ids = labels[:, 1::2, 1::2].long()
        ids = ids.masked_fill(ids == VOID, C)[:, None]
        one_hot = features.logits_zero.new_zeros(len(ids), C + 1, *ids.shape[-2:])
        truth = F.adaptive_avg_pool2d(one_hot.scatter_(1, ids, 1.0)[:, :C], size)
        guess = features.logits_zero.detach().softmax(1)
        return self.semantic_recognition(torch.cat([truth, guess], 1))

    def upsample(self, maps: Tensor) -> Tensor:
        """Feature-resolution maps (B, N, h, w) to image resolution; linear."""
        return F.interpolate(maps, (self.height, self.width), mode="bilinear",
                             align_corners=False)

    @torch.no_grad()
    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """Zero-code prediction and all Jacobians of one image (3, H, W), at stride 4.

        One forward pass; raises ``ValueError`` for an image of another size and ``ConfigError``
        for a non-linear decoder.
        """
        if image.shape != (3, self.height, self.width):
            raise ValueError(f"this model takes 3x{self.height}x{self.width} images, "
                             f"got {tuple(image.shape)}")
        features = self.features_of(image)
        J_depth = self.depth_head.jacobian(features.depth)[0, 0]
        J_semantic = self.semantic_head.jacobian(features.semantic)[0]
        return Prediction(
            prox_zero=features.prox_zero[0, 0].contiguous(),
            prox_J_code=J_depth.contiguous(),
            prox_b=features.prox_b[0, 0].contiguous(),
            logits_zero=features.logits_zero[0].contiguous(),
            logits_J_code=J_semantic.contiguous(),
            classes=self.classes,
            average_depth=self.config.average_depth_for(camera))

    @torch.no_grad()
    def encode(self, image: Tensor, depth: Tensor, labels: Tensor,
               camera: PinholeCamera) -> tuple[Tensor, Tensor]:
        """The most likely codes (Kd,), (Ks,) of an image (3, H, W) whose depth (H, W) in
        metres (0 unknown) and labels (H, W) are known; empty where the model has no code."""
        codes = self.encode_features(self.features_of(image), depth, labels, camera)
        return codes[0][0], codes[1][0]

    def encode_features(self, features: Features, depth: Tensor, labels: Tensor,
                        camera: PinholeCamera) -> tuple[Tensor, Tensor]:
        """``encode`` of one image whose features are at hand: codes (1, Kd) and (1, Ks)."""
        device = features.prox_zero.device
        depth_code = semantic_code = torch.zeros(1, 0, device=device)
        if self.config.depth_code:
            prox = proximity_from_depth(depth, self.config.average_depth_for(camera))
            known = (depth > 0).to(prox.dtype)
            depth_code, _ = self.recognise_depth(features, prox[None, None].to(device),
                                                 known[None, None].to(device))
        if self.config.semantic_code:
            semantic_code, _ = self.recognise_semantic(features, labels[None].to(device))
        return depth_code, semantic_code
