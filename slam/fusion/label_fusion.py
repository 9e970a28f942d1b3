"""Consistent labels from several views of known depth and pose, of any RGB-D or monocular system.

One call for every method, ``fuse_labels(method, views)``: pixel by pixel as in Bayesian mapping,
or through the semantic codes of the network (paper section 6.3).  Networks without codes can use
the former; the latter then only smooths labels along surfaces.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from scenecode.core.errors import ConfigError
from scenecode.optim.crf import (
    PairwisePotentials,
    SurfaceConfig,
    pairwise_potentials,
    smoothed_labels,
)
from scenecode.optim.imaging.lookup import sample_view
from scenecode.slam.fusion.code_fusion import CodeFusionConfig, optimise_codes
from scenecode.slam.fusion.label_views import LabelView, VisibleProjection, project_view

#: Lower bound of probabilities that are multiplied, so that no view alone can exclude a class.
MIN_PROBABILITY = 1e-6


@dataclass(frozen=True)
class LabelFusionConfig:
    #: depths that differ by more (relative) belong to different surfaces: one hides the other
    tolerance: float = 0.05
    code: CodeFusionConfig = field(default_factory=CodeFusionConfig)
    surfaces: SurfaceConfig = field(default_factory=SurfaceConfig)


@dataclass(frozen=True)
class ViewProbabilities:
    """Class probabilities of N points in V views."""

    #: (V, N) 1 where a view sees the point, else 0; the first view sees all
    visible: Tensor
    #: (V, C, N) class probabilities
    probabilities: Tensor


def multiplied(views: ViewProbabilities) -> Tensor:
    """(C, N): normalised product over the views that see a point.

    The logarithms are averaged, not summed, which chooses the same class but does not treat
    views with the same errors as independent.
    """
    logs = views.probabilities.clamp(min=MIN_PROBABILITY).log()
    total = (views.visible[:, None] * logs).sum(0) / views.visible.sum(0)
    return torch.softmax(total, 0)


def averaged(views: ViewProbabilities) -> Tensor:
    """(C, N): the mean over the views that see a point."""
    return (views.visible[:, None] * views.probabilities).sum(0) / views.visible.sum(0)


def fuse_labels(method: str, views: Sequence[LabelView],
                config: LabelFusionConfig = LabelFusionConfig()) -> Tensor:
    """(C, H, W) class probabilities of the first view's pixels, given all views.

    ``method``:

    * ``none``: the first view alone.
    * ``multiplication``, ``average``: pixel by pixel, over the views that see its surface.
    * ``code``: the views' average, smoothed along surfaces (``scenecode.optim.crf``), is the
      consensus; all semantic codes are optimised jointly to agree with it (equation 8), with a
      zero-code prior; then the probabilities at these codes are averaged and smoothed again,
      since codes have no finer detail to give.
    * ``code_without_prior``: the same without the prior on codes.
    * ``code_alone``: all codes are optimised jointly to agree with the first view (equation 8),
      with a zero-code prior; then the probabilities at these codes are averaged over the views.
      Nothing is smoothed along surfaces.  The paper decodes the first view alone, which leaves
      out what the views disagree on and codes cannot express.
    * ``code_alone_without_prior``: the same without the prior on codes.
    * ``average_along_surfaces``: the consensus itself, no codes.

    Raises ``ConfigError`` for another method or no views.
    """
    return LabelFusion(views, config).fuse(method)


class LabelFusion:
    """Several methods on the same views; what they have in common is computed once."""

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

    def view_counts(self) -> Tensor:
        """(H * W,) number of views that see the surface at each pixel of the first, itself
        included."""
        visible = [projection.visible for projection in self._projections]
        return 1 + torch.stack(visible).sum(0) if visible else \
            torch.ones(self._views[0].depth.numel(), dtype=torch.int64)

    def alone(self) -> Tensor:
        return self._views[0].own_probabilities

    def multiplied(self) -> Tensor:
        return self._as_maps(multiplied(self._own_probabilities))

    def averaged(self) -> Tensor:
        return self._as_maps(averaged(self._own_probabilities))

    def averaged_along_surfaces(self) -> Tensor:
        return self._consensus

    def coded(self) -> Tensor:
        return self._follow_consensus(self._config.code)

    def coded_without_prior(self) -> Tensor:
        return self._follow_consensus(replace(self._config.code, prior_sigma=0.0))

    def coded_alone(self) -> Tensor:
        return self._agree_with_first(self._config.code)

    def coded_alone_without_prior(self) -> Tensor:
        return self._agree_with_first(replace(self._config.code, prior_sigma=0.0))

    def averaged_at(self, codes: Tensor) -> Tensor:
        """(C, H, W) average of the views decoded at codes (V, K)."""
        return self._as_maps(averaged(self._decoded(codes)))

    def _agree_with_first(self, config: CodeFusionConfig) -> Tensor:
        return self.averaged_at(optimise_codes(self._views, config, self._config.tolerance).state)

    def _follow_consensus(self, config: CodeFusionConfig) -> Tensor:
        codes = optimise_codes(self._views, config, self._config.tolerance, self._consensus).state
        return self._smoothed(self._decoded(codes))

    def _decoded(self, codes: Tensor) -> ViewProbabilities:
        """The views' probabilities at codes (V, K), at the first view's pixels."""
        return self._gathered([view.probabilities(code)
                               for view, code in zip(self._views, codes)])

    def _gathered(self, maps: Sequence[Tensor]) -> ViewProbabilities:
        """The probabilities (C, H, W) of each view at the first view's pixels."""
        own = maps[0].flatten(1)
        # sampling is fastest where the classes of a pixel lie together in memory
        sampled = [sample_view(of_view.permute(1, 2, 0).contiguous(), projection.pixels).T
                   for of_view, projection in zip(maps[1:], self._projections)]
        visible = [torch.ones_like(own[0]),
                   *(projection.visible.to(own.dtype) for projection in self._projections)]
        return ViewProbabilities(torch.stack(visible), torch.stack([own, *sampled]))

    def _smoothed(self, views: ViewProbabilities) -> Tensor:
        """(C, H, W) average, smoothed along surfaces."""
        fused = self._as_maps(averaged(views))
        if not self._config.surfaces.strength:
            return fused
        return smoothed_labels(fused, self._pairwise, self._config.surfaces)

    def _as_maps(self, values: Tensor) -> Tensor:
        return values.reshape(-1, self._views[0].camera.height, self._views[0].camera.width)

    @cached_property
    def _projections(self) -> list[VisibleProjection]:
        first, *others = self._views
        return [project_view(first, other, self._config.tolerance) for other in others]

    @cached_property
    def _own_probabilities(self) -> ViewProbabilities:
        return self._gathered([view.own_probabilities for view in self._views])

    @cached_property
    def _consensus(self) -> Tensor:
        return self._smoothed(self._own_probabilities)

    @cached_property
    def _pairwise(self) -> PairwisePotentials:
        first = self._views[0]
        return pairwise_potentials(first.camera, first.image, first.depth, self._config.surfaces)


#: By name; see ``fuse_labels``.
METHODS: dict[str, Callable[[LabelFusion], Tensor]] = {
    "none": LabelFusion.alone, "multiplication": LabelFusion.multiplied,
    "average": LabelFusion.averaged, "code": LabelFusion.coded,
    "code_without_prior": LabelFusion.coded_without_prior,
    "code_alone": LabelFusion.coded_alone,
    "code_alone_without_prior": LabelFusion.coded_alone_without_prior,
    "average_along_surfaces": LabelFusion.averaged_along_surfaces}
