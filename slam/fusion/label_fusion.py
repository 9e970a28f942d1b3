"""Consistent labels from several views of known depth and pose, of any RGB-D or monocular system.

One call for every method, ``fuse_labels(method, views)``: element by element as in Bayesian
mapping, or through the semantic codes of the network (paper section 6.3).  Networks without
codes can use the former, and the latter then only spreads labels along surfaces.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from scenecode.core.errors import ConfigError
from scenecode.optim.imaging import image
from scenecode.slam.fusion.code_fusion import CodeFusionConfig, optimise_codes
from scenecode.slam.fusion.label_views import LabelView, VisibleProjection, project_view
from scenecode.slam.fusion.surface_crf import (
    PairwisePotentials,
    SurfaceConfig,
    pairwise_potentials,
    smooth_along_surfaces,
)

#: Probabilities below this are not taken for certain when they are multiplied.
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class LabelFusionConfig:
    #: depths that differ by more (relative) belong to different surfaces: one hides the other
    tolerance: float = 0.05
    code: CodeFusionConfig = field(default_factory=CodeFusionConfig)
    surfaces: SurfaceConfig = field(default_factory=SurfaceConfig)


@dataclass(frozen=True)
class ViewProbabilities:
    """What the views say of N points."""

    #: (V, N) 1 where a view sees the point; the first view sees all
    seen: Tensor
    #: (V, C, N) class probabilities
    probabilities: Tensor


def multiplied(said: ViewProbabilities) -> Tensor:
    """(C, N): probabilities of the views that see a point multiplied.

    The logarithms are averaged, not summed, which chooses the same class but does not count
    views that err alike as independent.
    """
    logs = said.probabilities.clamp(min=LEAST_PROBABILITY).log()
    total = (said.seen[:, None] * logs).sum(0) / said.seen.sum(0)
    return torch.softmax(total, 0)


def averaged(said: ViewProbabilities) -> Tensor:
    """(C, N): the mean over the views that see a point."""
    return (said.seen[:, None] * said.probabilities).sum(0) / said.seen.sum(0)


def fuse_labels(method: str, views: Sequence[LabelView],
                config: LabelFusionConfig = LabelFusionConfig()) -> Tensor:
    """(C, H, W) class probabilities of the first view's pixels, given all views.

    ``method``:

    * ``none``: the first view alone.
    * ``multiplication``, ``average``: element by element, over the views that see a pixel.
    * ``code``: the views' average, spread along surfaces, is the consensus; all semantic codes
      are optimised jointly to agree with it (equation 8), with a zero-code prior; then the
      coded probabilities are averaged and spread along surfaces, where codes have no finer
      detail to give.
    * ``code_without_prior``: the same without the prior on codes.
    * ``code_alone``: codes optimised until the views agree with the first, which is decoded at
      its code, and nothing else: the method of the paper.
    * ``average_along_surfaces``: ``code`` without codes, the consensus itself.

    Raises ``ConfigError`` for another method or no views.
    """
    return LabelFusion(views, config).fuse(method)


class LabelFusion:
    """Several methods on the same views; what they have in common is made once."""

    def __init__(self, views: Sequence[LabelView],
                 config: LabelFusionConfig = LabelFusionConfig()):
        """The first of ``views`` is to be labelled."""
        if not views:
            raise ConfigError("label fusion needs at least one view")
        self._views, self._config = list(views), config

    def fuse(self, method: str) -> Tensor:
        """(C, H, W) class probabilities by a method of ``fuse_labels``."""
        if method not in METHODS:
            raise ConfigError(f"label fusion '{method}' is unknown; choose one of "
                              f"{', '.join(METHODS)}")
        return METHODS[method](self)

    def seen_by(self) -> Tensor:
        """(H * W,) how many views see each pixel of the first, itself included."""
        visible = [found.visible for found in self._projections]
        return 1 + torch.stack(visible).sum(0) if visible else \
            torch.ones(self._views[0].depth.numel(), dtype=torch.int64)

    def alone(self) -> Tensor:
        return self._views[0].own_probabilities

    def multiplied(self) -> Tensor:
        return self._as_maps(multiplied(self._said))

    def averaged(self) -> Tensor:
        return self._as_maps(averaged(self._said))

    def averaged_along_surfaces(self) -> Tensor:
        return self._consensus

    def coded(self) -> Tensor:
        return self._follow_consensus(self._config.code)

    def coded_without_prior(self) -> Tensor:
        return self._follow_consensus(replace(self._config.code, prior_sigma=0.0))

    def coded_alone(self) -> Tensor:
        codes = optimise_codes(self._views, self._config.code, self._config.tolerance).state
        return self._views[0].probabilities(codes[0])

    def _follow_consensus(self, config: CodeFusionConfig) -> Tensor:
        codes = optimise_codes(self._views, config, self._config.tolerance, self._consensus).state
        return self._spread(self._gather([view.probabilities(code)
                                        for view, code in zip(self._views, codes)]))

    def _gather(self, said: Sequence[Tensor]) -> ViewProbabilities:
        """What all views say of the first view's pixels, given the (C, H, W) of each."""
        own = said[0].flatten(1)
        # an element that is looked up holds its classes together
        heard = [image.sample(theirs.permute(1, 2, 0).contiguous(), found.pixels).T
                 for theirs, found in zip(said[1:], self._projections)]
        seen = [torch.ones_like(own[0]), *(found.visible.to(own.dtype) for found in self._projections)]
        return ViewProbabilities(torch.stack(seen), torch.stack([own, *heard]))

    def _spread(self, said: ViewProbabilities) -> Tensor:
        fused = self._as_maps(averaged(said))
        if not self._config.surfaces.strength:
            return fused
        return smooth_along_surfaces(fused, self._bonds, self._config.surfaces)

    def _as_maps(self, values: Tensor) -> Tensor:
        return values.reshape(-1, self._views[0].camera.height, self._views[0].camera.width)

    @cached_property
    def _projections(self) -> list[VisibleProjection]:
        first, *others = self._views
        return [project_view(first, other, self._config.tolerance) for other in others]

    @cached_property
    def _said(self) -> ViewProbabilities:
        return self._gather([view.own_probabilities for view in self._views])

    @cached_property
    def _consensus(self) -> Tensor:
        return self._spread(self._said)

    @cached_property
    def _bonds(self) -> PairwisePotentials:
        first = self._views[0]
        return pairwise_potentials(first.camera, first.image, first.depth, self._config.surfaces)


#: By name; see ``fuse_labels``.
METHODS: dict[str, Callable[[LabelFusion], Tensor]] = {
    "none": LabelFusion.alone, "multiplication": LabelFusion.multiplied,
    "average": LabelFusion.averaged, "code": LabelFusion.coded,
    "code_without_prior": LabelFusion.coded_without_prior,
    "code_alone": LabelFusion.coded_alone,
    "average_along_surfaces": LabelFusion.averaged_along_surfaces}
