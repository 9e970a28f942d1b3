"""Labelled images that live on the device they are trained on and are augmented there, in
batches: a GPU then never waits for processes that prepare images.

The changes are those of ``scenecode.networks.data.augment``, of the same ranges, by other means:
all that moves pixels is one bilinear lookup.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, radians

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.core.errors import DataError
from scenecode.networks.data.augment import AugmentConfig
from scenecode.networks.data.mixed import Batch, MixedImages

#: Weights of the colour channels in a grey image.
GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class ResidentImages:
    """All samples of a ``MixedImages``, of one size, 6 bytes a pixel."""

    #: (N, 3, H, W) uint8, (N, H, W) float16 metres and (N, H, W) uint8 ids
    image: Tensor
    depth: Tensor
    labels: Tensor
    #: (N, 4) fx fy cx cy in pixels
    camera: Tensor

    @staticmethod
    def load(mixed: MixedImages, device: torch.device) -> "ResidentImages":
        """Raises ``DataError`` for samples of several sizes."""
        first = mixed[0]
        N, (H, W) = len(mixed), first.depth.shape
        image = torch.empty(N, 3, H, W, dtype=torch.uint8)
        depth, labels = torch.empty(N, H, W, dtype=torch.half), image.new_empty(N, H, W)
        camera = torch.empty(N, 4)
        for i in range(N):
            sample = mixed[i]
            if sample.depth.shape != (H, W):
                raise DataError(f"{sample.name}: is {tuple(sample.depth.shape)}, others are "
                                f"{(H, W)}; resident images must have one size")
            image[i] = (sample.image * 255 + 0.5).to(torch.uint8)
            depth[i], labels[i] = sample.depth.half(), sample.labels
            camera[i] = torch.tensor([sample.camera.fx, sample.camera.fy, sample.camera.cx,
                                      sample.camera.cy])
        return ResidentImages(image=image.to(device), depth=depth.to(device),
                              labels=labels.to(device), camera=camera.to(device))


def resident_batch(images: ResidentImages, indices: Tensor, size: tuple[int, int], focal: float,
                   config: AugmentConfig, generator: torch.Generator,
                   max_depth: float = float("inf")) -> Batch:
    """The samples ``indices`` (B,), augmented, at ``size`` = (height, width), with depth of the
    canonical ``focal`` in pixels at that size and unknown beyond ``max_depth`` metres."""
    device, (h, w), B = images.image.device, size, len(indices)
    H, W = images.depth.shape[1:]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(B, *shape, device=device).uniform_(low, high, generator=generator)

    camera = images.camera[indices]
    aspect = w / h * (1 + config.aspect * uniform(-1, 1))
    box_w = (H * aspect).clamp(max=float(W)) * (-log(config.zoom) * uniform(0, 1)).exp()
    box_h = (box_w / aspect).clamp(max=float(H))
    left, top = uniform(0, 1) * (W - box_w), uniform(0, 1) * (H - box_h)
    mirror = torch.where(uniform(0, 1) < config.flip, -1.0, 1.0)
    # pixel centres of the result in [-1, 1], then in pixels of the source, rolled about its centre
    x = ((torch.arange(w, device=device) + 0.5) / w * 2 - 1)[None, None, :]
    y = ((torch.arange(h, device=device) + 0.5) / h * 2 - 1)[None, :, None]
    u = left[:, None, None] + (1 + x * mirror[:, None, None]) * 0.5 * box_w[:, None, None] - 0.5
    v = top[:, None, None] + (1 + y) * 0.5 * box_h[:, None, None] - 0.5
    roll = radians(config.roll) * uniform(-1, 1)[:, None, None]
    du, dv = u - camera[:, 2, None, None], v - camera[:, 3, None, None]
    u = camera[:, 2, None, None] + roll.cos() * du - roll.sin() * dv
    v = camera[:, 3, None, None] + roll.sin() * du + roll.cos() * dv
    grid = torch.stack([(u + 0.5) / W * 2 - 1, (v + 0.5) / H * 2 - 1], 3)

    image = F.grid_sample(images.image[indices].float() / 255, grid, padding_mode="reflection",
                          align_corners=False)
    # one is added to ids, so that the zeros outside become VOID
    maps = torch.stack([images.depth[indices].float(), (images.labels[indices] + 1).float()], 1)
    depth, labels = F.grid_sample(maps, grid, mode="nearest", align_corners=False).unbind(1)
    depth = torch.where(depth <= max_depth, depth, 0.0)
    own_focal = 0.5 * (camera[:, 0] * w / box_w + camera[:, 1] * h / box_h)
    depth = depth * (focal / own_focal)[:, None, None]
    labels = (labels.round().to(torch.uint8) - 1).long()
    image = _recoloured(image, config, uniform)
    if config.collage:
        other = torch.randperm(B, device=device, generator=generator)
        cut, side = uniform(0.2, 0.8) * w, uniform(0, 1) < 0.5
        columns = torch.arange(w, device=device)[None, :]
        theirs = (columns < cut[:, None]) == side[:, None]
        theirs = (theirs & (uniform(0, 1) < config.collage)[:, None])[:, None, :]
        image = torch.where(theirs[:, None], image[other], image)
        depth = torch.where(theirs, depth[other], depth)
        labels = torch.where(theirs, labels[other], labels)
    return Batch(image=image, depth=depth, valid=depth > 0, labels=labels)


def _recoloured(image: Tensor, config: AugmentConfig, uniform) -> Tensor:
    image = image.clamp(1e-4, 1) ** (config.gamma * uniform(-1, 1, 1, 1, 1)).exp()
    if config.saturation:
        grey = (image * image.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)
        image = grey + (image - grey) * (1 + config.saturation * uniform(-1, 1, 1, 1, 1))
    mean = image.mean((1, 2, 3), keepdim=True)
    gain = 1 + config.colour * uniform(-1, 1, 3, 1, 1)
    contrast = 1 + config.contrast * uniform(-1, 1, 1, 1, 1)
    offset = mean * (1 - contrast) + config.brightness * uniform(-1, 1, 1, 1, 1)
    image = gain * (image * contrast + offset)
    if config.blur:
        sigma = config.blur_sigma * uniform(0.1, 1)
        sigma = torch.where(uniform(0, 1) < config.blur, sigma, 1e-3)
        taps = torch.arange(-3, 4, device=image.device)
        kernel = (-0.5 * (taps / sigma[:, None]) ** 2).exp()
        kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None]
        planes = F.pad(image, (3, 3, 3, 3), mode="reflect").flatten(0, 1)[None]
        planes = F.conv2d(planes, kernel[:, :, None, :], groups=len(kernel))
        planes = F.conv2d(planes, kernel[:, :, :, None], groups=len(kernel))
        image = planes.view_as(image)
    noise = config.noise * uniform(0, 1, 1, 1, 1)
    gaussian = torch.erfinv(uniform(-0.9999, 0.9999, *image.shape[1:])) * 2 ** 0.5
    return (image + noise * gaussian).clamp(0, 1)


def resident_batches(mixed: MixedImages, images: ResidentImages, epoch: int, batch_size: int,
                     first: int, part: slice) -> Iterator[tuple[Tensor, int]]:
    """Indices (B,) of the samples of each of the rest of an epoch's batches from ``first`` on, of
    which only ``part``, and a seed for their augmentation."""
    order = np.asarray(mixed.order(epoch))
    for number in range(first, len(order) // batch_size):
        chosen = order[number * batch_size:(number + 1) * batch_size][part]
        seed = np.random.SeedSequence((mixed.seed, epoch, number, part.start or 0))
        yield (torch.from_numpy(chosen).to(images.image.device),
               int(seed.generate_state(1, np.uint64)[0] >> 1))
