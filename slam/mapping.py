"""Mapping: one damped Gauss-Newton over the poses and codes of a sliding window."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from networks.prediction import Predictor
from optim.gauss_newton import Solution, minimise
from optim.normal import NormalEquations
from optim.residuals import Residual, code_prior, geometric, photometric, semantic
from optim.robust import huber_cost, huber_weight
from optim.warp import CodedView, ViewState, Warp, warp
from slam.config import MappingConfig, ResidualConfig, StageConfig
from slam.frame import Frame
from slam.graph import KeyframeGraph
from slam.keyframe import make_keyframe
from slam.weights import brightness_change, strongest, surface_weight, visibility_weight

#: A pair that sees less than this share of its pixels is left out.
_MIN_SHARE = 1e-3
#: Parameter groups that a stage moves.
STAGE_GROUPS = {"geometry": ("pose", "depth"), "semantics": ("semantic",),
                "joint": ("pose", "depth", "semantic")}


class Mapper:
    """Adds keyframes and improves the window.  Owned by the mapping thread."""

    def __init__(self, config: MappingConfig, predictor: Predictor, levels: int):
        self._config = config
        self._predictor = predictor
        self._levels = levels
        self._pending: list[StageConfig] = []
        self.graph = KeyframeGraph()

    def insert(self, frame: Frame, T_world_cam: Tensor, seen_from: int | None = None) -> int:
        """Make a keyframe, link it and schedule its optimisation; returns its number.

        It is linked to its predecessors, as far as they see the same, and to the keyframe
        that it was ``seen_from``, by default the one before: after a loss an older one.
        """
        keyframe = make_keyframe(frame, T_world_cam, self._predictor, self._levels)
        graph = self.graph
        number = graph.add(keyframe, keyframe.initial_state())
        coarsest = self._levels - 1
        seen_from = number - 1 if seen_from is None else seen_from
        for earlier in range(max(0, number - self._config.links), number):
            overlap = min(graph.overlap(number, earlier, coarsest),
                          graph.overlap(earlier, number, coarsest))
            if overlap >= self._config.link_overlap:
                graph.link(number, earlier)
        if number:
            graph.link(number, seen_from)
        for old in graph.keyframes[:max(0, number + 1 - self._config.window - self._config.links)]:
            old.rest()
        self._pending = list(self._config.schedule) if number else []
        return number

    def begin_anew(self) -> None:
        """Give the map up."""
        self.graph = KeyframeGraph()
        self._pending = []

    @property
    def has_work(self) -> bool:
        return bool(self._pending)

    def step(self, should_stop: Callable[[], bool] = lambda: False) -> Solution | None:
        """Run the next stage of the schedule on the window; None when nothing is left."""
        if not self._pending:
            return None
        return self.optimise(self._pending.pop(0), should_stop)

    def optimise(self, stage: StageConfig,
                 should_stop: Callable[[], bool] = lambda: False) -> Solution:
        """Run one stage on the window and keep its outcome."""
        graph = self.graph
        window = Window(graph, self._config, stage)
        config = replace(self._config.gauss_newton, iterations=stage.iterations)
        solution = minimise(tuple(graph.states), window.linearise, window.retract, config,
                            should_stop)
        graph.states[:] = solution.state
        return solution


class Window:
    """The least-squares problem of the newest keyframes, as the solver takes it.

    The very first keyframe's pose is held, and so is everything older than the
    window; links into the past keep what was learnt there in force.
    """

    def __init__(self, graph: KeyframeGraph, config: MappingConfig, stage: StageConfig):
        self._graph = graph
        self._config = config
        self._stage = stage
        self._weights = config.residuals
        first = max(0, len(graph) - config.window)
        self._active = range(first, len(graph))
        self._pairs = [(a, b) for a, b in sorted(graph.links)
                       if a in self._active or b in self._active]
        self._columns, self._size = self._layout()
        self._sources: dict[tuple, _Source] = {}

    def _layout(self) -> tuple[dict[tuple[str, int], slice], int]:
        columns, start = {}, 0
        for number in self._active:
            state = self._graph.states[number]
            sizes = {"pose": 0 if number == 0 else 6, "depth": len(state.code_depth),
                     "semantic": len(state.code_semantic)}
            for group in STAGE_GROUPS[self._stage.stage]:
                if sizes[group]:
                    columns[group, number] = slice(start, start + sizes[group])
                    start += sizes[group]
        return columns, start

    def retract(self, states: tuple[ViewState, ...], step: Tensor) -> tuple[ViewState, ...]:
        """All states moved by a step of the whole window."""
        moved = list(states)
        for number in self._active:
            state = states[number]
            parts = {"pose": state.T_world_cam.new_zeros(6),
                     "depth": torch.zeros_like(state.code_depth),
                     "semantic": torch.zeros_like(state.code_semantic)}
            for group in parts:
                if (group, number) in self._columns:
                    parts[group] = step[self._columns[group, number]].to(parts[group])
            stepped = state.retract(parts["pose"], parts["depth"], parts["semantic"])
            if ("pose", number) not in self._columns:
                # a step of zero would still move it by round-off
                stepped = replace(stepped, T_world_cam=state.T_world_cam)
            moved[number] = stepped
        return tuple(moved)

    def linearise(self, states: tuple[ViewState, ...]) -> NormalEquations:
        """Cost and normal equations at the given states."""
        equations = NormalEquations.zeros(self._size)
        for a, b in self._pairs:
            if self._stage.stage != "semantics":
                self._add_photometric(equations, a, b, states)
                self._add_geometric(equations, a, b, states)
            if self._stage.stage != "geometry":
                self._add_semantic(equations, a, b, states)
        self._add_priors(equations, states)
        return equations

    def _add_photometric(self, equations, a, b, states) -> None:
        c = self._weights
        source = self._source(a, self._stage.level, False, c.photometric_pixels)
        view_b, warped, weight = self._correspond(source, a, b, states)
        gain, offset = brightness_change(source.view, view_b, warped, weight)
        residual = photometric(source.view, view_b, warped, gain, offset)
        self._add(equations, a, b, residual, weight, c.photometric_sigma, c.photometric_huber)

    def _add_geometric(self, equations, a, b, states) -> None:
        c = self._weights
        source = self._source(a, self._config.geometric_level, False)
        view_b, warped, weight = self._correspond(source, a, b, states)
        # relative to depth, since the network's error grows with it
        residual = geometric(view_b, states[b], warped, logarithmic=True)
        self._add(equations, a, b, residual, weight, c.geometric_sigma, c.geometric_huber)

    def _add_semantic(self, equations, a, b, states) -> None:
        c = self._weights
        source = self._source(a, self._config.semantic_level, True)
        view_b, warped, weight = self._correspond(source, a, b, states)
        residual = semantic(source.view, states[a], view_b, states[b], warped,
                            with_geometry=self._stage.stage == "joint")
        self._add(equations, a, b, residual, weight, c.semantic_sigma, c.semantic_huber)

    def _source(self, number: int, level: int, with_semantics: bool,
                count: int | None = None) -> "_Source":
        """A keyframe's pixels, all or the ``count`` most telling, with their weights, which
        stay as they are during a stage."""
        key = (number, level, with_semantics, count)
        if key not in self._sources:
            if count is None:
                view = self._graph.keyframes[number].view(level, with_semantics)
                weight = surface_weight(view, self._graph.states[number], self._weights)
            else:
                whole = self._source(number, level, with_semantics)
                index = strongest(whole.view, whole.weight, count)
                view, weight = whole.view.chosen(index), whole.weight[index]
            self._sources[key] = _Source(view, weight, level, with_semantics)
        return self._sources[key]

    def _correspond(self, source: "_Source", a: int, b: int,
                    states) -> tuple[CodedView, Warp, Tensor]:
        """The view that is looked at, the warp into it, and the weights (N,)."""
        target = self._source(b, source.level, source.with_semantics)
        warped = warp(source.view, states[a], target.view, states[b], self._weights.border)
        visible = visibility_weight(target.view, states[b], target.weight, warped, self._weights)
        return target.view, warped, source.weight * visible

    def _add(self, equations: NormalEquations, a: int, b: int, residual: Residual,
             weight: Tensor, sigma: float, huber: float) -> None:
        """Whiten, weigh robustly and sum; residual and Jacobian are scaled together.

        The weights are normalised so that a pair always counts as the same number of
        pixels: otherwise losing sight of each other would lower the cost.
        """
        error = residual.value.norm(dim=1) / sigma
        total = weight.sum()
        if float(total) < _MIN_SHARE * len(weight) or not len(weight):
            return
        share = weight * (self._weights.effective_pixels / total)
        cost = float((share * huber_cost(error, huber)).sum())
        row_weight = share * huber_weight(error, huber) / (sigma * sigma)
        rows = residual.value.shape[1]
        blocks = []
        for name, jacobian in residual.jacobians.items():
            group, which = name.split("_")
            columns = self._columns.get((group, a if which == "a" else b))
            if columns is not None:
                blocks.append((columns, jacobian.flatten(0, 1)))
        equations.add(blocks, residual.value.flatten(), row_weight.repeat_interleave(rows), cost)

    def _add_priors(self, equations: NormalEquations, states) -> None:
        for (group, number), columns in self._columns.items():
            if group == "pose":
                continue
            state = states[number]
            code = state.code_depth if group == "depth" else state.code_semantic
            value, jacobian = code_prior(code, self._weights.code_sigma)
            equations.add([(columns, jacobian)], value, torch.ones_like(value),
                          0.5 * float(value @ value))


@dataclass(frozen=True)
class _Source:
    """Pixels that are warped, at one resolution."""

    view: CodedView
    #: (N,)
    weight: Tensor
    level: int
    with_semantics: bool
