"""The network: an encoder, an atrous pyramid summed to a score for each bin (DeepLab v2), and
depth from the distribution over bins."""

from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.networks.classes import ClassSet
from scenecode.networks.families.depth_bins.config import PREDICTION_STRIDE, DepthBinsConfig
from scenecode.networks.families.network import Answer, Network
from scenecode.networks.layers.atrous import PyramidSum
from scenecode.networks.layers.backbones import Backbone, make_backbone
from scenecode.networks.layers.bins import Decoding, DepthBins
from scenecode.networks.prediction import Prediction
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

#: Learning rate of the pyramid over that of the run (Chen et al. 2018, section 4.1).
PYRAMID_RATE = 10.0


class ScoreGraph(nn.Module):
    """``DepthBinsNetwork.forward`` as a tuple, which is what can be exported."""

    def __init__(self, model: "DepthBinsNetwork"):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.model(image),)


class DepthBinsNetwork(Network):
    """Depth of one image; also a ``scenecode.networks.prediction.Predictor``, all of whose
    classes are equally likely."""

    config: DepthBinsConfig
    backbone: Backbone
    predicts_labels = False

    def __init__(self, config: DepthBinsConfig, classes: ClassSet):
        super().__init__(config, classes)
        self.backbone = make_backbone(config.backbone, config.padding, config.frozen_norm,
                                      config.output_stride)
        self.pyramid = PyramidSum(self.backbone.channels[-1], config.bins, config.pyramid_rates,
                                  config.hidden_channels, config.dropout)
        self.bins = DepthBins(config.spacing, config.min_depth, config.max_depth, config.bins)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to scores of the bins (B, K, h, w) at the output stride, of the
        image continued to whole strides."""
        right, below = (-size % self.config.output_stride for size in (self.width, self.height))
        image = F.pad(image, (0, right, 0, below), mode="replicate")
        features = self.backbone(image.contiguous(memory_format=torch.channels_last))
        return self.pyramid(features[-1]).float()

    def scores(self, image_scores: Tensor, stride: int) -> Tensor:
        """``forward``'s scores enlarged to (B, K, H / stride, W / stride) of the image alone."""
        factor = self.config.output_stride // stride
        h, w = (size * factor for size in image_scores.shape[-2:])
        enlarged = F.interpolate(image_scores, (h, w), mode="bilinear", align_corners=False)
        return enlarged[..., :self.height // stride, :self.width // stride]

    def _scores_of(self, image: Tensor, stride: int) -> Tensor:
        """Scores (1, K, h, w) of one image (3, H, W), by ``runtime`` where one was attached."""
        self.require_size(image)
        return self.scores(self.output_of(image, self, lambda scores: scores), stride)

    @torch.no_grad()
    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """Depth and its standard deviation from the distribution over bins, at stride 4, of one
        image (3, H, W); raises ``ValueError`` for an image of another size."""
        return self._prediction(self._scores_of(image, PREDICTION_STRIDE), camera,
                                self.config.decode)

    @torch.no_grad()
    def answers(self, sample: Sample) -> dict[str, Answer]:
        """Depth by both ways to decode, at the image's size; that of the configuration first."""
        scores = self._scores_of(sample.image, 1)
        others = [how for how in get_args(Decoding) if how != self.config.decode]
        return {how: self.answer_of(self._prediction(scores, sample.camera, how))
                for how in (self.config.decode, *others)}

    def _prediction(self, scores: Tensor, camera: PinholeCamera, how: Decoding) -> Prediction:
        canonical, std = (maps[0] for maps in self.bins.decode(scores, how))
        logits = canonical.new_zeros(len(self.classes), *canonical.shape)
        return self.prediction_without_codes(canonical, std, logits, camera)

    def parameter_groups(self) -> dict[str, float]:
        """The pyramid, which starts at random, learns ten times as fast as the encoder."""
        return {"pyramid.": PYRAMID_RATE}

    def low_precision_modules(self) -> list[nn.Module]:
        """Encoder and pyramid."""
        return [self.backbone, self.pyramid]

    def graph(self) -> nn.Module:
        """``forward`` as a tuple."""
        return ScoreGraph(self)
