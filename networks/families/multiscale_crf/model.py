"""The network: five branches of an encoder, each with scores of labels and of depth; their sum is
the unary energy of a dense conditional random field (Mousavian et al. 2016, sections 3.1 to 3.4).
"""

from dataclasses import dataclass
from typing import cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.networks.classes import ClassSet
from scenecode.networks.families.multiscale_crf.config import Labelling, MultiscaleCRFConfig
from scenecode.networks.families.network import Answer, Network, OutputGraph
from scenecode.networks.layers.atrous import SCORE_STD
from scenecode.networks.layers.backbones import Backbone, make_backbone
from scenecode.networks.layers.refinenet import ConvNorm
from scenecode.networks.layers.vgg import VGG
from scenecode.networks.prediction import Prediction, resize_maps
from scenecode.networks.sample import Sample
from scenecode.optim.dense_crf.crf import DenseCRF
from scenecode.optim.geometry.camera import PinholeCamera

#: Layers of the five branches behind the encoder, and the size of the kernels of the last one.
BRANCH_LAYERS = (2, 1, 2, 2, 2)
LAST_KERNELS = (3, 3, 3, 3, 1)
#: How the learning rate of the field's compatibilities differs from that of the network (section
#: 4.1: 1e-13 against 1e-16).
CRF_RATE = 1000.0


class Branch(nn.Module):
    """Features (B, c_in, h, w) to scores of labels and of depth, (B, C + K, h', w').

    ``layers`` convolutions of ``channels`` with ReLU, of ``stride`` each; the first is dilated,
    the last has a kernel of ``last_kernel``; then 1x1 convolutions for the scores.
    """

    def __init__(self, c_in: int, channels: int, outputs: int, layers: int, last_kernel: int,
                 has_norm: bool, dilation: int = 1, stride: int = 1):
        super().__init__()
        self.convs = nn.ModuleList()
        for number in range(layers):
            kernel = last_kernel if number == layers - 1 else 3
            spread = dilation if number == 0 else 1
            if has_norm:
                block = ConvNorm(c_in, channels, kernel, spread)
                block.conv.stride = (stride, stride)
                self.convs.append(block)
            else:
                conv = nn.Conv2d(c_in, channels, kernel, stride, kernel // 2 * spread, spread)
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.zeros_(cast(Tensor, conv.bias))
                self.convs.append(conv)
            c_in = channels
        self.scores = nn.Conv2d(channels, outputs, 1)
        nn.init.normal_(self.scores.weight, std=SCORE_STD)
        nn.init.zeros_(cast(Tensor, self.scores.bias))

    def forward(self, features: Tensor) -> Tensor:
        for conv in self.convs:
            features = F.relu(conv(features))
        return self.scores(features)


@dataclass(frozen=True)
class Output:
    """Of a batch, at the stride of the scores."""

    #: (B, C, h, w) scores of the labels
    logits: Tensor
    #: (B, K, h, w) scores of the depth bins
    depth_scores: Tensor


class MultiscaleCRF(Network):
    """Labels and depth of one image; also a ``scenecode.networks.prediction.Predictor``."""

    config: MultiscaleCRFConfig
    backbone: Backbone
    crf: DenseCRF

    def __init__(self, config: MultiscaleCRFConfig, classes: ClassSet):
        super().__init__(config, classes)
        if config.backbone == "vgg":
            # two convolutions a stage (table 1); the last pool has no stride
            self.backbone = VGG((2, 2, 2, 2), (2, 2, 2, 1), last_dilation=1)
        else:
            self.backbone = make_backbone(config.backbone, config.padding, config.frozen_norm,
                                          config.output_stride)
        outputs = len(classes) + config.depth_bins
        image_stride = {1: 1, 2: 2, 4: 2}[config.score_stride]
        branches = []
        for number, channels in enumerate(config.branch_channels):
            is_last = number == len(config.branch_channels) - 1
            branches.append(Branch(
                (3, *self.backbone.channels)[number], channels, outputs, BRANCH_LAYERS[number],
                LAST_KERNELS[number], config.branch_norm,
                config.context_dilation if is_last else 1, 1 if number else image_stride))
        self.branches = nn.ModuleList(branches)
        self.crf = DenseCRF(len(classes), config.crf)
        bins = torch.arange(1, config.depth_bins + 1) * config.bin_length
        self.register_buffer("_bin_depths", bins, persistent=False)

    def forward(self, image: Tensor) -> Output:
        """(B, 3, H, W) in [0, 1] to the sums of the branches' scores."""
        image = image.contiguous(memory_format=torch.channels_last)
        inputs = (self.backbone.normalise(image), *self.backbone(image))
        size = [-(-side // self.config.score_stride) for side in image.shape[-2:]]
        maps = [F.interpolate(branch(features).float(), size, mode="bilinear",
                              align_corners=False)
                for branch, features in zip(self.branches, inputs)]
        C = len(self.classes)
        total = torch.stack(maps).sum(0)
        return Output(logits=total[:, :C], depth_scores=total[:, C:])

    def depth(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of the bins (B, K, h, w) to the mean depth in metres at the canonical focal
        length (equation 3) and the standard deviation of its natural logarithm, both (B, h, w).

        The deviation is that of the distribution over bins, plus ``width^2 / 12`` inside a bin.
        """
        bins = cast(Tensor, self._bin_depths)
        p = scores.float().softmax(1)
        depth = torch.einsum("bkhw,k->bhw", p, bins)
        centre = bins.mean()
        second = torch.einsum("bkhw,k->bhw", p, (bins - centre).square())
        variance = second - (depth - centre).square() + self.config.bin_length ** 2 / 12
        return depth, variance.clamp(min=1e-8).sqrt() / depth

    def marginal_logits(self, logits: Tensor, image: Tensor, depth: Tensor | None) -> Tensor:
        """Logits (B, C, h, w) of the field's marginals, of unary ``logits`` (B, C, h, w), images
        (B, 3, h, w) and depth (B, h, w) in metres, without which its kernel is left out."""
        return torch.stack([
            self.crf(logits[i], image[i], None if depth is None else depth[i])
            for i in range(len(logits))])

    def _output_of(self, image: Tensor) -> Output:
        self.require_size(image)
        return self.output_of(image, self, Output)

    def _labelled(self, output: Output, image: Tensor, depth: Tensor,
                  labelling: Labelling) -> Tensor:
        """Logits (C, h, w) at the image's size for the field, else at that of the scores."""
        if labelling == "unary":
            return output.logits[0]
        size = (self.width, self.height)
        return self.crf(resize_maps(output.logits[0], *size), image.to(self.device),
                        resize_maps(depth[None], *size)[0] if labelling == "crf_depth" else None)

    @torch.no_grad()
    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """Depth, its standard deviation and the configured labels of one image (3, H, W); raises
        ``ValueError`` for an image of another size."""
        return self._prediction(self._output_of(image), image, camera, self.config.labels)

    def _prediction(self, output: Output, image: Tensor, camera: PinholeCamera,
                    labelling: Labelling) -> Prediction:
        canonical, std = (maps[0] for maps in self.depth(output.depth_scores))
        logits = self._labelled(output, image, canonical, labelling)
        return self.prediction_without_codes(canonical, std, logits, camera)

    @torch.no_grad()
    def answers(self, sample: Sample) -> dict[str, Answer]:
        """One for each way to label: ``unary``, ``crf`` and ``crf_depth``, whose field has the
        kernel of the estimated depth too; all have the same depth."""
        output = self._output_of(sample.image)
        return {labelling: self.answer_of(
                    self._prediction(output, sample.image, sample.camera, labelling))
                for labelling in get_args(Labelling)}

    def parameter_groups(self) -> dict[str, float]:
        """The field's compatibilities learn faster."""
        return {"crf.": CRF_RATE}

    def low_precision_modules(self) -> list[nn.Module]:
        """The encoder."""
        return [self.backbone]

    def graph(self) -> nn.Module:
        """``forward`` as a tuple."""
        return OutputGraph(self, self.forward)
