"""Code-based label fusion (paper sections 4 and 6.3): the semantic codes of several views,
optimised jointly so that their class probabilities agree, at known depth and poses."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from networks.prediction import resize_maps
from optim import image
from optim.gauss_newton import GaussNewtonConfig, Solution, minimise
from optim.normal import NormalEquations
from optim.residuals import code_prior, softmax_chain
from optim.robust import huber_cost, huber_weight
from slam.label_views import LabelView, sight_between


@dataclass(frozen=True)
class CodeFusionConfig:
    """A pair of views counts as ``effective_pixels`` measurements, times the share of pixels
    that both see; each has the deviation ``sigma`` (probability)."""

    #: pixels at which views are compared: every so many of each row and column
    step: int = 8
    effective_pixels: float = 600.0
    sigma: float = 4.0
    #: Huber's threshold, in deviations
    huber: float = 0.5
    #: deviation of the zero-code prior; 0 does without
    prior_sigma: float = 1.0
    #: views that share less than this part of their pixels are not compared
    least_overlap: float = 0.02
    gauss_newton: GaussNewtonConfig = field(
        default_factory=lambda: GaussNewtonConfig(iterations=10, tolerance=1e-3))


@dataclass(frozen=True)
class _Side:
    """What one view says at the N pixels that a pair shares."""

    view: int
    #: (N, C) and (N, C, K)
    logits_zero: Tensor
    logits_J_code: Tensor

    def compare(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (N, C) and their derivative by the code (N, C, K)."""
        prob = torch.softmax(self.logits_zero + self.logits_J_code @ code, -1)
        return prob, softmax_chain(prob, self.logits_J_code)


@dataclass(frozen=True)
class _Pair:
    a: _Side
    b: _Side
    #: share of a's pixels that b sees
    share: float


class SemanticAgreement:
    """The least-squares problem: equation 8 between the first view and every other, both ways,
    with the zero-code prior.

    Depth and poses are fixed, so pixels keep their partners and only the codes move; the
    residual is that of ``optim.residuals.semantic``.
    """

    def __init__(self, views: Sequence[LabelView], config: CodeFusionConfig, tolerance: float):
        """``tolerance`` as in ``slam.label_views.sight``."""
        self._config = config
        self._size = views[0].prediction.semantic_code_size
        self._views = len(views)
        small = [_thinned(view, config.step) for view in views]
        maps = [_maps(view) for view in small]
        ordered = [pair for n in range(1, len(views)) for pair in ((0, n), (n, 0))]
        pairs = [_pair(small, maps, a, b, tolerance) for a, b in ordered]
        self._pairs = [pair for pair in pairs if pair.share >= config.least_overlap]

    def retract(self, codes: Tensor, step: Tensor) -> Tensor:
        """Codes (V, K) moved by a step (V * K,)."""
        return codes + step.reshape(codes.shape).to(codes.dtype)

    def linearise(self, codes: Tensor) -> NormalEquations:
        """Cost and normal equations at codes (V, K)."""
        c, K = self._config, self._size
        equations = NormalEquations.zeros(self._views * K, codes.device)
        for pair in self._pairs:
            prob_a, J_a = pair.a.compare(codes[pair.a.view])
            prob_b, J_b = pair.b.compare(codes[pair.b.view])
            value = prob_a - prob_b
            error = value.norm(dim=1) / c.sigma
            scale = c.effective_pixels * pair.share / len(value)
            weight = scale * huber_weight(error, c.huber) / (c.sigma * c.sigma)
            blocks = [(_columns(pair.a.view, K), J_a.flatten(0, 1)),
                      (_columns(pair.b.view, K), -J_b.flatten(0, 1))]
            equations.add(blocks, value.flatten(), weight.repeat_interleave(value.shape[1]),
                          scale * float(huber_cost(error, c.huber).sum()))
        if c.prior_sigma:
            for view, code in enumerate(codes):
                value, jacobian = code_prior(code, c.prior_sigma)
                equations.add([(_columns(view, K), jacobian)], value, torch.ones_like(value),
                              0.5 * float(value @ value))
        return equations


def optimise_codes(views: Sequence[LabelView], config: CodeFusionConfig,
                   tolerance: float) -> Solution[Tensor]:
    """Codes (V, K) that make the views agree, from the codes the views start with."""
    problem = SemanticAgreement(views, config, tolerance)
    start = torch.stack([view.start_code() for view in views])
    return minimise(start, problem.linearise, problem.retract, config.gauss_newton)


def _columns(view: int, size: int) -> slice:
    return slice(view * size, (view + 1) * size)


def _thinned(view: LabelView, step: int) -> LabelView:
    return view.resized(view.camera.width // step, view.camera.height // step)


def _maps(view: LabelView) -> Tensor:
    """(H, W, C * (1 + K)): logits at zero code, then their derivatives, at the view's size."""
    prediction = view.prediction
    stacked = torch.cat([prediction.logits_zero[:, None], prediction.logits_J_code], 1)
    resized = resize_maps(stacked.flatten(0, 1), view.camera.width, view.camera.height)
    return resized.permute(1, 2, 0).contiguous()


def _pair(views: Sequence[LabelView], maps: Sequence[Tensor], a: int, b: int,
          tolerance: float) -> _Pair:
    seen = sight_between(views[a], views[b], tolerance)
    ours = maps[a].flatten(0, 1)[seen.visible]
    theirs = image.sample(maps[b], seen.pixels[seen.visible])
    classes = len(views[a].prediction.classes)
    return _Pair(_side(a, ours, classes), _side(b, theirs, classes),
                 float(seen.visible.float().mean()))


def _side(view: int, values: Tensor, classes: int) -> _Side:
    columns = values.unflatten(1, (classes, -1))
    return _Side(view, columns[..., 0].contiguous(), columns[..., 1:].contiguous())
