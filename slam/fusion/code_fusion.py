"""Code-based label fusion (paper sections 4 and 6.3): the semantic codes of several views,
optimised jointly so that their class probabilities agree, at known depth and poses.

``pairwise`` is the paper's formulation: the first view against every other.  ``with_consensus``
compares every view with the fused probabilities of the first view's pixels: for the Euclidean
distance, differences among all pairs and deviations from the mean are the same up to a factor,
and a consensus can be smoothed along surfaces before the codes are fitted to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from scenecode.networks.prediction import resize_maps
from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.residuals import (
    code_prior,
    label_change,
    label_cross_entropy,
    softmax_chain,
)
from scenecode.optim.robust import huber_cost, huber_weight
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig, Solution, minimise
from scenecode.optim.solvers.normal_equations import NormalEquations
from scenecode.slam.fusion.label_views import LabelView, project_view


@dataclass(frozen=True)
class CodeFusionConfig:
    """A comparison of two views has the weight of ``effective_pixels`` measurements times their
    overlap; each has the standard deviation ``sigma`` (probability)."""

    #: views are compared at every ``step``-th pixel of each row and column
    step: int = 8
    effective_pixels: float = 600.0
    sigma: float = 1.4
    #: Huber's threshold, in standard deviations
    huber: float = 1.0
    #: standard deviation of the zero-code prior; 0 switches it off
    prior_sigma: float = 1.0
    #: views whose overlap is less are not compared
    min_overlap: float = 0.02
    gauss_newton: GaussNewtonConfig = field(
        default_factory=lambda: GaussNewtonConfig(iterations=10, tolerance=1e-3))


@dataclass(frozen=True)
class CodedLogits:
    """Logits of one view, linear in its code, at the N pixels that a comparison is made at."""

    view: int
    #: (N, C) and (N, C, K)
    logits_zero: Tensor
    logits_J_code: Tensor

    def at(self, codes: Tensor) -> Tensor:
        """Probabilities (N, C) at the codes (V, K) of all views."""
        return torch.softmax(self.logits_zero + self.logits_J_code @ codes[self.view], -1)

    def probabilities(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (N, C) and their derivative by the code (N, C, K)."""
        prob = torch.softmax(self.logits_zero + self.logits_J_code @ code, -1)
        return prob, softmax_chain(prob, self.logits_J_code)


@dataclass(frozen=True)
class Comparison:
    """One view's probabilities compared with another's, or with given ones (N, C)."""

    a: CodedLogits
    b: CodedLogits | Tensor
    #: share of the pixels of ``a`` that ``b`` sees, too
    overlap: float


@dataclass(frozen=True)
class LabelFactor:
    """The class of the N pixels of ``logits``, which is known."""

    logits: CodedLogits
    label: int
    #: independent measurements that all of these pixels count as
    weight: float


@dataclass(frozen=True)
class KeptLabels:
    """Class probabilities (N, C) that the N pixels of ``logits`` have and should keep."""

    logits: CodedLogits
    probabilities: Tensor
    #: (N,) independent measurements that each pixel counts as
    weights: Tensor


class SemanticAgreement:
    """The least-squares problem: semantic residuals (equation 8), the zero-code prior, and
    ``labels`` that are known or ``kept``.

    Depth and poses are fixed, so pixels keep their partners and only the codes move; the
    residual is that of ``scenecode.optim.residuals.semantic``.
    """

    def __init__(self, comparisons: Sequence[Comparison], views: int, size: int,
                 config: CodeFusionConfig, labels: Sequence[LabelFactor] = (),
                 kept: Sequence[KeptLabels] = (), start: Tensor | None = None):
        """``start``: codes (V, K) from which prior and semantic residuals are measured, so that
        these are optimal without ``labels`` and views change alike; by default zero codes and
        views that agree."""
        self._comparisons = [c for c in comparisons if c.overlap >= config.min_overlap]
        self._labels = [factor for factor in labels if len(factor.logits.logits_zero)]
        self._kept, self._start = kept, start
        self._views, self._size, self._config = views, size, config

    @staticmethod
    def pairwise(views: Sequence[LabelView], config: CodeFusionConfig,
                 tolerance: float) -> "SemanticAgreement":
        """The first view with every other, both ways; ``tolerance`` as in
        ``scenecode.slam.fusion.label_views.project_visible``."""
        small = [downsized(view, config.step) for view in views]
        maps = [coded_maps(view) for view in small]
        ordered = [pair for n in range(1, len(views)) for pair in ((0, n), (n, 0))]
        comparisons = [compare(small, maps, a, b, tolerance) for a, b in ordered]
        return SemanticAgreement(comparisons, len(views),
                                 views[0].prediction.semantic_code_size, config)

    @staticmethod
    def with_consensus(views: Sequence[LabelView], consensus: Tensor, config: CodeFusionConfig,
                       tolerance: float) -> "SemanticAgreement":
        """Every view with ``consensus`` (C, H, W) on the first view's pixels."""
        small = [downsized(view, config.step) for view in views]
        first = small[0].camera
        target = resize_maps(consensus, first.width, first.height).flatten(1).T
        comparisons = []
        for n, view in enumerate(small):
            projection = project_view(small[0], view, tolerance)
            visible = projection.visible if n else torch.ones_like(projection.visible)
            logits = coded_logits(n, sample_view(coded_maps(view), projection.pixels[visible]) if n
                                   else coded_maps(view).flatten(0, 1), len(consensus))
            comparisons.append(Comparison(a=logits, b=target[visible],
                                           overlap=float(visible.float().mean())))
        return SemanticAgreement(comparisons, len(views),
                                 views[0].prediction.semantic_code_size, config)

    def retract(self, codes: Tensor, step: Tensor) -> Tensor:
        """Codes (V, K) moved by a step (V * K,)."""
        return codes + step.reshape(codes.shape).to(codes.dtype)

    def linearise(self, codes: Tensor) -> NormalEquations:
        """Cost and normal equations at codes (V, K)."""
        equations = NormalEquations(self._views * self._size, codes.device)
        for comparison in self._comparisons:
            self._add(equations, comparison, codes)
        for factor in self._labels:
            self._add_label(equations, factor, codes)
        for kept in self._kept:
            self._add_kept(equations, kept, codes)
        if self._config.prior_sigma:
            moved = codes if self._start is None else codes - self._start
            value, jacobian = code_prior(moved, self._config.prior_sigma)
            columns = torch.arange(codes.numel(), device=codes.device).view(codes.shape)
            equations.add_groups(columns, jacobian, value, torch.ones_like(value),
                                 0.5 * float(value.detach().square().sum()))
        return equations

    def _add(self, equations: NormalEquations, comparison: Comparison, codes: Tensor) -> None:
        c, a, b = self._config, comparison.a, comparison.b
        prob, J = a.probabilities(codes[a.view])
        blocks = [(_columns(a.view, self._size), J.flatten(0, 1))]
        if isinstance(b, CodedLogits):
            other, J = b.probabilities(codes[b.view])
            blocks.append((_columns(b.view, self._size), -J.flatten(0, 1)))
        else:
            other = b
        value = prob - other
        if self._start is not None:
            value = value - _difference(comparison, self._start)
        error = value.norm(dim=1) / c.sigma
        scale = c.effective_pixels * comparison.overlap / len(value)
        weight = scale * huber_weight(error, c.huber) / (c.sigma * c.sigma)
        equations.add(blocks, value.flatten(), weight.repeat_interleave(value.shape[1]),
                      scale * float(huber_cost(error.detach(), c.huber).sum()))

    def _add_label(self, equations: NormalEquations, factor: LabelFactor,
                   codes: Tensor) -> None:
        at = factor.logits
        value, jacobian = label_cross_entropy(
            at.logits_zero + at.logits_J_code @ codes[at.view], at.logits_J_code, factor.label)
        weight = torch.full_like(value, factor.weight / len(value))
        equations.add([(_columns(at.view, self._size), jacobian)], value, weight,
                      0.5 * float((weight * value.square()).sum()))

    def _add_kept(self, equations: NormalEquations, kept: KeptLabels, codes: Tensor) -> None:
        at = kept.logits
        value, jacobian = label_change(at.logits_zero + at.logits_J_code @ codes[at.view],
                                       at.logits_J_code, kept.probabilities)
        weight = kept.weights.repeat_interleave(value.shape[1])
        equations.add([(_columns(at.view, self._size), jacobian.flatten(0, 1))], value.flatten(),
                      weight, 0.5 * float((weight * value.flatten().square()).sum()))


def optimise_codes(views: Sequence[LabelView], config: CodeFusionConfig, tolerance: float,
                   consensus: Tensor | None = None) -> Solution[Tensor]:
    """Codes (V, K) that make the views agree with each other, or with a consensus (C, H, W) on
    the first view's pixels; from the codes that the views start with."""
    problem = SemanticAgreement.pairwise(views, config, tolerance) if consensus is None else \
        SemanticAgreement.with_consensus(views, consensus, config, tolerance)
    start = torch.stack([view.start_code() for view in views])
    return minimise(start, problem.linearise, problem.retract, config.gauss_newton)


def _difference(comparison: Comparison, codes: Tensor) -> Tensor:
    """(N, C) of the probabilities that are compared, at codes (V, K)."""
    prob, b = comparison.a.at(codes), comparison.b
    return prob - (b.at(codes) if isinstance(b, CodedLogits) else b)


def _columns(view: int, size: int) -> slice:
    return slice(view * size, (view + 1) * size)


def downsized(view: LabelView, step: int) -> LabelView:
    """A view at every ``step``-th pixel of each row and column."""
    return view.resized(view.camera.width // step, view.camera.height // step)


def coded_maps(view: LabelView) -> Tensor:
    """(H, W, C * (1 + K)): logits at zero code, then their derivatives, at the view's size."""
    prediction = view.prediction
    stacked = torch.cat([prediction.logits_zero[:, None], prediction.logits_J_code], 1)
    resized = resize_maps(stacked.flatten(0, 1), view.camera.width, view.camera.height)
    return resized.permute(1, 2, 0).contiguous()


def compare(views: Sequence[LabelView], maps: Sequence[Tensor], a: int, b: int,
            tolerance: float) -> Comparison:
    """The pixels of view ``a`` with where they are seen in view ``b``; ``maps`` as
    ``coded_maps`` gives them of each view."""
    projection = project_view(views[a], views[b], tolerance)
    at_a = maps[a].flatten(0, 1)[projection.visible]
    at_b = sample_view(maps[b], projection.pixels[projection.visible])
    classes = len(views[a].prediction.classes)
    return Comparison(a=coded_logits(a, at_a, classes), b=coded_logits(b, at_b, classes),
                       overlap=float(projection.visible.float().mean()))


def coded_logits(view: int, values: Tensor, classes: int) -> CodedLogits:
    """Of a view, from the values (N, C * (1 + K)) of its ``coded_maps``."""
    columns = values.unflatten(1, (classes, -1))
    return CodedLogits(view=view, logits_zero=columns[..., 0].contiguous(),
                        logits_J_code=columns[..., 1:].contiguous())
