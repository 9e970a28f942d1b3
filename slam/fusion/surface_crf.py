"""Labels spread along surfaces: neighbouring pixels of one surface have the same class.

The semantic residual within one image.  Two pixels belong together as far as each lies in
the other's tangent plane and they look alike; the labels follow by mean-field iterations
of a conditional random field on the class probabilities (Kraehenbuehl and Koltun 2011), with
neighbours at growing distances instead of all pairs.  It sharpens what a network of coarse
resolution blurs, and needs a depth map good enough to tell surfaces apart.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.surface import surface_normals

#: Directions in which a pixel has neighbours, as (rows, columns); their opposites follow.
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
#: Probabilities below this are not taken for certain.
_LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True)
class SurfaceConfig:
    #: distance in pixels of the neighbours asked in each iteration
    offsets: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)
    #: weight of all neighbours together against the logarithm of a pixel's own probability;
    #: 0 switches smoothing off
    strength: float = 32.0
    #: distance to the neighbour's tangent plane, over depth, at which the bond weakens
    plane: float = 0.01
    #: difference of colour (0-1) at which the bond weakens
    colour: float = 0.3

    def __post_init__(self):
        if self.strength < 0 or min(self.plane, self.colour) <= 0 or min(self.offsets) < 1:
            raise ValueError(f"strength must not be negative, plane and colour be positive, "
                             f"offsets be at least 1; got {self}")


@dataclass(frozen=True)
class PairwisePotentials:
    """How strongly each pixel is tied to its neighbours, by their distance."""

    #: (from, to, weight) in slices of (H, W); each holds in both directions
    by_offset: dict[int, list[tuple[tuple[slice, slice], tuple[slice, slice], Tensor]]]
    #: (H, W), 1 and the sum of all weights
    total: dict[int, Tensor]


def pairwise_potentials(camera: PinholeCamera, image: Tensor, depth: Tensor,
                  config: SurfaceConfig) -> PairwisePotentials:
    """PairwisePotentials between the pixels of an image (3, H, W) whose depth (H, W) is known; pixels
    without depth (0) have none."""
    points, _ = camera.backproject(camera.pixel_grid(device=depth.device), depth.reshape(-1))
    points = points.T.reshape(3, *depth.shape).contiguous()
    normals = surface_normals(points)
    by_offset, total = {}, {}
    for reach in set(config.offsets):
        by_offset[reach], total[reach] = [], torch.ones_like(depth)
        for rows, columns in _DIRECTIONS:
            here, there = _shifted(depth.shape, reach * rows, reach * columns)
            of_here, of_there = (slice(None), *here), (slice(None), *there)
            step = points[of_there] - points[of_here]
            off = (step * normals[of_here]).sum(0).abs() + (step * normals[of_there]).sum(0).abs()
            off = off / (config.plane * depth[here].clamp(min=1e-6))
            unlike = (image[of_there] - image[of_here]).square().sum(0) / config.colour ** 2
            weight = torch.exp(-0.5 * (off * off + unlike))
            weight = weight * (depth[here] > 0) * (depth[there] > 0)
            by_offset[reach].append((here, there, weight))
            total[reach][here] += weight
            total[reach][there] += weight
    return PairwisePotentials(by_offset, total)


def smooth_along_surfaces(probabilities: Tensor, bonds: PairwisePotentials, config: SurfaceConfig) -> Tensor:
    """(C, H, W) class probabilities, drawn towards those of bonded neighbours."""
    own = probabilities.clamp(min=_LEAST_PROBABILITY).log()
    said = probabilities
    for reach in config.offsets:
        heard = torch.zeros_like(said)
        for here, there, weight in bonds.by_offset[reach]:
            heard[(slice(None), *here)].addcmul_(weight, said[(slice(None), *there)])
            heard[(slice(None), *there)].addcmul_(weight, said[(slice(None), *here)])
        said = torch.softmax(own.addcmul(heard, config.strength / bonds.total[reach]), 0)
    return said


def _shifted(shape, rows: int, columns: int):
    """Index pairs of all pixels that have a neighbour so many rows and columns further."""
    height, width = shape
    here_columns = slice(max(0, -columns), width - max(0, columns))
    there_columns = slice(max(0, columns), width - max(0, -columns))
    return (slice(0, height - rows), here_columns), (slice(rows, height), there_columns)
