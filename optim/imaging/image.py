"""Intensity, pyramids and gradients of images."""

import torch
import torch.nn.functional as F
from torch import Tensor

#: Rec. 601 luma of (red, green, blue).
LUMA = (0.299, 0.587, 0.114)
#: Low-pass filter of every pyramid level.
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def intensity(image: Tensor) -> Tensor:
    """Colour (3, H, W) in [0, 1] to intensity (H, W)."""
    weights = torch.tensor(LUMA, dtype=image.dtype, device=image.device)
    return torch.einsum("chw,c->hw", image, weights)


def halve(image: Tensor) -> Tensor:
    """(H, W) to (H // 2, W // 2), the mean of each 2x2 block."""
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    rows = image[:height:2, :width] + image[1:height:2, :width]
    return 0.25 * (rows[:, ::2] + rows[:, 1::2])


def smooth(image: Tensor) -> Tensor:
    """(H, W) filtered by the binomial (1, 4, 6, 4, 1) / 16 both ways, borders repeated."""
    reach = len(BINOMIAL) // 2
    padded = F.pad(image[None, None], (reach,) * 4, mode="replicate")[0, 0]
    return _filtered(_filtered(padded, 1), 0)


def _filtered(image: Tensor, axis: int) -> Tensor:
    """The binomial along an axis, where all of it lies on the image.

    A handful of sums: a convolution of one channel takes five times as long.
    """
    length = image.shape[axis] - len(BINOMIAL) + 1
    total = BINOMIAL[0] * image.narrow(axis, 0, length)
    for start, weight in enumerate(BINOMIAL[1:], 1):
        total = total.add_(image.narrow(axis, start, length), alpha=weight)
    return total


def pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """``levels`` images, full resolution first, each half the size of the one before.

    Every level is smoothed: between the pixels of a sharp image bilinear
    interpolation is wrong by so much that alignment shrinks towards no motion.
    """
    images = [smooth(image)]
    for _ in range(levels - 1):
        images.append(smooth(halve(images[-1])))
    return images


def central_gradient(image: Tensor) -> Tensor:
    """(H, W) to (H, W, 2), d/du and d/dv by central differences, zero at the border.

    At an integer pixel this is what a central difference of the bilinear
    interpolant gives, whose one-sided slopes differ there.
    """
    gradient = image.new_zeros(*image.shape, 2)
    gradient[:, 1:-1, 0] = 0.5 * (image[:, 2:] - image[:, :-2])
    gradient[1:-1, :, 1] = 0.5 * (image[2:] - image[:-2])
    return gradient


def inside(pixels: Tensor, width: int, height: int, border: float = 0.0) -> Tensor:
    """Mask (...) of pixels (..., 2) that bilinear sampling covers, less a border."""
    u, v = pixels[..., 0], pixels[..., 1]
    return ((u >= border) & (u <= width - 1 - border)
            & (v >= border) & (v <= height - 1 - border))
