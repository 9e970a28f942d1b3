"""The residuals of the newest keyframes and their normal equations, as the solver takes them."""

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.imaging.lookup import sample_views_with_gradient
from scenecode.optim.residuals import (
    Group,
    PairResidual,
    code_prior,
    geometric,
    photometric,
    semantic,
)
from scenecode.optim.robust import huber_cost, huber_weight
from scenecode.optim.solvers.normal_equations import NormalEquations
from scenecode.optim.solvers.pair_sums import PairPixels, add_pairs
from scenecode.optim.warp import ViewState, Warp, warp
from scenecode.slam.bundle.landmark_terms import LandmarkTerm
from scenecode.slam.bundle.layout import Leaving, WindowLayout, WindowState
from scenecode.slam.bundle.views import ImageViews, LabelViews, SurfaceViews, WarpedViews
from scenecode.slam.bundle.weights import agreement, brightness_change, visibility_weight
from scenecode.slam.config.mapping import MappingConfig, StageConfig, StageKind
from scenecode.slam.config.residuals import Term
from scenecode.slam.map.graph import KeyframeGraph

#: Huber thresholds of the terms, in standard deviations.
_PHOTOMETRIC_HUBER, _GEOMETRIC_HUBER, _SEMANTIC_HUBER = 0.7, 1.5, 1.5
#: Pixels left out at image borders.
BORDER = 1.0
#: A pair that has less than this share of its pixels in view is left out.
_MIN_SHARE = 1e-3
#: Terms of a stage's cost, as far as they are used, in addition to the landmarks'.
STAGE_TERMS: dict[StageKind, tuple[Term, ...]] = {
    "geometry": ("photometric", "geometric", "code"),
    "semantics": ("semantic", "code"),
    "joint": ("photometric", "geometric", "semantic", "code")}


class Window:
    """The active keyframes, and those that they are linked to.

    The very first keyframe's pose is fixed, and so is everything that rests.  Measurements of
    resting keyframes count by the marginal prior, and by links to them that it has not absorbed.
    Where a pair has too little parallax to tell anything about depth, images and landmarks move
    its poses only.
    """

    def __init__(self, graph: KeyframeGraph, config: MappingConfig, stage: StageConfig,
                 leaving: Leaving | None = None):
        """With ``leaving``, only the residuals between that keyframe and its window."""
        self._graph = graph
        self._config = config
        self._stage = stage
        self._layout = layout = WindowLayout(graph, stage.stage, leaving)
        keyframes = [graph.keyframes[n] for n in layout.compared]
        codes = torch.stack([graph.states[n].code_depth for n in layout.compared])
        self._surfaces = SurfaceViews(keyframes, codes, layout.pairs, config)
        if self._has("photometric"):
            self._images = ImageViews(keyframes, self._surfaces, stage.level, config)
        #: (P, 1) of the pairs where the stage begins: it must not change while costs are compared
        self._agreement: Tensor | None = None
        if self._moves_geometry:
            self._landmarks = LandmarkTerm(
                graph, [(a, layout.row[b], graph.observations[a, b])
                        for a, b in layout.observations], layout.row, config.residuals)
        if self._has("semantic"):
            self._labels = LabelViews(keyframes, self._surfaces, config)

    @property
    def links(self) -> list[tuple[int, int]]:
        """Pairs of keyframes whose images are compared."""
        return self._layout.links

    @property
    def observations(self) -> list[tuple[int, int]]:
        """Pairs (a, b) of keyframes where b observes landmarks of a."""
        return self._layout.observations

    @property
    def _moves_geometry(self) -> bool:
        return self._stage.stage != "semantics"

    def _has(self, term: Term) -> bool:
        """Whether a term takes part in this stage."""
        return term in STAGE_TERMS[self._stage.stage] and term in self._config.residuals.terms

    def start(self) -> WindowState:
        """The state that the graph is in."""
        return self._layout.start(self._landmarks.log_depths() if self._moves_geometry
                                  else torch.zeros(0))

    def columns_of(self, number: int) -> Tensor:
        """(6 + Kd + Ks,) columns of a keyframe's pose and codes, -1 where fixed."""
        return self._layout.columns_of(number)

    def keep(self, state: WindowState) -> None:
        """Write a state into the graph."""
        self._layout.keep(state)
        if self._moves_geometry:
            self._landmarks.keep(state.log_depths)

    def retract(self, state: WindowState, step: Tensor) -> WindowState:
        """The state moved by a step of the whole window."""
        return self._layout.retract(state, step)

    def linearise(self, state: WindowState) -> NormalEquations:
        """Cost and normal equations at a state."""
        layout = self._layout
        equations = NormalEquations(layout.size, points=len(state.log_depths))
        surfaces = self._surfaces.maps(state.depth[:len(layout.compared)])
        if layout.links:
            if self._has("photometric"):
                self._add_photometric(equations, state, surfaces)
            if self._has("geometric"):
                self._add_geometric(equations, state, surfaces)
            if self._has("semantic"):
                self._add_semantic(equations, state, surfaces)
        if self._moves_geometry:
            self._landmarks.add(equations, state.poses, state.depth, state.log_depths,
                                layout.columns)
        if self._has("code"):
            self._add_code_prior(equations, state)
        self._add_marginal_prior(equations, state)
        return equations

    def _add_photometric(self, equations: NormalEquations, state: WindowState,
                         surfaces: Tensor) -> None:
        images = self._images
        pairs = images.pairs
        warped, weight = self._correspond(images, state, surfaces)
        warped = warped.with_depth_held(weight > 0)
        intensity = images.intensity[pairs.a]
        seen, seen_J_pixel = sample_views_with_gradient(images.maps, pairs.b, warped.pixels)
        gain, offset = brightness_change(intensity, seen[..., 0], weight)
        residual = photometric(intensity, seen, seen_J_pixel, warped, gain, offset)
        if self._agreement is None:
            self._agreement = agreement(residual.lengths(), weight)
        self._add(equations, residual, weight, self._config.residuals.photometric_sigma,
                  _PHOTOMETRIC_HUBER, pairs, self._agreement)

    def _add_geometric(self, equations: NormalEquations, state: WindowState,
                       surfaces: Tensor) -> None:
        views = self._surfaces
        warped, weight = self._correspond(views, state, surfaces)
        codes = state.depth[:len(self._layout.compared)]
        residual = geometric(views.depth_maps, codes, views.pairs.b, warped)
        self._add(equations, residual, weight, self._config.residuals.geometric_sigma,
                  _GEOMETRIC_HUBER, views.pairs)

    def _add_semantic(self, equations: NormalEquations, state: WindowState,
                      surfaces: Tensor) -> None:
        labels = self._labels
        codes = state.semantic[:len(self._layout.compared)]
        warped, weight = self._correspond(labels, state, surfaces)
        residual = semantic(labels.pixel_labels(codes), labels.maps, labels.maps.logits(codes),
                            labels.pairs.a, labels.pairs.b, warped.with_depth_held(weight > 0),
                            with_geometry=self._stage.stage == "joint")
        self._add(equations, residual, weight, self._config.residuals.semantic_sigma,
                  _SEMANTIC_HUBER, labels.pairs)

    def _correspond(self, views: WarpedViews, state: WindowState,
                    surfaces: Tensor) -> tuple[Warp, Tensor]:
        """The warp of each pair, and the weights (P, N) of its pixels."""
        a, b = views.pairs.a, views.pairs.b
        T_ba = se3.inverse(state.poses[b]) @ state.poses[a]
        codes = state.depth[:len(self._layout.compared)]
        warped = warp(views.pixels, codes, a, T_ba, views.camera, BORDER)
        if not self._config.residuals.visibility_weights:
            return warped, views.weight[a] * warped.valid
        scale = surfaces.shape[2] / views.camera.width
        visible = visibility_weight(surfaces, b, (warped.pixels + 0.5) * scale - 0.5, warped)
        return warped, views.weight[a] * visible

    def _add(self, equations: NormalEquations, residual: PairResidual, weight: Tensor,
             sigma: float, huber: float, pairs: PairPixels,
             pair_weight: Tensor | float = 1.0) -> None:
        """Whiten, weigh robustly and sum; residual and Jacobian are scaled together.

        The weights are normalised so that a pair always counts as the same number of
        pixels, times ``pair_weight`` (P, 1): otherwise a smaller overlap would lower the cost.
        """
        error = residual.lengths() / sigma
        total = weight.sum(1, keepdim=True)
        enough = total >= _MIN_SHARE * weight.shape[1]
        effective = self._config.residuals.effective_pixels
        share = torch.where(enough, weight * (pair_weight * effective / total.clamp(min=1e-6)),
                            0.0)
        cost = float((share * huber_cost(error, huber)).sum())
        row_weight = share * huber_weight(error, huber) / (sigma * sigma)
        columns = self._layout.columns
        equations.add_later(
            lambda sums: add_pairs(sums, residual, row_weight, pairs, columns), cost)

    def _add_code_prior(self, equations: NormalEquations, state: WindowState) -> None:
        for group, codes in ((Group.DEPTH_CODE, state.depth),
                             (Group.SEMANTIC_CODE, state.semantic)):
            columns = self._layout.columns[group]
            moving = (columns >= 0).any(1) & self._layout.has_code_prior
            if bool(moving.any()):
                value, jacobian = code_prior(codes[moving], self._config.residuals.code_sigma)
                equations.add_groups(columns[moving], jacobian, value, torch.ones_like(value),
                                     0.5 * float(value.square().sum()))

    def _add_marginal_prior(self, equations: NormalEquations, state: WindowState) -> None:
        prior = self._graph.prior
        if prior is None:
            return
        rows = [self._layout.row[n] for n in prior.numbers]
        states = [ViewState(T_world_cam=state.poses[i], code_depth=state.depth[i],
                            code_semantic=state.semantic[i]) for i in rows]
        prior.add(equations, states, [self.columns_of(n) for n in prior.numbers])
