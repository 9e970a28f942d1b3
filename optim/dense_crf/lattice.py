"""Gaussian sums in linear time on a permutohedral lattice (Adams et al. 2010).

Values are spread to the corners of the simplex around each feature, blurred along the axes of the
lattice, and read back with the same weights.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenecode.optim.dense_crf.kernels import PairwiseKernel

#: Least sum of the weights of a pixel: those of features far from all others are near 0.
_MIN_SUM = 1e-6


@dataclass(frozen=True)
class Lattice:
    """The lattice of N features of F entries, with M vertices."""

    #: (N, F + 1) vertices around each feature, and their barycentric weights
    vertices: Tensor
    weights: Tensor
    #: the same by vertex: features (N (F + 1),) and their weights, and where each vertex begins
    features: Tensor
    feature_weights: Tensor
    begins: Tensor
    #: for each axis (M, 3) vertices, itself and the two next to it, and their weights in the blur,
    #: 0 where there is none
    neighbours: tuple[tuple[Tensor, Tensor], ...]

    def splat(self, values: Tensor) -> Tensor:
        """(N, C) values of features to vertices (M, C)."""
        return F.embedding_bag(self.features, values, self.begins, mode="sum",
                               per_sample_weights=self.feature_weights)

    def blur(self, values: Tensor, is_reversed: bool = False) -> Tensor:
        """(M, C) blurred by (1/2, 1, 1/2) along each axis in turn; ``is_reversed`` is the
        transpose, which differs where vertices are missing."""
        for axis, taps in reversed(self.neighbours) if is_reversed else self.neighbours:
            values = F.embedding_bag(axis, values, mode="sum", per_sample_weights=taps)
        return values

    def slice(self, values: Tensor) -> Tensor:
        """(M, C) values of vertices to features (N, C)."""
        return F.embedding_bag(self.vertices, values, mode="sum", per_sample_weights=self.weights)

    def filter(self, values: Tensor, is_reversed: bool = False) -> Tensor:
        """(N, C) to the sums over all features, the own included, up to one factor."""
        return self.slice(self.blur(self.splat(values), is_reversed))

    def own_weights(self) -> Tensor:
        """(N,) what ``filter`` gives a feature of its own value: the diagonal of its matrix,
        where no vertex is missing."""
        corners = self.weights.shape[1]
        step = torch.arange(corners, device=self.weights.device)
        step = (step[:, None] - step[None]).abs().to(self.weights)
        between = 0.5 ** step + 0.5 ** (corners - step)
        between.fill_diagonal_(1 + 2 * 0.5 ** corners)
        return ((self.weights @ between) * self.weights).sum(1)


def make_lattice(features: Tensor) -> Lattice:
    """The lattice of features (N, F) in standard deviations; not differentiable."""
    keys, weights = _enclosing_simplices(features.detach().double())
    codes, offsets = _codes(keys)
    vertices, inverse = torch.unique(codes, return_inverse=True)
    by_vertex = torch.argsort(inverse.flatten(), stable=True)
    corners = weights.shape[1]
    counts = torch.bincount(inverse.flatten(), minlength=len(vertices))
    weights = weights.to(features.dtype)
    return Lattice(
        vertices=inverse, weights=weights, features=by_vertex // corners,
        feature_weights=weights.flatten()[by_vertex], begins=counts.cumsum(0) - counts,
        neighbours=tuple(_neighbours(vertices, offset, features.dtype) for offset in offsets))


def lattice_kernel(features: Tensor, block: int = 1) -> PairwiseKernel:
    """The kernel of features (N, F), in standard deviations, approximately.

    Each feature stands for ``block`` pixels of an image, of which only one is left out.
    """
    lattice = make_lattice(features)
    ones = features.new_ones(len(features), 1)
    root = lattice.filter(ones).clamp(min=_MIN_SUM).rsqrt()
    own = root.square() * lattice.own_weights()[:, None] / block
    return lambda values: _Filter.apply(values, lattice, root, own)


class _Filter(torch.autograd.Function):
    """The normalised filter without the own value; its gradient is the transpose."""

    @staticmethod
    def forward(ctx, values, lattice, root, own):
        ctx.lattice, ctx.root, ctx.own = lattice, root, own
        return root * lattice.filter(root * values) - own * values

    @staticmethod
    def backward(ctx, gradient):
        root = ctx.root
        filtered = root * ctx.lattice.filter((root * gradient).contiguous(), is_reversed=True)
        return filtered - ctx.own * gradient, None, None, None


def _enclosing_simplices(features: Tensor) -> tuple[Tensor, Tensor]:
    """Corners (N, F + 1, F) of the simplex around each feature, in the lattice's coordinates
    without the last, which the sum of 0 determines, and barycentric weights (N, F + 1)."""
    d = features.shape[1]
    index = torch.arange(d, dtype=features.dtype, device=features.device)
    # the blur has a standard deviation of sqrt(2/3) (d + 1) in the lattice (Adams et al., 3.1)
    scaled = features * ((2 / 3) ** 0.5 * (d + 1) / ((index + 1) * (index + 2)).sqrt())
    above = F.pad(scaled.flip(1).cumsum(1).flip(1), (0, 1))
    elevated = above - F.pad((index + 1) * scaled, (1, 0))
    nearest = torch.round(elevated / (d + 1)) * (d + 1)
    excess = (nearest.sum(1) / (d + 1)).round().long()[:, None]
    difference = elevated - nearest
    rank = torch.argsort(torch.argsort(difference, dim=1, descending=True, stable=True), dim=1)
    rank = rank + excess
    nearest = nearest + (d + 1) * ((rank < 0).to(nearest) - (rank > d).to(nearest))
    rank = rank + (d + 1) * ((rank < 0).long() - (rank > d).long())
    # barycentric weights from the sorted differences (Adams et al., proposition 4.2)
    sorted_difference = torch.zeros_like(elevated).scatter_(
        1, rank, (elevated - nearest) / (d + 1))
    weights = sorted_difference.flip(1)
    weights = weights - F.pad(weights[:, :-1], (1, 0))
    weights[:, 0] += 1 - weights.sum(1)
    corner = torch.arange(d + 1, device=features.device)
    canonical = corner[None, :, None] - (d + 1) * (rank[:, None, :d] > d - corner[None, :, None])
    return nearest[:, None, :d].long() + canonical, weights


def _codes(keys: Tensor) -> tuple[Tensor, list[int]]:
    """One number for each key (..., F), and what a step along each of the F + 1 axes adds to
    it."""
    d = keys.shape[-1]
    flat = keys.reshape(-1, d)
    low = flat.amin(0) - (d + 1)
    extents = (flat.amax(0) - low + d + 2).tolist()
    radix = [1]
    for extent in extents[:-1]:
        radix.append(radix[-1] * int(extent))
    if radix[-1] * int(extents[-1]) >= 2 ** 62:
        raise ValueError("the features spread over too many standard deviations for a lattice; "
                         "use larger ones")
    codes = ((keys - low) * keys.new_tensor(radix)).sum(-1)
    all_axes = sum(radix)
    return codes, [all_axes - (d + 1) * r for r in radix] + [all_axes]


def _neighbours(codes: Tensor, offset: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """For ordered codes (M,): the positions (M, 3) of each and of those ``offset`` more and less,
    and the weights of a blur, 0 for those that do not exist."""
    own = torch.arange(len(codes), device=codes.device)
    positions, weights = [own], [torch.ones_like(own, dtype=dtype)]
    for wanted in (codes + offset, codes - offset):
        position = torch.searchsorted(codes, wanted).clamp(max=len(codes) - 1)
        exists = codes[position] == wanted
        positions.append(position.where(exists, own))
        weights.append(0.5 * exists.to(dtype))
    return torch.stack(positions, 1), torch.stack(weights, 1)
