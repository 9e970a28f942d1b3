"""Seeded augmentation of a labelled image that keeps its geometry true.

A crop that is enlarged is what a longer lens would have seen: the camera changes and the
metric depth does not.  One image cannot tell the two apart, so a network is taught depth
as a camera of one canonical focal length would have to see it (``canonical_depth``), and
every zoom then shows it the same scene at another, consistent, distance.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.images import resample_area, resample_nearest
from scenecode.networks.classes import VOID
from scenecode.networks.sample import Sample


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges are symmetric about no change; 0 switches a change off."""

    #: probability of a left-right mirror image
    flip: float = 0.5
    #: the crop is enlarged by up to this factor (log-uniform); 1 keeps the whole image
    zoom: float = 1.6
    #: width against height of the crop, up to this relative change
    aspect: float = 0.04
    #: largest roll of the camera in degrees; what it uncovers is unknown
    roll: float = 0.0
    #: probability that one side is another image's (``collaged``)
    collage: float = 0.0
    #: added to the intensity
    brightness: float = 0.15
    #: relative change of the distance to the mean intensity
    contrast: float = 0.25
    #: relative change of the distance to grey, of resident images alone
    saturation: float = 0.0
    #: relative change of each colour channel, as a wrong white balance does
    colour: float = 0.12
    #: exponent is within exp(-gamma) .. exp(gamma)
    gamma: float = 0.25
    #: probability of a blur, and its largest standard deviation in pixels
    blur: float = 0.2
    blur_sigma: float = 1.0
    #: largest standard deviation of the added noise
    noise: float = 0.02


class Augment:
    """``augment(sample, rng) -> sample`` of a fixed size; the same ``rng`` state, the same result.

    Give it samples larger than ``width`` x ``height``, so that zooming in shows detail.
    """

    def __init__(self, width: int, height: int, config: AugmentConfig | None = None):
        self.width, self.height = width, height
        self.config = config or AugmentConfig()

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if self.config.roll:
            sample = rolled(sample, self.config.roll * rng.uniform(-1, 1))
        sample = cropped(sample, self._random_box(sample, rng), self.width, self.height)
        if rng.random() < self.config.flip:
            sample = flipped(sample)
        return replace(sample, image=self._recoloured(sample.image, rng))

    def _random_box(self, sample: Sample, rng: np.random.Generator) -> tuple[int, int, int, int]:
        full_w, full_h = sample.camera.width, sample.camera.height
        zoom = self.config.zoom ** rng.random()
        aspect = self.width / self.height * (1 + self.config.aspect * rng.uniform(-1, 1))
        w = min(full_w, full_h * aspect) / zoom
        w, h = max(2, round(w)), min(full_h, max(2, round(w / aspect)))
        return (int(rng.integers(full_w - w + 1)), int(rng.integers(full_h - h + 1)), w, h)

    def _recoloured(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        c = self.config
        image = image ** float(np.exp(c.gamma * rng.uniform(-1, 1)))
        mean = image.mean()
        gain = torch.from_numpy(1 + c.colour * rng.uniform(-1, 1, (3, 1, 1))).float()
        contrast = 1 + c.contrast * rng.uniform(-1, 1)
        offset = mean * (1 - contrast) + c.brightness * rng.uniform(-1, 1)
        image = image.mul_(gain * contrast).add_(gain * offset)
        if rng.random() < c.blur:
            sigma = c.blur_sigma * max(rng.random(), 0.1)
            planes = image.numpy()
            image = torch.from_numpy(
                np.stack([cv2.GaussianBlur(p, (0, 0), sigma) for p in planes]))
        noise = torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
        return image.add_(noise.mul_(c.noise * rng.random())).clamp_(0, 1)


def cropped(sample: Sample, box: tuple[int, int, int, int], width: int, height: int) -> Sample:
    """Window ``box`` = (left, top, width, height) of a sample at another size, camera in step.

    Metric depth is unchanged; the focal length grows with the enlargement.
    """
    planes = [resample_area(plane, box, width, height) for plane in sample.image.numpy()]
    return replace(
        sample, image=torch.from_numpy(np.stack(planes)),
        depth=torch.from_numpy(resample_nearest(sample.depth.numpy(), box, width, height)),
        labels=torch.from_numpy(resample_nearest(sample.labels.numpy(), box, width, height)),
        camera=sample.camera.cropped(*box).resized(width, height))


def flipped(sample: Sample) -> Sample:
    """The left-right mirror image; the principal point is mirrored too."""
    camera = sample.camera
    return replace(sample, image=sample.image.flip(-1), depth=sample.depth.flip(-1),
                   labels=sample.labels.flip(-1),
                   camera=replace(camera, cx=camera.width - 1 - camera.cx))


def rolled(sample: Sample, degrees: float) -> Sample:
    """The view of a camera that was turned about its optical axis, which changes no depth.

    The image continues as its own reflection where nothing was seen; depth and labels are
    unknown there.  True for square pixels, as all data here nearly have them.
    """
    camera = sample.camera
    turn = cv2.getRotationMatrix2D((camera.cx, camera.cy), degrees, 1.0)
    size = (camera.width, camera.height)

    def turned(values: Tensor, how: int, outside: float) -> Tensor:
        return torch.from_numpy(cv2.warpAffine(values.numpy(), turn, size, flags=how,
                                               borderValue=outside))

    image = cv2.warpAffine(sample.image.permute(1, 2, 0).numpy(), turn, size,
                           flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return replace(sample, image=torch.from_numpy(image).permute(2, 0, 1).contiguous(),
                   depth=turned(sample.depth, cv2.INTER_NEAREST, 0),
                   labels=turned(sample.labels, cv2.INTER_NEAREST, VOID))


def collaged(sample: Sample, other: Sample, rng: np.random.Generator) -> Sample:
    """A sample whose left or right part, of a fifth to four fifths, is that of another one of
    the same size (after CutMix, Yun et al. 2019, in full columns: floors stay below walls).

    The other one's depth is what the sample's own camera would have to see.
    """
    width = sample.camera.width
    cut = int(rng.uniform(0.2, 0.8) * width)
    part = (..., slice(cut) if rng.random() < 0.5 else slice(cut, None))

    def joined(own: Tensor, others: Tensor) -> Tensor:
        own = own.clone()
        own[part] = others[part]
        return own

    return replace(sample, image=joined(sample.image, other.image),
                   depth=joined(sample.depth, canonical_depth(other, sample.camera.focal)),
                   labels=joined(sample.labels, other.labels))


def canonical_depth(sample: Sample, focal: float) -> Tensor:
    """(H, W) depth in metres for a camera of ``focal`` pixels at this sample's size.

    An object keeps its size in the image when distance and focal length change together,
    so this is depth * focal / (the sample's own focal length); 0 stays "unknown".
    """
    return sample.depth * (focal / sample.camera.focal)
