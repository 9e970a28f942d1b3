"""The least-squares problem of the newest keyframes, as the solver takes it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.imaging.lookup import sample_views_with_gradient
from scenecode.optim.residuals import (
    Group,
    Residual,
    View,
    code_prior,
    geometric,
    photometric,
    semantic,
)
from scenecode.optim.robust import huber_cost, huber_weight
from scenecode.optim.solvers.normal_equations import NormalEquations
from scenecode.optim.warp import CodedPixels, ViewState, Warp, warp
from scenecode.slam.bundle.landmark_terms import LandmarkTerm
from scenecode.slam.bundle.views import ImageViews, LabelViews, SurfaceViews
from scenecode.slam.bundle.weights import agreement, brightness_change, visibility_weight
from scenecode.slam.config.slam_config import MappingConfig, StageConfig, Term
from scenecode.slam.map.graph import KeyframeGraph

#: A pair that sees less than this share of its pixels is left out.
_MIN_SHARE = 1e-3
#: Elements of a Jacobian that fit into a processor's caches.
_CACHED = 2 ** 18
#: Parameter groups that a stage optimises, beside the landmarks' depths; the others are fixed.
STAGE_GROUPS = {"geometry": (Group.POSE, Group.DEPTH_CODE),
                "semantics": (Group.SEMANTIC_CODE,),
                "joint": (Group.POSE, Group.DEPTH_CODE, Group.SEMANTIC_CODE)}
#: Terms of a stage's cost, as far as they are used, beside the landmarks'.
STAGE_TERMS: dict[str, tuple[Term, ...]] = {"geometry": ("photometric", "geometric", "code"),
               "semantics": ("semantic", "code"),
               "joint": ("photometric", "geometric", "semantic", "code")}


@dataclass(frozen=True)
class WindowState:
    """Poses, codes and landmark depths of the V keyframes that take part, some of them fixed."""

    #: (V, 4, 4) T_world_cam
    poses: Tensor
    #: (V, Kd) and (V, Ks)
    depth: Tensor
    semantic: Tensor
    #: (M,) ln depth of the landmarks
    log_depths: Tensor


@dataclass(frozen=True)
class _Pairs:
    """Rows of views that are compared: pixels of a are warped into b; both (P,)."""

    a: Tensor
    b: Tensor

    @classmethod
    def of(cls, rows: list[tuple[int, int]]) -> "_Pairs":
        return cls(*torch.tensor(rows, dtype=torch.long).reshape(-1, 2).T)

    def parts(self, size: int) -> Iterator["_Pairs"]:
        """The same, so many at a time."""
        return (_Pairs(a, b) for a, b in zip(self.a.split(size), self.b.split(size)))


class Window:
    """The newest keyframes, and those that they are linked to.

    The very first keyframe's pose is fixed, and so is everything older than the window.  What
    older keyframes measured stays in force by the marginal prior that they left behind, and by
    links to them that are newer than that prior.
    """

    def __init__(self, graph: KeyframeGraph, config: MappingConfig, stage: StageConfig,
                 leaving: int | None = None):
        """With ``leaving``, the residuals between that keyframe and the rest of its window only."""
        self._graph = graph
        self._config = config
        self._stage = stage
        first = max(0, len(graph) - config.window) if leaving is None else leaving
        last = len(graph) if leaving is None else min(leaving + config.window, len(graph))
        self._active = range(first, last)
        involved = self._active if leaving is None else (leaving,)
        #: pairs whose images are compared, and those with landmark observations
        self.links = pairs = [(a, b) for a, b in sorted(graph.links - graph.absorbed_links)
                              if (a in involved or b in involved) and max(a, b) < last]
        self.observations = observations = [
            (a, b) for a, b in sorted(graph.observations.keys() - graph.absorbed_observations)
            # landmarks that stay are still measured in keyframes that have left
            if (a in involved or (b in involved and leaving is None)) and max(a, b) < last]
        compared = sorted({*involved, *(n for pair in pairs for n in pair)})
        # keyframes without image comparisons come last: they have landmark observations only, or
        # nothing but the marginal prior
        others = sorted({*self._active, *(n for pair in observations for n in pair)}
                        .difference(compared))
        self._num_compared = len(compared)
        #: row of the state by keyframe
        self._row = {n: i for i, n in enumerate([*compared, *others])}
        self._has_code_prior = torch.zeros(len(self._row), dtype=torch.bool)
        self._has_code_prior[[self._row[n] for n in involved]] = True
        self._links = _Pairs.of([(self._row[a], self._row[b]) for a, b in pairs])
        self._columns, self._size = self._layout()
        keyframes = [graph.keyframes[n] for n in compared]
        codes = torch.stack([graph.states[n].code_depth for n in compared])
        self._surfaces = SurfaceViews(keyframes, codes, config)
        if self._has("photometric"):
            self._images = ImageViews(keyframes, self._surfaces, stage.level, config)
        #: (P, 1) of the pairs where the stage begins: it must not change while costs are compared
        self._agreement: Tensor | None = None
        if stage.stage != "semantics":
            self._landmarks = LandmarkTerm(
                graph, [(a, self._row[b], graph.observations[a, b]) for a, b in observations],
                self._row, config.residuals)
        if self._has("semantic"):
            self._labels = LabelViews(keyframes, self._surfaces, config)

    def _has(self, term: Term) -> bool:
        """Whether a term takes part in this stage."""
        return term in STAGE_TERMS[self._stage.stage] and term in self._config.residuals.used

    def _layout(self) -> tuple[dict[Group, Tensor], int]:
        """Columns (V, size) of every group, -1 where fixed; and their number."""
        state = self._graph.states[-1]
        sizes = {Group.POSE: 6, Group.DEPTH_CODE: len(state.code_depth),
                 Group.SEMANTIC_CODE: len(state.code_semantic)}
        active = [row for n, row in self._row.items() if n in self._active]
        columns, start = {}, 0
        for group, size in sizes.items():
            columns[group] = torch.full((len(self._row), size), -1, dtype=torch.long)
            for row in active if group in STAGE_GROUPS[self._stage.stage] else ():
                if group is Group.POSE and row == self._row.get(0):
                    continue
                columns[group][row] = torch.arange(start, start + size)
                start += size
        return columns, start

    def start(self) -> WindowState:
        """The state that the graph is in."""
        states = [self._graph.states[n] for n in self._row]
        geometric = self._stage.stage != "semantics"
        return WindowState(poses=torch.stack([s.T_world_cam for s in states]),
                           depth=torch.stack([s.code_depth for s in states]),
                           semantic=torch.stack([s.code_semantic for s in states]),
                           log_depths=self._landmarks.log_depths() if geometric
                           else torch.zeros(0))

    def columns_of(self, number: int) -> Tensor:
        """(6 + Kd + Ks,) columns of a keyframe's pose and codes, -1 where fixed."""
        return torch.cat([columns[self._row[number]] for columns in self._columns.values()])

    def keep(self, state: WindowState) -> None:
        """Put the graph into a state."""
        groups = STAGE_GROUPS[self._stage.stage]
        for number, i in self._row.items():
            if number in self._active:
                moved = {"T_world_cam": state.poses[i]} if Group.POSE in groups and number else {}
                if Group.DEPTH_CODE in groups:
                    moved["code_depth"] = state.depth[i]
                if Group.SEMANTIC_CODE in groups:
                    moved["code_semantic"] = state.semantic[i]
                self._graph.states[number] = replace(self._graph.states[number], **moved)
        if Group.POSE in groups:
            self._landmarks.keep(state.log_depths)

    def retract(self, state: WindowState, step: Tensor) -> WindowState:
        """The state moved by a step of the whole window."""
        step = step.to(state.poses)
        # fixed parameters take the zero that is appended
        parts = torch.cat([step[:self._size], step.new_zeros(1)])
        moves = {group: parts[columns] for group, columns in self._columns.items()}
        moving = (self._columns[Group.POSE][:, 0] >= 0)[:, None, None]
        # a step of zero would still move a fixed pose by round-off
        poses = torch.where(moving, se3.retract(state.poses, moves[Group.POSE]), state.poses)
        return WindowState(poses=poses, depth=state.depth + moves[Group.DEPTH_CODE],
                           semantic=state.semantic + moves[Group.SEMANTIC_CODE],
                           log_depths=state.log_depths + step[self._size:])

    def linearise(self, state: WindowState) -> NormalEquations:
        """Cost and normal equations at a state."""
        equations = NormalEquations(self._size, points=len(state.log_depths))
        surfaces = self._surfaces.maps(state.depth[:self._num_compared])
        if len(self._links.a):
            if self._has("photometric"):
                self._add_photometric(equations, state, surfaces)
            if self._has("geometric"):
                self._add_geometric(equations, state, surfaces)
            if self._has("semantic"):
                self._add_semantic(equations, state, surfaces)
        if self._stage.stage != "semantics":
            self._landmarks.add(equations, state.poses, state.depth, state.log_depths,
                                self._columns)
        self._add_priors(equations, state)
        return equations

    def _add_photometric(self, equations: NormalEquations, state: WindowState,
                         surfaces: Tensor) -> None:
        c, images, pairs = self._config.residuals, self._images, self._links
        warped, weight = self._correspond(images.pixels, images.weight, images.camera, state,
                                          surfaces, pairs)
        intensity = images.intensity[pairs.a]
        seen, seen_J_pixel = sample_views_with_gradient(images.maps, pairs.b, warped.pixels)
        gain, offset = brightness_change(intensity, seen[..., 0], weight)
        residual = photometric(intensity, seen, seen_J_pixel, warped, gain, offset)
        if self._agreement is None:
            self._agreement = agreement(residual.value.norm(dim=-1), weight, c)
        self._add(equations, residual, weight, c.photometric_sigma, c.photometric_huber, pairs,
                  self._agreement)

    def _add_geometric(self, equations: NormalEquations, state: WindowState,
                       surfaces: Tensor) -> None:
        c, views, pairs = self._config.residuals, self._surfaces, self._links
        warped, weight = self._correspond(views.pixels, views.weight, views.camera, state,
                                          surfaces, pairs)
        residual = geometric(views.depth_maps, state.depth[:self._num_compared], pairs.b, warped)
        self._add(equations, residual, weight, c.geometric_sigma, c.geometric_huber, pairs)

    def _add_semantic(self, equations: NormalEquations, state: WindowState,
                      surfaces: Tensor) -> None:
        c, labels = self._config.residuals, self._labels
        codes = state.semantic[:self._num_compared]
        prob, prob_J_code = labels.probabilities(codes)
        logits = labels.maps.logits(codes)
        together = max(1, _CACHED // max(prob_J_code[0].numel(), 1))
        for pairs in self._links.parts(together):
            warped, weight = self._correspond(labels.pixels, labels.weight, labels.camera, state,
                                              surfaces, pairs)
            residual = semantic(prob[pairs.a], prob_J_code[pairs.a], labels.maps, logits,
                                pairs.b, warped, with_geometry=self._stage.stage == "joint")
            self._add(equations, residual, weight, c.semantic_sigma, c.semantic_huber, pairs)

    def _correspond(self, pixels: CodedPixels, weight: Tensor, camera, state: WindowState,
                    surfaces: Tensor, pairs: _Pairs) -> tuple[Warp, Tensor]:
        """The warp of each pair, and the weights (P, N) of its pixels."""
        c, a, b = self._config.residuals, pairs.a, pairs.b
        T_ba = se3.inverse(state.poses[b]) @ state.poses[a]
        warped = warp(pixels.of(a), state.depth[a], T_ba, camera, c.border)
        scale = surfaces.shape[2] / camera.width
        visible = visibility_weight(surfaces, b, (warped.pixels + 0.5) * scale - 0.5, warped, c)
        return warped, weight[a] * visible

    def _add(self, equations: NormalEquations, residual: Residual, weight: Tensor, sigma: float,
             huber: float, pairs: _Pairs, counts: Tensor | float = 1.0) -> None:
        """Whiten, weigh robustly and sum; residual and Jacobian are scaled together.

        The weights are normalised so that a pair always counts as the same number of
        pixels, times ``counts`` (P, 1): otherwise a smaller overlap would lower the cost.
        """
        error = residual.value.norm(dim=-1) / sigma
        total = weight.sum(1, keepdim=True)
        enough = total >= _MIN_SHARE * weight.shape[1]
        effective = self._config.residuals.effective_pixels
        share = torch.where(enough, weight * (counts * effective / total.clamp(min=1e-6)), 0.0)
        cost = float((share * huber_cost(error, huber)).sum())
        row_weight = share * huber_weight(error, huber) / (sigma * sigma)
        rows = residual.value.shape[-1]
        columns, jacobians = [], []
        for block, jacobian in residual.jacobians.items():
            if block.group in STAGE_GROUPS[self._stage.stage]:
                rows_of = pairs.a if block.view is View.A else pairs.b
                columns.append(self._columns[block.group][rows_of])
                jacobians.append(jacobian.flatten(1, 2))
        equations.add_groups(torch.cat(columns, 1), torch.cat(jacobians, -1),
                             residual.value.flatten(1), row_weight.repeat_interleave(rows, 1), cost)

    def _add_priors(self, equations: NormalEquations, state: WindowState) -> None:
        groups = ((Group.DEPTH_CODE, state.depth), (Group.SEMANTIC_CODE, state.semantic))
        for group, codes in groups if self._has("code") else ():
            columns = self._columns[group]
            moved = (columns >= 0).any(1) & self._has_code_prior
            if bool(moved.any()):
                value, jacobian = code_prior(codes[moved], self._config.residuals.code_sigma)
                equations.add_groups(columns[moved], jacobian, value, torch.ones_like(value),
                                     0.5 * float(value.square().sum()))
        prior = self._graph.prior
        if prior is not None:
            rows = [self._row[n] for n in prior.numbers]
            states = [ViewState(state.poses[i], state.depth[i], state.semantic[i]) for i in rows]
            prior.add(equations, states, [self.columns_of(n) for n in prior.numbers])
