"""Consistent labels from several views of known depth and pose, of any RGB-D or monocular system.

One call for every method, ``fuse_labels(method, views)``: element by element as in Bayesian
mapping, or through the semantic codes of the network (paper section 6.3).  Networks without
codes can use the former, and the latter then only spreads labels along surfaces.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from networks.errors import ConfigError
from optim import image
from slam.code_fusion import CodeFusionConfig, optimise_codes
from slam.label_views import LabelView, sight_between
from slam.surface_labels import SurfaceConfig, smooth_along_surfaces, surface_bonds

#: Probabilities below this are not taken for certain when they are multiplied.
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class LabelFusionConfig:
    #: depths that differ by more (relative) belong to different surfaces: one hides the other
    tolerance: float = 0.05
    code: CodeFusionConfig = field(default_factory=CodeFusionConfig)
    surfaces: SurfaceConfig = field(default_factory=SurfaceConfig)


@dataclass(frozen=True)
class Said:
    """What the views say of N points."""

    #: (V, N) 1 where a view sees the point; the first view sees all
    seen: Tensor
    #: (V, C, N) class probabilities
    probabilities: Tensor


def multiplied(said: Said) -> Tensor:
    """(C, N): probabilities of the views that see a point multiplied.

    The logarithms are averaged, not summed, which chooses the same class but does not count
    views that err alike as independent.
    """
    logs = said.probabilities.clamp(min=LEAST_PROBABILITY).log()
    total = (said.seen[:, None] * logs).sum(0) / said.seen.sum(0)
    return torch.softmax(total, 0)


def averaged(said: Said) -> Tensor:
    """(C, N): the mean over the views that see a point."""
    return (said.seen[:, None] * said.probabilities).sum(0) / said.seen.sum(0)


def fuse_labels(method: str, views: Sequence[LabelView],
                config: LabelFusionConfig = LabelFusionConfig()) -> Tensor:
    """(C, H, W) class probabilities of the first view's pixels, given all views.

    ``method``:

    * ``none``: the first view alone.
    * ``multiplication``, ``average``: element by element, over the views that see a pixel.
    * ``code``: all semantic codes are optimised jointly until the views agree, with a
      zero-code prior (equation 8); then their probabilities are averaged and spread along
      surfaces, where the codes have no finer detail to give.
    * ``code_without_prior``: the same without the prior on codes.
    * ``code_alone``: the first view decoded at its optimised code, and nothing else: the
      method of the paper.
    * ``average_along_surfaces``: ``code`` without codes.

    Raises ``ConfigError`` for another method or no views.
    """
    if method not in METHODS:
        raise ConfigError(f"label fusion '{method}' is unknown; choose one of {', '.join(METHODS)}")
    if not views:
        raise ConfigError("label fusion needs at least one view")
    return METHODS[method](views, config)


def _alone(views: Sequence[LabelView], config: LabelFusionConfig) -> Tensor:
    return views[0].probabilities()


def _elementwise(combine: Callable[[Said], Tensor]):
    def fuse(views: Sequence[LabelView], config: LabelFusionConfig) -> Tensor:
        probabilities = [view.probabilities() for view in views]
        return combine(_listen(views, probabilities, config)).reshape(probabilities[0].shape)
    return fuse


def _coded(views: Sequence[LabelView], config: LabelFusionConfig) -> Tensor:
    codes = optimise_codes(views, config.code, config.tolerance).state
    coded = [replace(view, code=code) for view, code in zip(views, codes)]
    return _along_surfaces(coded, config)


def _coded_without_prior(views: Sequence[LabelView], config: LabelFusionConfig) -> Tensor:
    return _coded(views, replace(config, code=replace(config.code, prior_sigma=0.0)))


def _coded_alone(views: Sequence[LabelView], config: LabelFusionConfig) -> Tensor:
    return views[0].probabilities(optimise_codes(views, config.code, config.tolerance).state[0])


def _along_surfaces(views: Sequence[LabelView], config: LabelFusionConfig) -> Tensor:
    fused = _elementwise(averaged)(views, config)
    if not config.surfaces.strength:
        return fused
    first = views[0]
    bonds = surface_bonds(first.camera, first.image, first.depth, config.surfaces)
    return smooth_along_surfaces(fused, bonds, config.surfaces)


#: By name: views, the first of which is to be labelled, to its (C, H, W) probabilities.
METHODS: dict[str, Callable[[Sequence[LabelView], LabelFusionConfig], Tensor]] = {
    "none": _alone, "multiplication": _elementwise(multiplied), "average": _elementwise(averaged),
    "code": _coded, "code_without_prior": _coded_without_prior, "code_alone": _coded_alone,
    "average_along_surfaces": _along_surfaces}


def _listen(views: Sequence[LabelView], probabilities: Sequence[Tensor],
            config: LabelFusionConfig) -> Said:
    """What all views say of the first view's pixels."""
    own = probabilities[0].flatten(1)
    seen, said = [torch.ones_like(own[0])], [own]
    for view, theirs in zip(views[1:], probabilities[1:]):
        found = sight_between(views[0], view, config.tolerance)
        seen.append(found.visible.to(own.dtype))
        said.append(image.sample(theirs.permute(1, 2, 0), found.pixels).T)
    return Said(torch.stack(seen), torch.stack(said))
