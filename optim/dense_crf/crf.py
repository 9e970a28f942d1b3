"""The dense conditional random field of Mousavian et al. 2016, section 3.4.

``E(x) = -sum_i z_i(x_i) + sum_{i<j} sum_m A_m(x_i, x_j) k_m(i, j)`` with kernels of appearance,
depth and position and ``A_m`` the symmetric part of ``mu * w_m`` (equations 5 to 7; the printed
exponents lack their minus).
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.optim.dense_crf.config import REFERENCE_WIDTH, DenseCRFConfig
from scenecode.optim.dense_crf.kernels import PairwiseKernel, exact_kernel, smoothness_kernel
from scenecode.optim.dense_crf.lattice import lattice_kernel
from scenecode.optim.mean_field import mean_field


class DenseCRF(nn.Module):
    """The field over the labels of an image, with compatibilities that can be trained."""

    def __init__(self, classes: int, config: DenseCRFConfig = DenseCRFConfig()):
        super().__init__()
        self.config = config
        #: ``mu`` (C, C), at first of the Potts model: 1 for different labels
        self.compatibility = nn.Parameter(1 - torch.eye(classes))
        #: ``w`` (3, C, C) of the kernels of appearance, depth and position
        self.weights = nn.Parameter(torch.tensor(config.weights).float()[:, None, None]
                                    .repeat(1, classes, classes))

    def compatibilities(self) -> Tensor:
        """``A`` (3, C, C), the symmetric part of ``mu * w``."""
        product = self.compatibility * self.weights
        return 0.5 * (product + product.transpose(1, 2))

    def forward(self, logits: Tensor, image: Tensor, depth: Tensor | None) -> Tensor:
        """Logits (C, H, W) of the marginals after mean-field updates.

        ``logits`` (C, H, W) are the negative unary energies, ``image`` (3, H, W) is in [0, 1],
        ``depth`` (H, W) in metres and positive; without it the depth kernel is left out.
        Gradients reach ``logits`` and the compatibilities; image and depth are constant.  Raises
        ``ValueError`` for maps of different size.
        """
        C, H, W = logits.shape
        if image.shape != (3, H, W) or (depth is not None and depth.shape != (H, W)):
            raise ValueError(f"logits {tuple(logits.shape)}, image {tuple(image.shape)} and depth "
                             f"{None if depth is None else tuple(depth.shape)} must have one "
                             "height and width")
        # the pairwise energies are computed in single precision or better
        wide = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        A = self.compatibilities().to(wide.dtype)
        if not self.config.depth_weight:
            depth = None
        if depth is None:
            A = A[[0, 2]]
        block = reduction(H, W, self.config.max_pixels)
        small = _reduced(wide[None], block)
        height, width = small.shape[-2:]
        z = small.flatten(2)[0].T
        kernels = image_kernels(image.detach().to(wide.dtype),
                                None if depth is None else depth.detach().to(wide.dtype),
                                block, self.config)
        updates = self.config.training_iterations if self.training else self.config.iterations
        # labels that are nowhere likely receive energies but send none
        sending = torch.arange(C, device=z.device)
        if not self.training:
            likely = z.detach().softmax(1).amax(0) >= self.config.min_probability
            sending = sending[likely]
        energy = _pairwise_energy(kernels, A[:, sending][:, :, sending])
        q = mean_field(z[:, sending], z[:, sending].softmax(1), [energy] * (updates - 1), dim=1)
        energies = _pairwise_energy(kernels, A[:, :, sending])(q).T.contiguous()
        energies = energies.reshape(1, C, height, width)
        if block > 1:
            energies = F.interpolate(energies, (H, W), mode="bilinear", align_corners=False)
        return wide - energies[0]


def _pairwise_energy(kernels: Sequence[PairwiseKernel], A: Tensor) -> Callable[[Tensor], Tensor]:
    """Distributions (N, C) of the sending labels to the expected pairwise energy (N, L) of
    each of L labels, with compatibilities ``A`` (kernels, L, C)."""
    def energy(q: Tensor) -> Tensor:
        return sum((kernel(q) @ compatibility.T for kernel, compatibility in zip(kernels, A)),
                   start=q.new_zeros(()))
    return energy


def reduction(height: int, width: int, max_pixels: int) -> int:
    """The smallest whole factor by which both sides of an image are reduced so that it has at
    most ``max_pixels``."""
    factor = 1
    while -(-height // factor) * -(-width // factor) > max_pixels:
        factor += 1
    return factor


def image_kernels(image: Tensor, depth: Tensor | None, block: int,
                  config: DenseCRFConfig) -> list[PairwiseKernel]:
    """The kernels of an image (3, H, W) in [0, 1] and its depth (H, W), on a grid reduced by
    ``block``: appearance, depth where it is given, and position."""
    scale = image.shape[2] / REFERENCE_WIDTH / block
    colour = _reduced(image[None], block)[0]
    height, width = colour.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height).to(image), torch.arange(width).to(image),
                                   indexing="ij")
    position = torch.stack([rows, columns], -1).reshape(-1, 2)
    colours = 255 * colour.flatten(1).T / config.appearance_colour
    features = [torch.cat([position / (scale * config.appearance_distance), colours], 1)]
    if depth is not None:
        metres = _reduced(depth[None, None], block).reshape(-1, 1) / config.depth_metres
        features.append(torch.cat([position / (scale * config.depth_distance), metres], 1))
    smooth = scale * config.smoothness_distance
    if config.backend == "exact":
        features.append(position / smooth)
        return [exact_kernel(maps) for maps in features]
    return [*(lattice_kernel(maps, block ** 2) for maps in features),
            smoothness_kernel(height, width, smooth, block ** 2, image)]


def _reduced(maps: Tensor, block: int) -> Tensor:
    """(B, N, H, W) averaged over blocks; those at the border may be smaller."""
    return F.avg_pool2d(maps, block, ceil_mode=True) if block > 1 else maps
