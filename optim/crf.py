"""A conditional random field over the pixels of one image with known depth, solved by mean field.

Its pairwise potentials tie two pixels as far as each lies in the other's tangent plane and their
colours are similar; the labels follow by mean-field iterations on the class probabilities
(Kraehenbuehl and Koltun 2011, equation 2 and algorithm 1 with a Potts model), with neighbours at
a few distances instead of all pairs.  It sharpens what a network of coarse resolution blurs, and
needs a depth map good enough to tell surfaces apart.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.surface import surface_normals
from scenecode.optim.imaging.neighbours import Region, neighbour_regions
from scenecode.optim.mean_field import mean_field

#: Directions of the neighbours of a pixel, as (rows, columns); their opposites follow.
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
#: Lower bound of probabilities in logarithms.
_MIN_PROBABILITY = 1e-4


@dataclass(frozen=True)
class SurfaceConfig:
    #: distance in pixels of the neighbours in each iteration
    offsets: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)
    #: weight of all pairwise potentials of a pixel together against its unary one; 0 switches
    #: smoothing off
    strength: float = 32.0
    #: standard deviation of the distance to the neighbour's tangent plane, over depth
    plane: float = 0.01
    #: standard deviation of the difference of colour (0-1)
    colour: float = 0.3

    def __post_init__(self) -> None:
        if self.strength < 0 or min(self.plane, self.colour) <= 0 or min(self.offsets) < 1:
            raise ValueError(f"strength must not be negative, plane and colour be positive, "
                             f"offsets be at least 1; got {self}")


@dataclass(frozen=True)
class PairwisePotentials:
    """Weights in [0, 1] of pairs of pixels, by their distance (``SurfaceConfig.offsets``)."""

    #: two regions of equal size, and the weights of their pixels with each other
    by_offset: dict[int, list[tuple[Region, Region, Tensor]]]
    #: (H, W) 1 plus the sum of all weights of a pixel
    total: dict[int, Tensor]


def pairwise_potentials(camera: PinholeCamera, image: Tensor, depth: Tensor,
                        config: SurfaceConfig) -> PairwisePotentials:
    """Weights between the pixels of an image (3, H, W) in [0, 1] whose depth (H, W) in metres is
    known; 0 for pixels without depth (0)."""
    points, _ = camera.backproject(camera.pixel_grid(device=depth.device), depth.reshape(-1))
    points = points.T.reshape(3, *depth.shape).contiguous()
    normals = surface_normals(points)
    by_offset: dict[int, list[tuple[Region, Region, Tensor]]] = {}
    total: dict[int, Tensor] = {}
    for offset in set(config.offsets):
        by_offset[offset], total[offset] = [], torch.ones_like(depth)
        for rows, columns in _DIRECTIONS:
            a, b = neighbour_regions(offset * rows, offset * columns)
            of_a, of_b = (slice(None), *a), (slice(None), *b)
            step = points[of_b] - points[of_a]
            off_plane = ((step * normals[of_a]).sum(0).abs()
                         + (step * normals[of_b]).sum(0).abs())
            off_plane = off_plane / (config.plane * depth[a].clamp(min=1e-6))
            colour = (image[of_b] - image[of_a]).square().sum(0) / config.colour ** 2
            weight = torch.exp(-0.5 * (off_plane * off_plane + colour))
            weight = weight * (depth[a] > 0) * (depth[b] > 0)
            by_offset[offset].append((a, b, weight))
            total[offset][a] += weight
            total[offset][b] += weight
    return PairwisePotentials(by_offset, total)


def smoothed_labels(probabilities: Tensor, pairwise: PairwisePotentials,
                    config: SurfaceConfig) -> Tensor:
    """(C, H, W) class probabilities after one mean-field update for each of ``config.offsets``;
    the unary potentials are the negative logarithms of ``probabilities`` (C, H, W)."""
    log_unary = probabilities.clamp(min=_MIN_PROBABILITY).log()

    def energy(offset: int, q: Tensor) -> Tensor:
        message = torch.zeros_like(q)
        for a, b, weight in pairwise.by_offset[offset]:
            of_a, of_b = (slice(None), *a), (slice(None), *b)
            message[of_a].addcmul_(weight, q[of_b])
            message[of_b].addcmul_(weight, q[of_a])
        return message.mul_(-config.strength / pairwise.total[offset])

    return mean_field(log_unary, probabilities,
                      [partial(energy, offset) for offset in config.offsets], dim=0)
