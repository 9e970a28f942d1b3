"""The paper's multitask conditional variational auto-encoder (section 3, figure 2).

One encoder, two RefineNet decoders (depth, semantics), two recognition models, and heads that
are affine in their code (``scenecode.networks.families.scenecode.heads``).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import VOID, ClassSet
from scenecode.networks.families.network import Answer, Figure, Network, OutputGraph
from scenecode.networks.families.scenecode.config import FEATURE_STRIDE, SceneCodeConfig
from scenecode.networks.families.scenecode.heads import HEAD_STD, LinearHead, NonlinearHead
from scenecode.networks.families.scenecode.jacobian_pictures import jacobian_figures
from scenecode.networks.families.scenecode.recognition import Recognition
from scenecode.networks.layers.backbones import Backbone, make_backbone
from scenecode.networks.layers.refinenet import RefineNet
from scenecode.networks.prediction import Prediction, resize_maps
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import proximity_from_depth

#: Smallest Laplace scale of proximity: otherwise a network may claim
#: certainty where training happens to fit.  At 2 m it is 2.4 cm.
MIN_SCALE = 3e-3
#: The scale head's bias: ``b`` then starts at about the standard deviation of proximity.
SCALE_BIAS = -2.0

#: The encoder's maps, (B, F, h, w) at strides 4, 8, 16 and 32.
EncoderMaps = tuple[Tensor, ...]


@dataclass(frozen=True)
class Features:
    """Outputs of the decoders for a batch, before any code; all at stride 4."""

    #: (B, F, h, w) for the heads
    depth: Tensor
    semantic: Tensor
    #: (B, 1, h, w) proximity at zero code
    prox_zero: Tensor
    #: (B, 1, h, w) Laplace scale of proximity at zero code
    prox_b: Tensor
    #: (B, C, h, w) logits at zero code
    logits_zero: Tensor


class SceneCode(Network):
    """Multitask CVAE; also a ``scenecode.networks.prediction.Predictor``."""

    config: SceneCodeConfig
    backbone: Backbone

    def __init__(self, config: SceneCodeConfig, classes: ClassSet):
        super().__init__(config, classes)
        self.backbone = make_backbone(config.backbone, config.padding, config.frozen_norm)
        channels, C = config.decoder_channels, len(classes)
        self.depth_decoder, self.semantic_decoder = (
            RefineNet(self.backbone.channels, channels, config.residual_units,
                      config.pooling_blocks) for _ in range(2))
        head: type[LinearHead] | type[NonlinearHead]
        head = LinearHead if config.decoder == "linear" else NonlinearHead
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
        # proximity 1/2 is the average depth
        nn.init.constant_(self.depth_head.bias, 0.5)
        nn.init.normal_(self.scale_head.weight, std=HEAD_STD)
        nn.init.constant_(cast(Tensor, self.scale_head.bias), SCALE_BIAS)

    def features(self, image: Tensor,
                 channel_dropout: Callable[[EncoderMaps], EncoderMaps] | None = None) -> Features:
        """(B, 3, H, W) in [0, 1] to everything that does not depend on a code;
        ``channel_dropout`` may change the encoder's maps before they are decoded."""
        encoded = self.backbone(image.contiguous(memory_format=torch.channels_last))
        if channel_dropout is not None:
            encoded = channel_dropout(encoded)
        dtype = self.scale_head.weight.dtype  # the decoders may compute in a narrower type
        depth = F.relu(self.depth_decoder(encoded)).to(dtype)
        semantic = F.relu(self.semantic_decoder(encoded)).to(dtype)
        return Features(depth=depth, semantic=semantic, prox_zero=self.depth_head.zero(depth),
                        prox_b=F.softplus(self.scale_head(depth)) + MIN_SCALE,
                        logits_zero=self.semantic_head.zero(semantic))

    def features_of(self, image: Tensor) -> Features:
        """``features`` of one image (3, H, W), by ``runtime`` where one was attached."""
        return self.output_of(image, self.features, Features)

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
                        valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, Kd) of the depth code of images whose proximity is
        ``prox`` (B, 1, H, W) where ``valid`` (B, 1, H, W) is 1."""
        size = _map_size(features)
        weight = F.adaptive_avg_pool2d(valid, size)
        mean = F.adaptive_avg_pool2d(prox * valid, size) / weight.clamp(min=1e-6)
        zero = features.prox_zero.detach()
        error = (mean - zero) * (weight > 0)
        return self.depth_recognition(torch.cat([error, zero, weight], 1))

    def recognise_semantic(self, features: Features, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, Ks) of the semantic code of images labelled
        ``labels`` (B, H, W) ids; void pixels are no class."""
        size, C = _map_size(features), len(self.classes)
        # four of the sixteen pixels under a feature are sample enough of its classes
        ids = labels[:, 1::2, 1::2].long()
        ids = ids.masked_fill(ids == VOID, C)[:, None]
        one_hot = features.logits_zero.new_zeros(len(ids), C + 1, *ids.shape[-2:])
        truth = F.adaptive_avg_pool2d(one_hot.scatter_(1, ids, 1.0)[:, :C], size)
        prediction = features.logits_zero.detach().softmax(1)
        return self.semantic_recognition(torch.cat([truth, prediction], 1))

    @torch.no_grad()
    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """Zero-code prediction and all Jacobians of one image (3, H, W), at stride 4.

        One forward pass; raises ``ValueError`` for an image of another size and ``ConfigError``
        for a non-linear decoder.
        """
        self.require_size(image)
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
            average_depth=self.geometry.average_depth_for(camera))

    def semantic_features(self, image: Tensor) -> Tensor:
        """(F, h, w) features of one image (3, H, W), from which its labels follow."""
        return self.features_of(image).semantic[0]

    def logits_and_jacobian(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at zero code (B, C, h, w) and their derivative by the code (B, C, Ks, h, w), of
        ``semantic_features`` (B, F, h, w)."""
        return self.semantic_head.zero(features), self.semantic_head.jacobian(features)

    def semantic_code_weights(self) -> list[nn.Parameter]:
        """What a semantic code goes through; none of it changes the prediction at zero code.
        Raises ``ConfigError`` for a network without semantic codes or with a decoder that is not
        linear."""
        head = self.semantic_head
        if not isinstance(head, LinearHead) or not head.code:
            raise ConfigError("this network has no semantic codes with a linear decoder")
        return [cast(nn.Parameter, part.weight)
                for part in (head.code_map, head.from_code, head.from_product)]

    def predict_without_jacobians(self, image: Tensor) -> Features:
        """The zero-code prediction alone."""
        return self.features_of(image)

    @torch.no_grad()
    def answers(self, sample: Sample) -> dict[str, Answer]:
        """``zero_code`` sees only the image; ``encoded`` also the truth, through the recognition
        models, and bounds what mapping can reach.  The predicted scale is that of the zero code.
        """
        features = self.features_of(sample.image)
        codes = self._encode(features, sample.depth, sample.labels, sample.camera)
        zero_code = self._answer(sample, features.prox_zero, features.logits_zero)
        prox_b = self._full_size(features.prox_b)[0]
        return {"zero_code": replace(zero_code, prox_b=prox_b),
                "encoded": self._answer(sample, *self.decode(features, *codes))}

    def _answer(self, sample: Sample, prox: Tensor, logits: Tensor) -> Answer:
        return Answer(average_depth=self.geometry.average_depth_for(sample.camera),
                      prox=self._full_size(prox)[0], logits=self._full_size(logits))

    def _full_size(self, maps: Tensor) -> Tensor:
        """The first of feature-resolution maps (B, N, h, w) at image resolution, on the CPU."""
        return resize_maps(maps[0], self.width, self.height).cpu()

    @torch.no_grad()
    def encode(self, image: Tensor, depth: Tensor, labels: Tensor,
               camera: PinholeCamera) -> tuple[Tensor, Tensor]:
        """The most likely codes (Kd,), (Ks,) of an image (3, H, W) whose depth (H, W) in
        metres (0 unknown) and labels (H, W) are known; empty where the model has no code."""
        codes = self._encode(self.features_of(image), depth, labels, camera)
        return codes[0][0], codes[1][0]

    def _encode(self, features: Features, depth: Tensor, labels: Tensor,
                camera: PinholeCamera) -> tuple[Tensor, Tensor]:
        """``encode`` of one image whose features are given: codes (1, Kd) and (1, Ks)."""
        device = features.prox_zero.device
        depth_code = semantic_code = torch.zeros(1, 0, device=device)
        if self.config.depth_code:
            prox = proximity_from_depth(depth, self.geometry.average_depth_for(camera))
            valid = (depth > 0).to(prox.dtype)
            depth_code, _ = self.recognise_depth(features, prox[None, None].to(device),
                                                 valid[None, None].to(device))
        if self.config.semantic_code:
            semantic_code, _ = self.recognise_semantic(features, labels[None].to(device))
        return depth_code, semantic_code

    @torch.no_grad()
    def figures(self, sample: Sample) -> list[Figure]:
        """What the strongest entries of both codes change in this image; none for a non-linear
        decoder, whose derivative depends on the code."""
        if self.config.decoder != "linear":
            return []
        features = self.features_of(sample.image)
        return jacobian_figures(sample.image, self.classes,
                                J_prox=self.depth_head.jacobian(features.depth)[0],
                                J_logits=self.semantic_head.jacobian(features.semantic)[0])

    def low_precision_modules(self) -> list[nn.Module]:
        """Encoder and decoders; heads and Jacobians are float32 always."""
        return [self.backbone, self.depth_decoder, self.semantic_decoder]

    def graph(self) -> nn.Module:
        """``features`` as a tuple."""
        return OutputGraph(self, self.features)

    def transferable_state(self, earlier: Network) -> dict[str, Tensor] | None:
        """All weights of the same model; of one that differs in its backbone alone, those that
        neither are nor read the backbone."""
        if not isinstance(earlier, SceneCode):
            return None
        like_own = replace(earlier.config, backbone=self.config.backbone,
                           padding=self.config.padding)
        if (like_own, earlier.classes) != (self.config, self.classes):
            return None
        state = dict(earlier.state_dict())
        if earlier.config == self.config:
            return state
        reads_backbone = tuple(f"{name}." for name, part in self.named_modules()
                               if isinstance(part, Backbone) or name.endswith(".reduce"))
        return {name: value for name, value in state.items()
                if not name.startswith(reads_backbone)}


def _map_size(features: Features) -> tuple[int, int]:
    h, w = features.prox_zero.shape[-2:]
    return h, w
