"""A training run that takes seconds, on images whose colours tell depth and class."""

from functools import partial

import torch
from rich.console import Console

from scenecode.networks.classes import NYU13
from scenecode.networks.data.mixed import MixedImages
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.sample import Sample
from scenecode.networks.training.config import TrainConfig
from scenecode.optim.geometry.camera import PinholeCamera

SIZE = 64


class Walls:
    """Images of two halves whose colours tell depth and class."""

    classes = NYU13

    def __init__(self, count: int = 4):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        split = 16 + 8 * (index % 4)
        image = torch.zeros(3, SIZE, SIZE)
        image[0, :, :split], image[2, :, split:] = 0.8, 0.6
        depth = torch.full((SIZE, SIZE), 1.5)
        depth[:, split:] = 4.0
        labels = torch.full((SIZE, SIZE), 4, dtype=torch.uint8)
        labels[:, split:] = 11
        return Sample(image=image, depth=depth, labels=labels,
                      camera=PinholeCamera(60, 60, 31.5, 31.5, SIZE, SIZE))


def small_config(**changes) -> TrainConfig:
    model = SceneCodeConfig(width=SIZE, height=SIZE, depth_code=4, semantic_code=4,
                        canonical_focal=60.0, decoder_channels=(8, 8, 8, 8),
                        residual_units=(0, 0, 0, 0), pooling_blocks=(0, 0, 0, 0),
                        recognition_channels=(8, 8), frozen_norm=True)
    values = dict(model=model, batch_size=2, epochs=2, warmup_steps=1, ema_decay=0.5, workers=0,
                  threads=1, frozen_blocks=4) | changes
    return TrainConfig(**values)


def images(per_epoch: int = 6):
    return MixedImages([Walls()], [per_epoch]), Walls()


quiet = partial(Console, quiet=True)
